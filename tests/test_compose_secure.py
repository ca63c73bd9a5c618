"""``docker-compose.secure.yml``: the locks of ``dosetwin services up --secure``, and a real broker that has them."""

from __future__ import annotations

import os
import shlex
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from connectors.kafka.clients import KafkaRefuses, open_producer
from connectors.kafka.topics import VITALS
from connectors.services import Influx, influxdb, kafka
from connectors.services.keys import listeners
from connectors.services.ports import free_ports
from connectors.services.supervisor import stop_group
from connectors.settings import load_settings
from streams.key_folders import admit_all, make_keys
from streams.roles import roles
from tests.places import ROOT
from tests.test_compose import schema  # noqa: F401 (a fixture)

BASE, LOCKS = (
    yaml.safe_load((ROOT / name).read_text())["services"]
    for name in ("docker-compose.yml", "docker-compose.secure.yml")
)

OF_EACH_START = ("listeners", "advertised.listeners", "listener.security.protocol.map", "ssl.keystore.location",
                 "ssl.truststore.location")  # fmt: skip
"""Where the broker is, which differs: in a container it is reached by its name, and on one port more."""


def properties(environment: dict[str, str]) -> dict[str, str]:
    """The broker's configuration, as the image makes it of variables: three bars are a dash, two a bar, one a dot."""
    named = {}
    for variable, value in environment.items():
        name = variable.removeprefix("KAFKA_").lower().replace("___", "-").replace("__", "\0").replace("_", ".")
        named[name.replace("\0", "_")] = value.replace("$$", "$")
    return named


def broker_by_compose() -> dict[str, str]:
    return properties(BASE["kafka"]["environment"] | LOCKS["kafka"]["environment"])


def test_it_follows_the_compose_schema(schema: dict[str, Any]) -> None:  # noqa: F811
    import jsonschema  # which takes a second

    whole = yaml.safe_load((ROOT / "docker-compose.secure.yml").read_text())
    jsonschema.Draft7Validator(schema).validate(whole)


def test_the_locks_are_those_of_a_locked_kafka_of_this_clone(tmp_path: Path) -> None:
    local = dict(line.split("=", 1) for line in listeners.listeners(1, 2, 3, tmp_path).splitlines())
    ours = broker_by_compose()
    assert {name: ours.get(name) for name in local if name not in OF_EACH_START} == {
        name: value for name, value in local.items() if name not in OF_EACH_START
    }
    jaas = "listener.name.{}.scram-sha-512.sasl.jaas.config"
    assert ours[jaas.format("outside")] == ours[jaas.format("users")]
    protocols = dict(pair.split(":") for pair in ours["listener.security.protocol.map"].split(","))
    assert protocols == {"CERTIFICATES": "SSL", "USERS": "SASL_SSL", "OUTSIDE": "SASL_SSL", "CONTROLLER": "SSL"}


def test_every_part_enters_by_a_role_of_its_own_and_sees_no_other_keys() -> None:
    ours = {name for name, service in BASE.items() if "build" in service}
    known = {role.name for role in roles(load_settings())}
    assert set(LOCKS) == ours | {"kafka", "influxdb", "grafana", "admit"}
    for name in ours:
        (mount,) = LOCKS[name]["volumes"]
        role = mount.split("}/", 1)[1].removesuffix(":/keys:ro")
        assert role in known, name
        assert LOCKS[name]["entrypoint"][:3] == ["sh", "-c", 'set -a; . /keys/env; set +a; exec "$$@"'], name
        assert LOCKS[name]["depends_on"] == {"admit": {"condition": "service_completed_successfully"}}, name
        assert "/keys" not in str(BASE[name].get("volumes", "")).replace("/keys:ro", ""), name
    for name in ours:
        mounts = {mount.split(":/")[1].split(":")[0] for mount in BASE[name].get("volumes", [])}
        assert "keys" not in mounts, "what a role enters by lies beside what its part has without locks"
    for name in ("sink", "operations"):
        assert LOCKS[name]["environment"] == {"DOSETWIN_INFLUX_TOKEN": "", "DOSETWIN_INFLUX_PLAINTEXT": "refused"}
    assert LOCKS["grafana"]["environment"] == {"DOSETWIN_INFLUX_TOKEN": ""}


