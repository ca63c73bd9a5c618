"""Starting, sharing and stopping real servers, and what happens when whoever started them is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from connectors.services import Influx, LocalServices, down, influxdb, launch, local_services, up
from connectors.services import kafka as kafka_server
from connectors.services.cache import in_cache
from connectors.services.launch import ServerFailed, release, start
from connectors.services.ports import answers, free_ports
from connectors.services.progress import Cancelled
from connectors.services.run_state import read_record, running_servers, write_record
from connectors.services.servers import NamedServerError, status
from connectors.services.supervisor import ProcessId, held
from tests.connectors.services.processes import processes_of


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def listening_hosts(place: Path) -> set[str]:
    """Addresses on which the servers of ``place`` listen."""
    hosts = set()
    for process in psutil.process_iter(["cmdline"]):
        if str(place) in " ".join(process.info["cmdline"] or ()):
            connections = process.net_connections(kind="inet")
            hosts |= {at.laddr.ip.removeprefix("::ffff:") for at in connections if at.status == psutil.CONN_LISTEN}
    return hosts


def environments(place: Path) -> list[dict[str, str]]:
    """Of the keepers and servers of ``place``."""
    found = psutil.process_iter(["cmdline"])
    return [each.environ() for each in found if str(place) in " ".join(each.info["cmdline"] or ())]


def test_servers_answer_on_this_machine_only_and_stop_with_the_block(
    kafka: str, influx: Influx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_INFLUX_PASSWORD", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    with local_services(directory=tmp_path / "state", say=print) as own:
        assert kafka_server.ready(own.kafka)
        assert influxdb.accepts(own.influx)
        assert listening_hosts(tmp_path) == {"127.0.0.1"}
        seen = environments(tmp_path)
        assert len(seen) == 4, "two keepers and two servers"
        assert not [name for each in seen for name, value in each.items() if "canary" in value]
        for door in ("/metrics", "/debug/pprof/", "/debug/pprof/heap"):
            assert influxdb.request(own.influx.url, "GET", door)[0] == 403
        assert own.kafka != kafka, "two run states have two servers"
        assert own.influx.token != influx.token
        address = own.kafka
    assert processes_of(tmp_path) == []
    assert not answers(address)


def test_influx_takes_points_and_gives_them_back(influx: Influx) -> None:
    with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
        with client.write_api(write_options=SYNCHRONOUS) as writer:
            writer.write(influx.bucket, record="services,patient=S-1 value=4.5 757382400000", write_precision="ms")
        flux = f'from(bucket:"{influx.bucket}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "services")'
        assert [record.get_value() for table in client.query_api().query(flux) for record in table.records] == [4.5]


def test_run_state_is_private_and_the_token_shows_nowhere_else(influx: Influx, directory: Path) -> None:
    settings = start("influx", directory, str(ProcessId.of(os.getpid())), print, provider="local")
    token = settings["influx_token"]
    assert len(token) >= 32
    assert token != influx.token
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "influx").stat().st_mode) == 0o700
    for name in ("influx.json", "influx/token", "influx/log"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name
    assert token not in " ".join(processes_of(directory.parent))
    assert token not in (directory / "influx" / "log").read_text()
    assert token not in repr(Influx("http://x", token))


@pytest.mark.usefixtures("kafka")
def test_a_second_start_prepares_nothing_and_keeps_topics_and_address(directory: Path) -> None:
    from connectors.kafka.topics import describe_topics, ensure_topics

    with local_services(influx=False, directory=directory, say=print) as first:
        ensure_topics(first.kafka)
        address = first.kafka
    formatted = (directory / "kafka" / "storage" / "meta.properties").stat()
    said: list[str] = []
    with local_services(influx=False, directory=directory, say=said.append) as second:
        assert second.kafka == address
        assert {state.partitions for state in describe_topics(second.kafka)} == {4}
    assert [re.sub(r"[\d.]+ s$", "N s", line) for line in said] == [f"kafka is up at {address} after N s"]
    assert (directory / "kafka" / "storage" / "meta.properties").stat().st_mtime_ns == formatted.st_mtime_ns


@pytest.mark.usefixtures("kafka")
def test_a_server_is_shared_and_stops_with_the_last_who_holds_it(directory: Path) -> None:
    me = str(ProcessId.of(os.getpid()))
    settings = start("kafka", directory, me, print, provider="local")
    up("kafka", directory=directory, say=print)
    assert running_servers(directory) == settings
    release("kafka", directory, me)
    assert kafka_server.ready(settings["kafka"]), "'services up' still holds it"
    assert [found.answers for found in status(directory)] == [True, False]
    assert down(directory=directory) == ("kafka",)
    assert not answers(settings["kafka"])
    assert down(directory=directory) == ()


def start_in_child(directory: Path, server: str, then: str) -> subprocess.Popen[str]:
    """A process that starts ``server`` in ``directory``, says so, and goes on with ``then``."""
    script = f"""
        import sys, time
        from pathlib import Path
        from connectors.services import LocalServices
        services = LocalServices(Path(sys.argv[1]), say=lambda text: None)
        services.start_{server}()
        print("started", flush=True)
        {then}
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.usefixtures("kafka", "influx")
@pytest.mark.parametrize("server", ["kafka", "influx"])
def test_no_process_outlives_a_killed_starter(directory: Path, server: str) -> None:
    with start_in_child(directory, server, "time.sleep(600)") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        assert len(processes_of(directory)) >= 2
        child.kill()
    eventually(lambda: processes_of(directory) == [])
    assert read_record(directory, server) is None


