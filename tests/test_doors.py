"""The door matrix: each door of the real servers without a key, with a wrong one, another role's, and the right one."""

from __future__ import annotations

import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from kafka.errors import AuthorizationError, GroupAuthorizationFailedError, TopicAuthorizationFailedError

from connectors.audit.keeping import write_chain
from connectors.kafka.access.entry import access_to
from connectors.kafka.access.refusal import refusal
from connectors.kafka.clients import KafkaRefuses, open_admin, open_consumer, open_producer
from connectors.kafka.topics import (
    ACCESSES,
    ALERTS,
    COMMANDS,
    ESTIMATES,
    LABS,
    PUMP,
    REJECTED,
    TopicError,
    ensure_topics,
    keep_topics,
    kept_days,
)
from connectors.services.influxdb import Influx, request
from connectors.settings import Settings, load_settings
from connectors.sinks.delivery import consumer_group
from connectors.sinks.influx import InfluxWriter
from connectors.sinks.influx import Settings as InfluxSettings
from connectors.sinks.influx_erasure import SeriesUnreachable, open_series
from connectors.sinks.writer import AccessDenied
from streams.doctor.broker import allowed
from streams.doctor.influx import check_influx
from streams.doctor.retention import check_topics_kept
from streams.worker.rows.changelog import changelog_of, ensure_changelog, group_of
from tests.doors import Doors

CHANGELOG = changelog_of(Settings())


def write(bootstrap: str, topic: str) -> None:
    with closing(open_producer(bootstrap, acks="all", max_block_ms=20_000)) as producer:
        producer.send(topic, b"{}", key=b"P-1").get(20)


def read(bootstrap: str, topic: str, group: str | None = None) -> None:
    """Poll until a record comes; a refusal is raised by the client."""
    with closing(open_consumer(bootstrap, group_id=group, auto_offset_reset="earliest")) as consumer:
        consumer.subscribe([topic])
        until = time.monotonic() + 30
        while not consumer.poll(timeout_ms=200):
            assert time.monotonic() < until, f"nothing came of {topic}"


def create_worker_topic(bootstrap: str) -> None:
    ensure_changelog(Settings(kafka=bootstrap))
    write(bootstrap, CHANGELOG)
    read(bootstrap, CHANGELOG, group_of(Settings()))


def chain(bootstrap: str) -> None:
    write_chain(Settings(kafka=bootstrap), lambda: False, follow=False)


@dataclass(frozen=True)
class Door:
    """What is tried, who may, and who may not."""

    name: str
    knock: Callable[[str], None]
    role: str
    other: str

    def __str__(self) -> str:
        return self.name


DOORS = (
    Door("feed writes counts", lambda at: write(at, LABS), "feed", "subscriber"),
    Door("worker keeps its state", create_worker_topic, "worker", "feed"),
    Door("sink reads estimates", lambda at: read(at, ESTIMATES, consumer_group("influx")), "sink", "subscriber"),
    Door("subscriber reads alerts", lambda at: read(at, ALERTS, consumer_group("webhook")), "subscriber", "feed"),
    Door("console reads alerts", lambda at: read(at, ALERTS), "console", "topics"),
    Door("console sends a word", lambda at: write(at, COMMANDS), "console", "sink"),
    Door("engineer sends a letter again", lambda at: write(at, LABS), "engineer", "console"),
    Door("engineer reads what twins hold", lambda at: read(at, CHANGELOG), "engineer", "console"),
    Door("engineer reads letters", lambda at: read(at, REJECTED), "engineer", "feed"),
    Door("console tells who looked", lambda at: write(at, ACCESSES), "console", "sink"),
    Door("audit reads who looked", lambda at: read(at, ACCESSES), "audit", "console"),
    Door("audit chains it", chain, "audit", "console"),
)