def test_influxdb_speaks_tls_as_a_locked_one_of_this_clone(keys: Path) -> None:
    given = LOCKS["influxdb"]["environment"]
    for lock in influxdb.LOCKS:
        name, _, value = lock.removeprefix("--").partition("=")
        assert given[f"INFLUXD_{name.upper().replace('-', '_')}"] == (value or "true"), lock
    own = keys / LOCKS["influxdb"]["volumes"][0].split("}/")[1].removesuffix(":/keys:ro")
    for path in (given["INFLUXD_TLS_CERT"], given["INFLUXD_TLS_KEY"], given["SSL_CERT_FILE"]):
        assert (own / Path(path).name).is_file()
    trusted = ssl.create_default_context(cafile=own / "ca.pem")
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(own / "influxdb.pem")
    assert handshake(shown, trusted, urlsplit(LOCKS["admit"]["environment"]["DOSETWIN_INFLUX_URL"]).hostname) is None
    assert "certificate is not valid for 'kafka'" in str(handshake(shown, trusted, "kafka"))
    for part in ("sink", "grafana", "operator"):
        assert (keys / part / "ca.pem").read_text() == (own / "ca.pem").read_text()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> ssl.SSLError | None:
    """What ends it, between the two of them alone."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(down, up, server_hostname=name), server.wrap_bio(up, down, server_side=True))
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return error
    return None


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secure") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture(scope="module")
def ports(keys: Path) -> Iterator[dict[str, int]]:
    """A real broker with the configuration of the containers, but for where it listens and its files lie."""
    found = dict(zip(("19093", "19092", "9092", "9093"), free_ports(4, ()), strict=True))
    place, lines = keys.parent / "broker", []
    place.mkdir()
    for name, value in broker_by_compose().items():
        value = value.replace("${DOSETWIN_KAFKA_PORT:-9092}", "9092").replace(
            "/var/lib/kafka/data", str(place / "logs")
        )
        value = (
            value.replace("kafka:", "127.0.0.1:").replace("://:", "://127.0.0.1:").replace("localhost:", "127.0.0.1:")
        )
        value = value.replace("/keys/", f"{keys}/kafka/")
        for port, ours in found.items():
            value = value.replace(f":{port}", f":{ours}")
        lines.append(f"{name}={value}\n")
    (place / "server.properties").write_text("".join(lines))
    java = (*kafka._JAVA, "-cp", f"{kafka.jars(print) / 'jars'}/*")
    tool = ("kafka.tools.StorageTool", "format", "-t", kafka.cluster_id(), "-c", str(place / "server.properties"))
    subprocess.run([*java, *tool], check=True, capture_output=True)
    with (place / "log").open("wb") as log:
        broker = subprocess.Popen([*java, "kafka.Kafka", str(place / "server.properties")], stdout=log, stderr=log,
                                  start_new_session=True)  # fmt: skip
    try:
        yield found
    finally:
        stop_group(broker)


def healthy(keys: Path, port: int) -> bool:
    """As the container's health check asks."""
    config = keys.parent / "health.properties"
    config.write_text((keys / "kafka" / "health.properties").read_text().replace("/keys/", f"{keys}/kafka/"))
    java = ("java", "-XX:TieredStopAtLevel=1", "-cp", f"{kafka.jars(print) / 'jars'}/*")
    asked = ("org.apache.kafka.tools.BrokerApiVersionsCommand", "--bootstrap-server", f"localhost:{port}",
             "--command-config", str(config))  # fmt: skip
    return subprocess.run([*java, *asked], capture_output=True, check=False, timeout=60).returncode == 0


def enter(monkeypatch: pytest.MonkeyPatch, keys: Path, part: str, ports: dict[str, int]) -> str:
    """Act as a part, by what its container would find; returns where Kafka is."""
    for line in shlex.split((keys / part / "env").read_text()):
        name, _, value = line.partition("=")
        monkeypatch.setenv(
            name, value.replace("/keys/", f"{keys}/{part}/").replace("kafka:19092", f"127.0.0.1:{ports['19092']}")
        )
    return os.environ["DOSETWIN_KAFKA"]


def let_in(bootstrap: str) -> Any:
    """A producer; a broker that has much to do knows a new password some seconds after it took it."""
    until = time.monotonic() + 120
    while True:
        try:
            return open_producer(bootstrap)
        except KafkaRefuses:
            assert time.monotonic() < until
            time.sleep(0.5)


@pytest.mark.slow
def test_a_broker_of_the_containers_lets_each_role_do_its_work_and_no_other(
    keys: Path, ports: dict[str, int], influx: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kafka.errors import TopicAuthorizationFailedError

    until = time.monotonic() + 120
    while not healthy(keys, ports["19093"]):
        assert time.monotonic() < until, (keys.parent / "broker" / "log").read_text()[-2000:]
    with monkeypatch.context() as operator:
        given = LOCKS["admit"]["environment"] | {
            "DOSETWIN_KAFKA": f"127.0.0.1:{ports['19093']}",
            "DOSETWIN_INFLUX_URL": influx.url,
            "DOSETWIN_INFLUX_CA": "",
            "DOSETWIN_INFLUX_TOKEN": influx.token,
        }
        for name, value in given.items():
            operator.setenv(name, value.replace("/keys/", f"{keys}/"))
        assert admit_all(keys) == tuple(role.name for role in roles(load_settings()))
    for part in ("sink", "grafana"):
        told = dict(line.split("=", 1) for line in shlex.split((keys / part / "env").read_text()))
        assert told["DOSETWIN_INFLUX_URL"] == influx.url
        assert told["DOSETWIN_INFLUX_TOKEN"] not in ("", influx.token)
    for part, refused in (("feed", False), ("sink", True)):
        with monkeypatch.context() as entered, closing(let_in(enter(entered, keys, part, ports))) as producer:
            sent = producer.send(VITALS, b"{}")
            if refused:
                with pytest.raises(TopicAuthorizationFailedError):
                    sent.get(60)
            else:
                assert sent.get(60).topic == VITALS