@pytest.mark.usefixtures("influx")
def test_a_starter_that_ends_without_stopping_leaves_nothing_behind(directory: Path) -> None:
    with start_in_child(directory, "influx", "sys.exit()") as child:
        assert child.wait(60) == 0
    eventually(lambda: processes_of(directory) == [])


@pytest.mark.usefixtures("influx")
def test_a_server_dies_with_its_killed_keeper_and_the_next_start_recovers(directory: Path) -> None:
    me = str(ProcessId.of(os.getpid()))
    first = start("influx", directory, me, print, provider="local")
    record = read_record(directory, "influx")
    assert record is not None
    os.kill(ProcessId.parse(record["keeper"]).pid, signal.SIGKILL)
    eventually(lambda: processes_of(directory / "influx") == [])
    assert running_servers(directory) == {}
    again = start("influx", directory, me, print, provider="local")
    assert again["influx_token"] == first["influx_token"]
    assert influxdb.accepts(Influx(again["influx_url"], again["influx_token"]))


@pytest.mark.usefixtures("influx")
def test_a_server_that_hangs_is_not_joined(directory: Path) -> None:
    settings = start("influx", directory, "up", print, provider="local")
    port = int(settings["influx_url"].rpartition(":")[2])
    (server,) = (at.pid for at in psutil.net_connections() if at.status == "LISTEN" and at.laddr.port == port)
    os.kill(server, signal.SIGSTOP)
    try:
        eventually(lambda: psutil.Process(server).status() == psutil.STATUS_STOPPED)
        with pytest.raises(ServerFailed, match="influx runs, but does not answer: 'dosetwin services down' ends it"):
            start("influx", directory, str(ProcessId.of(os.getpid())), print, provider="local")
    finally:
        os.kill(server, signal.SIGCONT)


