"""A simulated ward with the files for its listener, and that listener as a process of its own."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil

from connectors.facts.memory import glance
from connectors.feeds.stream import Spoken, TimedEvent
from connectors.feeds.ward.feed import open_feed
from connectors.services.ports import answers, free_ports
from connectors.speaking.source import PROFILE, source_name, write_source
from streams.bench.stream import _Process, _process, _surroundings

MIB = 1_048_576
PATIENTS = 24
LISTEN = ["-c", "from streams.cli import main; main()", "listen"]


@dataclass(frozen=True)
class Listening:
    """A listener that takes connections, or reads a server.

    Attributes:
        address: ``host:port`` where it takes connections.
        spoken: the ward that it knows.
        events: what the ward says in a day, some 100,000.
    """

    address: str
    spoken: Spoken
    events: Iterator[TimedEvent]
    _memory: Path
    _running: _Process
    _measured: psutil.Process

    def take(self, count: int) -> list[TimedEvent]:
        """The next events of the ward."""
        return list(islice(self.events, count))

    def processor_seconds(self) -> float:
        """What its process took of processors so far."""
        spent = self._measured.cpu_times()
        return spent.user + spent.system

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Look until it is reached.

        Raises:
            BenchmarkFailed: it ended, or never does.
        """
        self._running.wait_until(reached)

    def refused(self) -> int:
        """Messages of which something was refused."""
        return glance(self._memory / f"{source_name(self.spoken)}.sqlite").refused

    def mib(self) -> float:
        """MiB resident."""
        return float(self._measured.memory_info().rss / MIB)


@contextlib.contextmanager
def listening(bootstrap: str, protocol: str, server: str = "") -> Iterator[Listening]:
    """Listener of ``hl7`` or ``http``, or reader of ``fhir``, on topics of its own, until the block ends.

    Raises:
        BenchmarkFailed: it ended or never began.
    """
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="dosetwin-bench-") as folder:
        to = server or (address if protocol == "hl7" else f"http://{address}")
        ward = open_feed(patients=PATIENTS, days=1.0, start="2026-03-02T00:00Z", speak=protocol, files=Path(folder),
                         to=to)  # fmt: skip
        assert ward.spoken is not None
        given = write_source(ward.spoken)
        if server:
            command = [*LISTEN, "fhir", str(given.with_name(PROFILE)), "--server", server, "--every", "0.1"]
        else:
            command = [*LISTEN, "mllp" if protocol == "hl7" else "http", str(given), "--port", str(port)]
        memory = Path(folder, "memory")
        command += ["--memory", str(memory)]
        environment = _surroundings(bootstrap, f"bench-{uuid.uuid4().hex[:8]}.", 4, None)
        with _process(command, environment) as running:
            if not server:
                running.wait_until(lambda: answers(address))
            events = (said for said in ward.said if isinstance(said, TimedEvent))
            yield Listening(address, ward.spoken, events, memory, running, psutil.Process(running.handle.pid))
