"""Brokers are away, lose what they had, and lead no more."""

from __future__ import annotations

import random
import time

from connectors.kafka.topics import VITALS
from tests.faults.ground import Ground, until
from tests.faults.kinds.fault import fault


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
