"""``dosetwin sink NAME``: a command for each sink that is found, with its settings as options."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from connectors.kafka.topics import ensure_topics, topic_of
from connectors.sinks import sinks
from streams.cli import app
from tests import factories as make
from tests.connectors.sinks import lines_sink
from tests.places import ROOT
from tests.plugins import install
from twin.events import encode

PATIENCE = 60.0


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which a package with the sink ``lines`` is installed."""
    files = {"ward_lines.py": Path(lines_sink.__file__).read_text(), "bad_sink.py": "SINK = 3"}
    install(tmp_path, "line-sink", files, {"dosetwin.sinks": {"lines": "ward_lines", "bad": "bad_sink"}})
    monkeypatch.syspath_prepend(str(tmp_path))
    sinks.cache_clear()
    yield tmp_path
    sinks.cache_clear()


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["sink", *arguments])
    return result.exit_code, result.output


def test_every_sink_is_a_command_with_its_summary(installed: Path) -> None:  # noqa: ARG001
    code, output = invoke("--help")
    assert code == 0
    assert "influx" in output
    assert "What the twins say, one event a line, in a file of" in output


def test_settings_are_options_and_secrets_are_not(installed: Path) -> None:  # noqa: ARG001
    code, output = invoke("lines", "--help")
    assert code == 0
    assert "--out" in output
    assert "the file; by default DOSETWIN_LINES_OUT" in output
    assert "--key" not in output
    assert "From the environment alone: DOSETWIN_LINES_KEY." in output
    code, output = invoke("influx", "--help")
    assert all(option in output for option in ("--url", "--org", "--bucket", "--kafka", "--prefix", "--metrics-port"))
    assert "--token" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("influx", "--url", "localhost"), "dosetwin: DOSETWIN_INFLUX_URL='localhost': String should match"),
        (("influx", "--kafka", "nowhere"), "dosetwin: DOSETWIN_KAFKA='nowhere': "),
        (("influx", "--kafka", "127.0.0.1:1"), "dosetwin: no Kafka answers at 127.0.0.1:1 (no connection)"),
        (("lines",), "dosetwin: DOSETWIN_LINES_OUT is not set, and it must be"),
    ],
)
def test_what_the_user_can_mend_is_said_in_one_line(installed: Path, arguments: list[str], message: str) -> None:  # noqa: ARG001
    code, output = invoke(*arguments)
    assert code == 1
    assert output.startswith(message)
    assert len(output.strip().splitlines()) == 1


def test_a_sink_that_cannot_be_used_is_named_where_it_is_asked_for(installed: Path) -> None:  # noqa: ARG001
    code, output = invoke("bad")
    assert code == 1
    assert "dosetwin: sink bad of line-sink 1.0: SINK is of type int, not str" in output


def test_the_sink_of_a_package_runs_serves_its_meters_and_stops_at_a_signal(kafka: str, installed: Path) -> None:
    prefix, out = f"c{uuid.uuid4().hex[:8]}.", installed / "said"
    ensure_topics(kafka, prefix, 1)
    events = [make.estimate("P-1", make.at(hour)) for hour in range(5)]
    producer = KafkaProducer(bootstrap_servers=kafka)
    for event in events:
        producer.send(topic_of(event, prefix), key=b"P-1", value=encode(event))
    producer.close()
    command = [sys.executable, "-m", "streams", "sink", "lines", "--prefix", prefix, "--metrics-port", "0"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(installed)]),
        "DOSETWIN_KAFKA": kafka,
        "DOSETWIN_PARTITIONS": "1",
        "DOSETWIN_LINES_OUT": str(out),
    }
    log = installed / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=file)
    try:
        until = time.monotonic() + PATIENCE
        while not out.exists() or out.read_bytes().count(b"\n") < len(events):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        (address,) = (word for line in log.read_text().splitlines() for word in line.split() if "/metrics" in word)
        with urlopen(address.partition("=")[2], timeout=60) as answer:
            assert "dosetwin_sink_items_total 5.0" in answer.read().decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    assert json.loads(log.read_text().splitlines()[-1]) == {"events": 5, "items": 5, "refused": 0, "outages": 0}
    assert out.read_bytes().splitlines() == [encode(event) for event in events]
