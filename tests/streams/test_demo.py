"""The demo, as a user runs it: figures at the end, nothing left behind, also when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from connectors.services import Influx

KEYS = {"events_in", "estimates_out", "influx_points", "alerts", "audit", "dead_letters", "lag", "latency_ms"}


@pytest.fixture
def environment(kafka: str, influx: Influx, tmp_path: Path) -> dict[str, str]:
    """The session's servers, by name, and run state of its own."""
    return {
        **os.environ,
        "DOSETWIN_KAFKA": kafka,
        "DOSETWIN_INFLUX_URL": influx.url,
        "DOSETWIN_INFLUX_TOKEN": influx.token,
        "DOSETWIN_INFLUX_ORG": influx.org,
        "DOSETWIN_INFLUX_BUCKET": influx.bucket,
        "DOSETWIN_STATE_DIR": str(tmp_path / "state"),
        "DOSETWIN_PARTICLES": "200",
    }


def started(environment: dict[str, str], **shape: str) -> subprocess.Popen[str]:
    """A demo of two patients."""
    return subprocess.Popen(
        [sys.executable, "-m", "streams", "demo"],
        env={**environment, "DEMO_PATIENTS": "2", "DEMO_SPEED": "7200", **shape},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(mark: str) -> list[str]:
    """Command lines of living processes whose environment carries ``mark``."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("DOSETWIN_STATE_DIR") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_demo_stops_by_itself_and_ends_with_its_figures(environment: dict[str, str]) -> None:
    demo = started(environment, DEMO_SECONDS="8")
    out, err = demo.communicate(timeout=150)
    assert demo.returncode == 0, err
    lines = out.strip().splitlines()
    assert any(line.startswith("console: http://127.0.0.1:") for line in lines)
    figures = json.loads(lines[-1])
    assert set(figures) == KEYS
    assert set(figures["latency_ms"]) == {"p50", "p99"}
    assert figures["events_in"] > 50
    assert figures["estimates_out"] > 5
    assert figures["influx_points"] > figures["estimates_out"]
    assert "InfluxDB has received its first points" in err
    assert figures["dead_letters"] == 0
    chain = figures["audit"]
    assert chain["links"] + chain["untold"] >= sum(figures["alerts"].values())
    assert chain["faults"] == 0
    assert figures["lag"] == 0
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p99"]
    assert left_behind(environment["DOSETWIN_STATE_DIR"]) == []


def test_a_killed_demo_leaves_no_process_behind(environment: dict[str, str]) -> None:
    demo = started(environment)
    assert demo.stdout is not None
    while not demo.stdout.readline().startswith("console:"):
        assert demo.poll() is None
    demo.send_signal(signal.SIGKILL)
    demo.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while left_behind(environment["DOSETWIN_STATE_DIR"]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_behind(environment["DOSETWIN_STATE_DIR"]) == []


def test_an_impossible_shape_is_refused(environment: dict[str, str]) -> None:
    demo = started(environment, DEMO_PATIENTS="0")
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 2
    assert "DEMO_PATIENTS" in err or "--patients" in err
