"""A simulated ward with the files for its listener, and that listener as a process of its own."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil

from connectors.feeds.stream import Spoken, TimedEvent
from connectors.feeds.ward.feed import open_feed
from connectors.services.ports import answers, free_ports
from connectors.speaking.source import write_source
from streams.bench.stream import _process, _surroundings

MIB = 1_048_576
PATIENTS = 24
LISTEN = ["-c", "from streams.cli import main; main()", "listen"]


@dataclass(frozen=True)
class Listening:
    """A listener that takes connections.

    Attributes:
        address: ``host:port``.
        spoken: the ward that it knows.
        events: what the ward says in a day, some 100,000.
    """

    address: str
    spoken: Spoken
    events: Iterator[TimedEvent]
    _measured: psutil.Process

    def take(self, count: int) -> list[TimedEvent]:
        """The next events of the ward."""
        return list(islice(self.events, count))

    def processor_seconds(self) -> float:
        """What its process took of processors so far."""
        spent = self._measured.cpu_times()
        return spent.user + spent.system

    def mib(self) -> float:
        """MiB resident."""
        return float(self._measured.memory_info().rss / MIB)


@contextlib.contextmanager
def listening(bootstrap: str, protocol: str) -> Iterator[Listening]:
    """A listener of ``hl7`` or ``http`` on topics of its own, until the end of the block.

    Raises:
        BenchmarkFailed: it ended or never began.
    """
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="dosetwin-bench-") as folder:
        ward = open_feed(patients=PATIENTS, days=1.0, start="2026-03-02T00:00Z", speak=protocol, files=Path(folder),
                         to=address if protocol == "hl7" else f"http://{address}")  # fmt: skip
        assert ward.spoken is not None
        given = write_source(ward.spoken)
        command = [*LISTEN, "mllp" if protocol == "hl7" else "http", str(given), "--port", str(port)]
        command += ["--memory", str(Path(folder, "memory"))]
        environment = _surroundings(bootstrap, f"bench-{uuid.uuid4().hex[:8]}.", 4, None)
        with _process(command, environment) as running:
            running.wait_until(lambda: answers(address))
            events = (said for said in ward.said if isinstance(said, TimedEvent))
            yield Listening(address, ward.spoken, events, psutil.Process(running.handle.pid))
