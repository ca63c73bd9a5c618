"""Several worker processes on one machine, started, kept running and stopped as one.

Kafka shares the partitions out among all workers of a group, wherever they run; what one Python process cannot do is
use more than a core or two. So ``dosetwin worker --processes 4`` starts four workers, each with a name and a metrics
port of its own, and starts again what ends by itself. A worker that always ends soon after its start has a reason that
another start does not mend: then the whole ends, with its exit code.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from connectors.services.supervisor import start_part
from streams.terminal.signals import GRACE_SECONDS

LOOK_SECONDS = 0.2
"""Between two looks at the processes."""

STEADY_SECONDS = 30.0
"""A worker that ran for so long had started well."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a worker is started again: doubled each time that it does not last."""

ATTEMPTS = 5
"""Starts in a row that do not last, after which the whole ends."""

_log = structlog.get_logger("dosetwin.worker")


@dataclass
class Member:
    """One worker of a fleet: how it is started, and how often it did not last."""

    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    due: float = 0.0
    failures: int = 0

    def start(self, now: float) -> None:
        """Start it as a child that ends with this process."""
        self.process, self.began = start_part(*self.arguments), now

    def look(self, now: float) -> int | None:
        """Its exit code if it has ended since the last look; when to start it again is then settled."""
        code = self.process.poll() if self.process is not None else None
        if code is not None:
            self.process = None
            self.failures = 0 if now - self.began >= STEADY_SECONDS else self.failures + 1
            self.due = now + min(FIRST_PAUSE * 2 ** max(self.failures - 1, 0), LONGEST_PAUSE)
        return code


@dataclass
class Fleet:
    """Workers of one machine. ``clock`` gives monotonic seconds."""

    members: Sequence[Member]
    clock: Callable[[], float] = field(default=time.monotonic)

    def run(self, stop: threading.Event) -> int:
        """Keep all running until ``stop`` is set; returns 0, or the exit code of a worker that never lasts."""
        with self._ended_in_the_end():
            while True:
                for number, member in enumerate(self.members, 1):
                    code = member.look(self.clock())
                    if code is not None:
                        _log.error("a worker process ended", process=number, code=code)
                    if member.failures >= ATTEMPTS:
                        return code or 1
                    if member.process is None and self.clock() >= member.due:
                        member.start(self.clock())
                if stop.wait(LOOK_SECONDS):
                    return 0

    @contextmanager
    def _ended_in_the_end(self) -> Iterator[None]:
        """All get SIGTERM at once, so that their last barriers run side by side."""
        try:
            yield
        finally:
            running = [member.process for member in self.members if member.process is not None]
            for process in running:
                process.terminate()
            until = time.monotonic() + GRACE_SECONDS + 1.0
            for process in running:
                try:
                    process.wait(max(until - time.monotonic(), 0.0))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def fleet_of(arguments: Sequence[str], processes: int, instance: str, metrics_port: int | None) -> Fleet:
    """Workers that are started as this command was, by ``arguments``.

    Each has ``instance``, if there is one, with its number behind it, and the metrics port that many further on; port
    0 stays 0, any free one.

    >>> [member.arguments[-4:] for member in fleet_of(["worker"], 2, "ward", 9464).members]
    [('--instance', 'ward-1', '--metrics-port', '9464'), ('--instance', 'ward-2', '--metrics-port', '9465')]
    """
    members = []
    for number in range(processes):
        own = [*arguments, "--processes", "1"]
        if instance:
            own += ["--instance", f"{instance}-{number + 1}"]
        if metrics_port is not None:
            own += ["--metrics-port", str(metrics_port + number if metrics_port else 0)]
        members.append(Member(tuple(own)))
    return Fleet(members)