@pytest.fixture(scope="module")
def told(locked: Doors) -> Doors:
    """A record on each topic of the outputs."""
    with pytest.MonkeyPatch.context() as patch:
        locked.act(patch, None)
        for topic in (ESTIMATES, ALERTS, ACCESSES, REJECTED):
            write(locked.operators, topic)
        ensure_changelog(Settings(kafka=locked.operators))
        write(locked.operators, CHANGELOG)
    return locked


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_the_right_key_opens_and_no_other(
    door: Door, told: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told.act(monkeypatch, door.role)
    door.knock(told.users)

    wrong = tmp_path / "wrong.password"
    wrong.write_text("wrong")
    wrong.chmod(0o600)
    told.act(monkeypatch, door.role, PASSWORD_FILE=wrong)
    with pytest.raises(KafkaRefuses, match=f"user '{door.role}' or the password in {wrong} is not known there"):
        door.knock(told.users)

    told.act(monkeypatch, door.role, PROTOCOL="SSL", USER="", PASSWORD_FILE="")
    with pytest.raises(KafkaRefuses, match="does not let us in"):
        door.knock(told.users)

    told.act(monkeypatch, door.other)
    with pytest.raises(AuthorizationError):
        door.knock(told.users)


def test_topics_are_made_by_who_makes_topics(locked: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    locked.act(monkeypatch, None)
    admin = open_admin(locked.operators)
    admin.delete_topics([PUMP])
    until = time.monotonic() + 20
    while PUMP in admin.list_topics():
        assert time.monotonic() < until
        time.sleep(0.2)
    admin.close()
    for role in ("feed", "worker", "console"):
        locked.act(monkeypatch, role)
        with pytest.raises(TopicError, match=r"iomt\.pump cannot be created: TopicAuthorizationFailedError .*'topics'"):
            ensure_topics(locked.users)
    locked.act(monkeypatch, "topics")
    assert ensure_topics(locked.users) == (PUMP,)
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", f"{PUMP}=31")
    assert keep_topics(locked.users) == (PUMP,)
    assert kept_days(locked.users)[PUMP] == 31
    locked.act(monkeypatch, "sink")
    (unseen,) = allowed("retention", check_topics_kept, Settings(kafka=locked.users))
    assert (unseen.well, unseen.seen) == (True, "is not for our user to look at; the operator may")
    with pytest.raises(AuthorizationError):
        keep_topics(locked.users)
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", "")
    locked.act(monkeypatch, "topics")
    with pytest.raises(TopicError, match="TopicAuthorizationFailedError"):
        ensure_topics(locked.users, "other.")


@pytest.mark.parametrize(
    ("role", "knock", "refused"),
    [
        ("subscriber", lambda at: read(at, ESTIMATES), TopicAuthorizationFailedError),
        ("subscriber", lambda at: read(at, ALERTS, consumer_group("influx")), GroupAuthorizationFailedError),
        ("sink", lambda at: read(at, ALERTS, group_of(Settings())), GroupAuthorizationFailedError),
        ("console", lambda at: read(at, ALERTS, "any"), GroupAuthorizationFailedError),
        ("console", lambda at: write(at, ALERTS), TopicAuthorizationFailedError),
        ("feed", lambda at: write(at, ESTIMATES), TopicAuthorizationFailedError),
        ("worker", lambda at: write(at, PUMP), TopicAuthorizationFailedError),
    ],
)
def test_a_role_does_its_own_work_only(
    role: str, knock: Callable[[str], None], refused: type[Exception], told: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.act(monkeypatch, role)
    with pytest.raises(refused):
        knock(told.users)
    assert f"Principal = User:{role} is Denied" in told.log


def test_the_port_of_certificates_wants_one_of_its_own_authority(
    locked: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = locked.directory / "kafka" / "keys"
    locked.act(monkeypatch, "feed")
    with pytest.raises(KafkaRefuses, match="DOSETWIN_KAFKA_CERTIFICATE"):
        open_admin(locked.operators)
    locked.act(monkeypatch, None, PROTOCOL="SSL", CA=keys / "ca.pem")
    with pytest.raises(KafkaRefuses, match="DOSETWIN_KAFKA_CERTIFICATE"):
        open_admin(locked.operators)
    foreign = tmp_path / "operator.pem"
    foreign.write_bytes(_operator_of_another_authority())
    foreign.chmod(0o600)
    locked.act(monkeypatch, None, PROTOCOL="SSL", CA=keys / "ca.pem", CERTIFICATE=foreign)
    with pytest.raises(KafkaRefuses, match="DOSETWIN_KAFKA_CERTIFICATE"):
        open_admin(locked.operators)
    locked.act(monkeypatch, None, PROTOCOL="SSL", CA=keys / "ca.pem", CERTIFICATE=keys / "operator.pem")
    open_admin(locked.operators).close()


def _operator_of_another_authority() -> bytes:
    return trustme.CA().issue_cert("operator", common_name="operator").private_key_and_cert_chain_pem.bytes()


def test_a_broker_of_another_authority_is_not_told_anything(
    locked: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    locked.act(monkeypatch, "worker", CA=other)
    with pytest.raises(KafkaRefuses, match=f"not of the authority named: DOSETWIN_KAFKA_CA={other}"):
        open_admin(locked.users)


def test_nothing_is_taken_in_the_clear(locked: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    locked.act(monkeypatch, None, PLAINTEXT="allowed")
    found = refusal(locked.users, access_to(locked.users))
    assert found is not None
    assert found.mend == "if it wants TLS, set DOSETWIN_KAFKA_PROTOCOL=SASL_SSL with user, password file and CA"


def test_keys_are_their_owners_alone_and_stand_on_no_command_line(locked: Doors) -> None:
    import psutil

    secret = [path for path in locked.directory.rglob("*") if path.suffix in {".pem", ".password", ".token", ".env"}]
    assert len(secret) >= 17
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in secret} == {0o700}
    passwords = [path.read_text() for path in secret if path.suffix in {".password", ".token"}]
    said = " ".join(word for each in psutil.process_iter(["cmdline"]) for word in each.info["cmdline"] or ())
    logs = "".join(path.read_text() for path in locked.directory.glob("*/log"))
    properties = (locked.directory / "kafka" / "server.properties").read_text()
    assert [one for one in passwords if one in said + logs + properties] == []


@pytest.mark.parametrize(
    ("role", "writes", "reads"),
    [("sink", 204, 404), ("grafana", 403, 200), ("", 401, 401), ("wrong", 401, 401)],
)
def test_a_token_of_influxdb_opens_what_its_role_needs(role: str, writes: int, reads: int, locked: Doors) -> None:
    token = locked.roles[role]["DOSETWIN_INFLUX_TOKEN"] if role in locked.roles else role
    influx = locked.influx
    line, flux = "door,tried=yes value=1", f'from(bucket: "{influx.bucket}") |> range(start: -1h)'
    at = f"?org={influx.org}&bucket={influx.bucket}"
    assert _ask(influx, f"/api/v2/write{at}", line, token) == writes
    assert _ask(influx, f"/api/v2/query{at}", flux, token) == reads
    operator = {"token": influx.token, "ca": influx.ca}
    org = request(influx.url, "GET", f"/api/v2/orgs?org={influx.org}", **operator)[1]["orgs"][0]["id"]
    if role:
        bucket = {"orgID": org, "name": uuid.uuid4().hex}
        refused = request(influx.url, "POST", "/api/v2/buckets", body=bucket, token=token, ca=influx.ca)
        assert refused[0] in (401, 403, 404)


def _ask(influx: Influx, path: str, text: str, token: str) -> int:
    import httpx2

    headers = {"Content-Type": "application/vnd.flux" if "query" in path else "text/plain"}
    if token:
        headers["Authorization"] = f"Token {token}"
    trusted = ssl.create_default_context(cafile=influx.ca)
    return int(httpx2.post(influx.url + path, content=text.encode(), headers=headers, verify=trusted).status_code)


def test_influxdb_is_entered_by_tls_of_its_own_authority_alone(
    locked: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    influx, line = locked.influx, "door,tried=yes value=1"
    assert influx.url.startswith("https://127.0.0.1:")
    locked.act(monkeypatch, "sink")
    with closing(InfluxWriter(load_settings(InfluxSettings))) as writer:
        writer.write([line])
    foreign = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(foreign))
    locked.act(monkeypatch, "sink", INFLUX_CA=foreign)
    with (
        closing(InfluxWriter(load_settings(InfluxSettings))) as stranger,
        pytest.raises(
            AccessDenied, match=f"its certificate is not of the authority named: DOSETWIN_INFLUX_CA={foreign}"
        ),
    ):
        stranger.write([line])
    with (
        pytest.raises(SeriesUnreachable, match=f"is not the one we trust: .*DOSETWIN_INFLUX_CA={foreign}"),
        open_series(load_settings(InfluxSettings), "P-1", lambda _: False) as series,
    ):
        series.counted()
    old = ssl.create_default_context(cafile=influx.ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    port = int(influx.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port)) as open_,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol version"),
    ):
        old.wrap_socket(open_, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", port)) as clear:
        clear.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert clear.recv(64).startswith(b"HTTP/1.0 400 Bad Request")


@pytest.mark.parametrize(
    ("given", "seen", "mend"),
    [
        ({}, "answers at https://127.0.0.1:{port} by TLS, bucket 'dosetwin'", ""),
        (
            {"INFLUX_CA": "{foreign}"},
            "is not the one we trust: its certificate is not of the authority named",
            "in DOSETWIN_INFLUX_CA",
        ),
        ({"INFLUX_URL": "http://127.0.0.1:{port}", "INFLUX_CA": ""}, "takes nothing in the clear", "write https://"),
        (
            {"INFLUX_TOKEN": "wrong"},
            "answers at https://127.0.0.1:{port}, but does not know this token",
            "one of its own",
        ),
        (
            {"INFLUX_BUCKET": "other"},
            "knows this token, but not for bucket 'other' of 'dosetwin'",
            "DOSETWIN_INFLUX_ORG",
        ),
        (
            {"INFLUX_URL": "https://127.0.0.1:{kafka}"},
            "there is no TLS that we speak|not the one we trust",
            "DOSETWIN_INFLUX",
        ),
        ({"INFLUX_URL": "https://127.0.0.1:1"}, "does not answer at https://127.0.0.1:1", "dosetwin services up"),
    ],
)
def test_the_doctor_tells_why_influxdb_does_not_let_us_in(
    given: dict[str, str], seen: str, mend: str, locked: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    foreign = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(foreign))
    port = {"foreign": foreign, "port": locked.influx.url.rpartition(":")[2], "kafka": locked.users.rpartition(":")[2]}
    locked.act(monkeypatch, "sink", **{name: value.format(**port) for name, value in given.items()})
    finding = next(check_influx(load_settings(InfluxSettings)))
    assert re.search(seen.format(**port), finding.seen), finding
    assert mend in finding.mend
    assert finding.well == (not mend)