@pytest.mark.usefixtures("influx")
def test_up_while_pid_ends_with_that_process(directory: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as owner:
        found = up("influx", while_pid=owner.pid, directory=directory, say=print)
        assert found[1].answers
        owner.kill()
    eventually(lambda: processes_of(directory) == [])


@pytest.mark.usefixtures("influx")
def test_ephemeral_servers_take_their_files_with_them(directory: Path) -> None:
    with LocalServices(directory, ephemeral=True, say=print) as own:
        assert influxdb.accepts(own.influx)
        assert (directory / "influx" / "influx.bolt").is_file()
    assert not (directory / "influx").exists()


@pytest.mark.usefixtures("influx")
def test_influx_can_come_later(directory: Path) -> None:
    with local_services(kafka=False, influx="later", directory=directory, say=print) as own:
        later = own.start_influx_later()
        assert own.influx == later.result()
        assert influxdb.accepts(own.influx)


def test_a_build_in_the_background_stands_back_and_stopping_cancels_it_with_all_its_processes(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "go"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\nsleep 600 & echo {tmp_path} $(nice); exec sleep 601\n")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(influxdb, "require", lambda _names: None)
    own = LocalServices(directory, say=print)
    later = own.start_influx_later()
    log = "cache/dosetwin/.influxd-*-build/build.log"
    eventually(lambda: any(path.stat().st_size for path in tmp_path.glob(log)))
    said = next(tmp_path.glob(log)).read_text()
    assert said.split()[-1] == str(min(os.nice(0) + influxdb.BESIDE_OTHERS, 19)), "it stands back behind other work"
    own.stop()
    with pytest.raises(Cancelled):
        later.result()
    sleeping = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "600"] not in sleeping
    assert ["sleep", "601"] not in sleeping
    assert not in_cache(influxdb.KEY)


@pytest.mark.usefixtures("kafka")
def test_a_taken_port_costs_another_try_not_the_start(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        offers = [(taken.getsockname()[1], *free_ports(1))]
        monkeypatch.setattr(launch, "free_ports", lambda _count, _preferred: offers.pop() if offers else free_ports(2))
        monkeypatch.setattr(launch, "READY_SECONDS", 60.0)
        settings = start("kafka", directory, str(ProcessId.of(os.getpid())), print, provider="local")
    assert offers == []
    assert kafka_server.ready(settings["kafka"])


def test_a_server_that_cannot_start_is_an_error_with_its_log(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "influxd"
    broken.write_text("#!/bin/sh\necho out of luck; exit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr(influxdb, "binary", lambda _say, _cancelled: broken)
    with pytest.raises(ServerFailed, match=r"(?s)influx ended as soon as it was started.*out of luck"):
        start("influx", directory, str(ProcessId.of(os.getpid())), print, provider="local")
    assert not held(directory / "influx" / "claims")


def test_named_servers_are_used_and_never_stopped(
    kafka: str, influx: Influx, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_KAFKA", kafka)
    monkeypatch.setenv("DOSETWIN_INFLUX_URL", influx.url)
    monkeypatch.setenv("DOSETWIN_INFLUX_TOKEN", influx.token)
    with local_services(directory=directory, say=print) as named:
        assert (named.kafka, named.influx) == (kafka, influx)
    down(directory=directory)
    assert [(found.provider, found.answers) for found in status(directory)] == [("named", True), ("named", True)]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DOSETWIN_KAFKA": "127.0.0.1:1"}, "DOSETWIN_KAFKA names 127.0.0.1:1, where no Kafka answers"),
        ({"DOSETWIN_INFLUX_URL": "http://127.0.0.1:1"}, "DOSETWIN_INFLUX_TOKEN is empty: set both"),
        (
            {"DOSETWIN_INFLUX_URL": "http://127.0.0.1:1", "DOSETWIN_INFLUX_TOKEN": "t"},
            "where no InfluxDB answers that accepts DOSETWIN_INFLUX_TOKEN and has the bucket 'dosetwin'",
        ),
        (
            {"DOSETWIN_INFLUX_URL": "http://influx:8086", "DOSETWIN_INFLUX_TOKEN": "t"},
            "DOSETWIN_INFLUX_URL=http://influx:8086: token and patients would go to influx in the clear: write https://",
        ),
        ({"DOSETWIN_SERVICES": "podman"}, "DOSETWIN_SERVICES='podman': expected 'compose' or 'local'"),
    ],
)
def test_a_named_server_that_cannot_be_used_is_an_error_that_names_the_variable(
    variables: dict[str, str], message: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    own = LocalServices(directory, say=print)
    with pytest.raises(ServerFailed, match=message):
        own.start_influx() if "DOSETWIN_INFLUX_URL" in variables else own.start_kafka()
    assert issubclass(NamedServerError, ServerFailed)


@pytest.mark.slow
def test_the_record_names_no_more_than_reaching_the_server_needs(directory: Path) -> None:
    start("kafka", directory, str(ProcessId.of(os.getpid())), print, provider="local")
    record = json.loads((directory / "kafka.json").read_text())
    assert sorted(record) == ["keeper", "provider", "secure", "settings"]
    assert ProcessId.parse(record["keeper"]).alive()


@pytest.mark.parametrize(("keeps", "told"), [("sleep 60 & wait", True), ("read -t 1 _", False)])
def test_a_server_that_does_not_stop_is_an_error_and_files_that_are_being_deleted_are_waited_for(
    keeps: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "STOPPED_SECONDS", 0.3)
    keeper = subprocess.Popen(["bash", "-c", keeps], stdin=subprocess.PIPE, start_new_session=True)
    write_record(tmp_path, "kafka", {"keeper": str(ProcessId.of(keeper.pid)), "settings": {}})
    try:
        eventually(lambda: told == bool(psutil.Process(keeper.pid).children()))
        if told:
            with pytest.raises(ServerFailed, match=rf"kafka \(process {keeper.pid}\) does not stop; see .*kafka/log"):
                release("kafka", tmp_path, None)
        else:
            release("kafka", tmp_path, None)
            assert not ProcessId.of(keeper.pid).alive()
    finally:
        os.killpg(keeper.pid, signal.SIGKILL)
        keeper.communicate()
