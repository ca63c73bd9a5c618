"""The faults, a function each: what is done to a ground while its events come. `FAULTS` finds them all by name."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from connectors.kafka.topics import VITALS
from tests.faults.ground import SESSION, Ground, until


@dataclass(frozen=True)
class Fault:
    """What is done, how many brokers of its own it needs (0: any that runs), and how often ``make test`` does it."""

    inject: Callable[[Ground, random.Random, int], None]
    brokers: int
    short: int


FAULTS: dict[str, Fault] = {}

Inject = Callable[[Ground, random.Random, int], None]


def fault(*, brokers: int = 0, short: int = 1) -> Callable[[Inject], Inject]:
    """Enter a function into `FAULTS`. It is given the ground, chance, and how often to do what it does."""

    def enter(inject: Inject) -> Inject:
        FAULTS[inject.__name__] = Fault(inject, brokers, short)
        return inject

    return enter


@fault(short=20)
def worker_killed(ground: Ground, chance: random.Random, times: int) -> None:
    """SIGKILL at random moments, under one name, so that the next one takes its partitions back at once."""
    for _ in range(times):
        ground.start("one")
        ground.feed(1 / (times + 1))
        time.sleep(chance.uniform(0.05, 0.5))
        ground.kill("one")


@fault()
def worker_frozen(ground: Ground, chance: random.Random, times: int) -> None:
    """SIGSTOP past the session, with work that is in no row yet; another takes over, all falls quiet, they wake up.

    One has a name at the broker and one has none: their ends are noticed in different ways.
    """
    names = ("named", "nameless")
    for number in range(times):
        seldom = ("--barrier-seconds", "4")
        frozen = [ground.start("named", *seldom), ground.start("nameless", *seldom, "--instance", "")]
        said = ground.said()
        ground.feed(0.5 / times)
        until(lambda: ground.said() > said, 60.0, "outputs that no row knows of")  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.5))
        for name in names:
            ground.freeze(name)
        ground.feed(0.3 / times)
        other = f"other-{number}"
        ground.start(other)
        ground.fed()
        ground.stage.wait_until_committed(60 + SESSION)
        assert ground.stop(other) == 0
        written = ground.said(), ground.stage.raw_rows()
        for name in names:
            ground.thaw(name)
        for worker in frozen:
            until(lambda: "lost the broker" in worker.text(), 60.0, "a zombie notices the end of its session")  # noqa: B023
        for name in names:
            ground.kill(name)
        assert (ground.said(), ground.stage.raw_rows()) == written, "a zombie has written something"


@fault()
def workers_come_and_go(ground: Ground, chance: random.Random, times: int) -> None:
    """One worker, then three, then two, while events flow."""
    for _ in range(times):
        ground.start("one")
        ground.feed(0.8 / times)
        time.sleep(chance.uniform(0.2, 0.8))
        ground.begin("two")
        ground.start("three")
        time.sleep(chance.uniform(0.2, 0.8))
        assert ground.stop("one") == 0
        ground.fed()
        for name in ("two", "three"):
            assert ground.stop(name) == 0


@fault(brokers=1, short=0)
def broker_restarted(ground: Ground, chance: random.Random, times: int) -> None:
    """The only broker is killed and comes back after a moment."""
    _broker_away(ground, chance, times, 1.0)


@fault(brokers=1)
def broker_gone(ground: Ground, chance: random.Random, times: int) -> None:
    """The only broker is away for as long as some clients have patience, or for a minute where there is time."""
    _broker_away(ground, chance, times, 12.0 if times == 1 else 60.0)


def _broker_away(ground: Ground, chance: random.Random, times: int, seconds: float) -> None:
    assert ground.brokers is not None
    ground.start("one")
    for _ in range(times):
        ground.feed(0.9 / times)
        time.sleep(chance.uniform(0.3, 1.0))
        ground.brokers.kill(1)
        time.sleep(seconds)
        ground.brokers.start(1)
        ground.brokers.wait_ready()
        ground.fed()


@fault(brokers=1, short=0)
def broker_restored(ground: Ground, chance: random.Random, times: int) -> None:
    """The only broker loses its folder and goes on from a copy that was made while everything stood still."""
    assert ground.brokers is not None
    for _ in range(times):
        ground.start("one")
        ground.feed(0.9 / times)
        ground.fed()
        time.sleep(chance.uniform(0.0, 1.0))
        ground.stop("one")
        ground.brokers.restore(1, ground.brokers.copy(1))
        ground.brokers.wait_ready()


@fault(brokers=3)
def leader_lost(ground: Ground, chance: random.Random, times: int) -> None:
    """The broker that leads a partition is killed, another leads, and later the first comes back."""
    assert ground.brokers is not None
    ground.start("one")
    topic = ground.stage.prefix + VITALS
    for _ in range(times):
        ground.feed(0.9 / times)
        time.sleep(chance.uniform(0.3, 1.0))
        lost = ground.brokers.leader(topic, 0)
        ground.brokers.kill(lost)
        brokers = ground.brokers
        until(lambda: brokers.leader(topic, 0) not in (lost, 0), 60, "another leader")  # noqa: B023
        ground.fed()
        ground.brokers.start(lost)
        ground.brokers.wait_ready()
