"""A twin that stands still says so, the louder the longer it lasts."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.console.pulse import ALARM, LOUD, SILENT, Pulses
from connectors.kafka.topics import home_partition
from twin.events import Heartbeat

PARTITIONS = 4
MINE = home_partition(b"P-1", PARTITIONS)
OTHER = (MINE + 1) % PARTITIONS


def beat(partition: int = MINE, **said: Any) -> Heartbeat:
    usual = {"state": "live", "lag": 0, "behind_seconds": 0.0, "barrier_seconds": 1.0, "sealed": {}}
    return Heartbeat.example().model_copy(update={"partition": partition, "partitions": PARTITIONS} | usual | said)


def heard(*beats: Heartbeat, at: float = 100.0) -> Pulses:
    pulses = Pulses()
    for each in beats:
        pulses.hear(each, at)
    return pulses


def test_while_the_worker_beats_there_is_nothing_to_say() -> None:
    pulses = heard(beat(), beat(OTHER))
    assert pulses.of("P-1", 100.0 + SILENT - 0.1).level == pulses.worst(100.0 + SILENT - 0.1).level == 0
    assert pulses.of("P-1", 100.0).text == ""


@pytest.mark.parametrize(
    ("seconds", "level", "says"),
    [(SILENT, 1, "for 3 s"), (LOUD, 2, "for 15 s"), (ALARM, 3, "for 60 s"), (3e5, 3, "83.3 h")],
)
def test_a_silent_worker_is_said_within_five_seconds_and_more_loudly_as_it_lasts(
    seconds: float, level: int, says: str
) -> None:
    assert SILENT < 5.0 - 1.5, "a beat comes every second, and a page looks twice a second"
    pulse = heard(beat()).of("P-1", 100.0 + seconds)
    assert pulse.level == level
    assert says in pulse.text
    assert "what is shown stands still" in pulse.text


def test_a_worker_that_said_farewell_is_known_to_have_stopped_at_once() -> None:
    pulse = heard(beat(state="stopped")).of("P-1", 101.0)
    assert pulse.level == 1
    assert pulse.text == "The worker of this twin stopped 1 s ago: nothing moves."


def test_a_twin_that_lags_or_is_sealed_says_so() -> None:
    late = heard(beat(state="behind", lag=1240, behind_seconds=75.0)).of("P-1", 100.0)
    assert (late.level, late.text) == (2, "This twin lags: 1240 records wait, the newest one read is 75 s old.")
    stuck = heard(beat(state="stuck", barrier_seconds=400.0)).of("P-1", 100.0)
    assert (stuck.level, "nothing permanent for 7 min" in stuck.text) == (3, True)
    pulses = heard(beat(sealed={"P-1": "model_changed"}))
    assert pulses.of("P-1", 100.0).level == 3
    assert "sealed (model_changed)" in pulses.of("P-1", 100.0).text
    assert pulses.of("P-2", 100.0).level in (0, 2)
    assert pulses.worst(100.0).text == "Sealed, and moved no more: the twins of P-1."


def test_only_the_twins_of_the_dead_worker_stand_still() -> None:
    pulses = heard(beat())
    pulses.hear(beat(OTHER), 200.0)
    assert pulses.of("P-1", 200.0).level == 3
    assert pulses.worst(200.0).text.endswith("So it is with 1 of 2 partitions.")
    yours = next(f"P-{n}" for n in range(99) if home_partition(f"P-{n}".encode(), PARTITIONS) == OTHER)
    assert pulses.of(yours, 200.0).level == 0


def test_an_older_beat_changes_nothing_and_a_partition_without_any_is_named() -> None:
    pulses = heard(beat())
    pulses.hear(beat(state="stopped"), 50.0)
    assert pulses.of("P-1", 100.0).level == 0
    assert heard(beat(OTHER)).of("P-1", 100.0).text == "No worker has been heard of that moves this twin."
    assert Pulses().of("P-1", 0.0) == Pulses().worst(0.0)
    assert Pulses().worst(0.0).level == 1
