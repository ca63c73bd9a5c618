"""A small ward on brokers and workers that a fault may do anything to, while its events keep coming."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.feeds.ward.ward import WARD_MODELS, SimulatedWard, named_models
from tests.faults.brokers import Brokers
from tests.faults.database import Database
from tests.faults.verdict import Undisturbed, differences
from tests.streams.worker.stage import Stage, WorkerProcess
from twin.events import InputEvent

REAL_TWINS = "streams.worker.twin_factory:LibraryTwins"
PARTICLES = 100
RATE = 200.0
"""Events a second while something is done to the workers."""

SESSION = 6.0
"""Seconds after which a silent worker's partitions go to another: the least that brokers allow."""

START = datetime(2026, 1, 5, tzinfo=UTC)


def ward_story(
    patients: int = 4, days: float = 4.0, seed: int = 5, models: Sequence[str] = WARD_MODELS
) -> list[InputEvent]:
    """Patients as their events arrive: with stored readings, results hours late, some of them corrected.

    To that every fiftieth event comes twice, and every thirtieth after its hundred successors.
    """
    ward = SimulatedWard(named_models(models), patients, START, seed=seed, days=days, vitals_every=1800,
                         pump_every=300)  # fmt: skip
    places: list[tuple[float, InputEvent]] = []
    for number, arrival in enumerate(ward.arrivals()):
        held_up = number % 30 == 13
        places.append((number + 100.5 if held_up else number, arrival.event))
        if number % 50 == 7:
            places.append((number + 20.5, arrival.event))
    return [event for _, event in sorted(places, key=lambda place: place[0])]


@dataclass
class Ground:
    """Events in shares, workers by name, and the brokers if they are this ground's own.

    Attributes:
        refused: how many records must be refused, by reason.
        measured: what a report says besides, by name.
    """

    stage: Stage
    expected: Undisturbed
    directory: Path
    brokers: Brokers | None = None
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    database: Database | None = None
    refused: Counter[str] = field(default_factory=Counter)
    measured: dict[str, float] = field(default_factory=dict)
    _sent: int = 0
    _sender: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "sender"))
    _sending: Future[None] | None = None

    # --- events -------------------------------------------------------------------------------------------------

    def feed(self, share: float, rate: float | None = RATE) -> None:
        """Begin to send this share of all events, after what is still being sent; without a rate as fast as it goes."""
        self.fed()
        until = min(self._sent + round(share * len(self.expected.events)), len(self.expected.events))
        events: Sequence[InputEvent] = self.expected.events[self._sent : until]
        self._sent = until
        self._sending = self._sender.submit(self.stage.play, events, rate)

    def fed(self) -> None:
        """Wait until all that was begun is sent; raises what kept it from being sent."""
        if self._sending is not None:
            self._sending.result()

    # --- workers ------------------------------------------------------------------------------------------------

    def start(self, name: str, *options: str, **more: Any) -> WorkerProcess:
        """A worker of this name, ready when it holds its partitions."""
        worker = self.begin(name, *options, **more)
        worker.wait_ready()
        return worker

    def begin(
        self, name: str, *options: str, twins: str = REAL_TWINS, environment: Mapping[str, str] | None = None
    ) -> WorkerProcess:
        """A worker of this name, at the beginning of its start; later ``options`` win."""
        self.workers[name] = WorkerProcess(
            self.stage, self.directory / f"{name}.log", "--instance", name, "--session-timeout", str(SESSION),
            *options, twins=twins, environment=environment or {},
        )  # fmt: skip
        return self.workers[name]

    def kill(self, name: str) -> None:
        """SIGKILL."""
        worker = self.workers.pop(name)
        assert worker.process.poll() is None, f"ended before it was killed:\n{worker.text()}"
        worker.kill()

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self.workers[name].process.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.workers[name].process.send_signal(signal.SIGCONT)

    def stop(self, name: str) -> int:
        """SIGTERM; the exit code."""
        return self.workers.pop(name).stop()

    def said(self) -> int:
        """How many outputs and alerts all workers have sent."""
        return len(self.stage.estimates()) + len(self.stage.alerts())

    def open_database(self, directory: Path | None = None) -> Database:
        """An InfluxDB and a sink that writes to it; what it holds in the end counts too."""
        self.database = Database(directory or self.directory / "influx", self.directory, self.stage)
        return self.database

    # --- the end ------------------------------------------------------------------------------------------------

    def finish(self) -> list[str]:
        """Send the rest, let a worker come to its end, and say what is not as it should be."""
        self.feed(1.0)
        self.fed()
        if not any(worker.process.poll() is None for worker in self.workers.values()):
            self.start("last")
        until(self._committed, 200.0, "everything is committed")
        wrong = [f"worker {name} ended with {code}" for name in list(self.workers) if (code := self.stop(name))]
        if self.database is not None:
            wrong += self.database.finish()
            self.refused += Counter(influx_refused=self.database.put_aside())
        return wrong + differences(self.stage, self.expected, self.refused)

    def _committed(self) -> bool:
        ended = [f"{name}:\n{worker.text()[-2000:]}" for name, worker in self.workers.items() if worker.process.poll()]
        assert not ended, f"workers ended: {ended}"
        return not self.stage.lag()

    def close(self) -> None:
        """End what still runs."""
        for worker in self.workers.values():
            worker.__exit__()
        if self.database is not None:
            self.database.close()
        self._sender.shutdown(wait=False)
        self.stage.close()


@contextmanager
def on_own_brokers(expected: Undisturbed, directory: Path, count: int = 1) -> Iterator[Ground]:
    """A ground with brokers of its own, which end with it."""
    with (
        closing(Brokers(directory, count)) as brokers,
        closing(Ground(Stage(brokers.bootstrap), expected, directory, brokers)) as ground,
    ):
        yield ground


def until(reached: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for ``what``; an `AssertionError` when it does not come."""
    limit = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < limit, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)


def settle_particles() -> None:
    """Workers started from here have clouds of the size that the expectation is for."""
    os.environ["DOSETWIN_PARTICLES"] = str(PARTICLES)
