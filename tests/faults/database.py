"""An InfluxDB of a ground's own behind a door at which anything may go wrong, and the sink that writes through it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from connectors.services import influxdb
from connectors.services.ports import free_ports
from connectors.services.supervisor import die_with_parent, environment
from connectors.sinks.delivery import consumer_group
from connectors.sinks.influx import TOPICS
from tests.faulty_influx import FaultyInflux
from tests.points import expected_points, lines_of, stored_points
from tests.streams.worker.forks import Forked
from tests.streams.worker.stage import Stage

TOKEN = "of-a-test"
READY_SECONDS = 90.0


class Database:
    """Server, door and sink, running until `close`. ``refused`` are lines that no point was made of.

    The server keeps its files in ``directory``; what it and the sink log is in ``logs``.
    """

    def __init__(self, directory: Path, logs: Path, stage: Stage) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._stage = directory, stage
        self._server_log, self._log = logs / "influx.log", logs / "sink.log"
        self.refused: list[str] = []
        (port,) = free_ports(1)
        self._url = f"http://127.0.0.1:{port}"
        self._command = influxdb.command(influxdb.binary(print), directory, port)
        self.start()
        self.influx = influxdb.set_up(self._url, TOKEN)
        self.door = FaultyInflux(self.influx)
        self.door.__enter__()
        seen = {
            **os.environ,
            **stage.environment,
            "DOSETWIN_INFLUX_URL": self.door.url,
            "DOSETWIN_INFLUX_TOKEN": TOKEN,
        }
        with self._log.open("ab") as log:
            self.sink = Forked(["sink", "influx"], seen, log.fileno())

    def start(self) -> None:
        """Start the server, or start it again."""
        with self._server_log.open("ab") as log:
            self._server: subprocess.Popen[bytes] | None = subprocess.Popen(
                self._command, env=environment(os.environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent(),
            )  # fmt: skip
        until = time.monotonic() + READY_SECONDS
        while not influxdb.ready(self._url):
            assert self._server.poll() is None, f"InfluxDB ended; see {self._server_log}"
            assert time.monotonic() < until, f"no InfluxDB after {READY_SECONDS:g} s"
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL of the server."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def lag(self) -> int:
        """Records that wait for the sink, as anybody sees who asks the broker."""
        return self._stage.lag(consumer_group("influx", self._stage.prefix), TOPICS)

    def put_aside(self) -> int:
        """How many records have a refused line, and so a dead letter."""
        return sum(
            not set(self.refused).isdisjoint(lines_of(topic, record))
            for topic in TOPICS
            for record in self._stage.records(self._stage.prefix + topic)
        )

    def finish(self) -> list[str]:
        """Let the sink come to its end; says what is not in the database as the topics have it."""
        until = time.monotonic() + 200.0
        while self.lag():
            assert self.sink.poll() is None, f"the sink ended:\n{self._log.read_text()}"
            assert time.monotonic() < until, f"{self.lag()} records still wait for the sink"
            time.sleep(0.2)
        self.sink.send_signal(signal.SIGTERM)
        code = self.sink.wait(60)
        stored, expected = stored_points(self.influx), expected_points(self._stage, self.refused)
        found = [f"the sink ended with {code}"] * bool(code)
        lost = sorted(place[0] for place in expected.keys() - stored.keys())
        more = len(stored.keys() - expected.keys())
        found += [f"points missing: {lost[:5]}, of {len(lost)}"] * bool(lost)
        found += [f"{more} points that nobody sent"] * bool(more)
        other = sum(stored[place] != expected[place] for place in stored.keys() & expected.keys())
        return found + [f"{other} points are other than they should be"] * bool(other)

    def close(self) -> None:
        """End all of it."""
        self.sink.kill()
        self.sink.wait(60)
        self.door.__exit__()
        self.kill()
