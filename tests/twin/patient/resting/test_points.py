"""Points that rest come back as they were, and what comes in order wakes none of them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.bedside import PATIENT, clock, level, start, stop, vital
from twin import PatientTwin
from twin.alerts.lifecycle import AlertBook
from twin.events import InputEvent, encode
from twin.filter.belief import Belief
from twin.filter.trunk import TrunkPosition
from twin.patient.checkpoints import POINTS_KEPT, Point
from twin.patient.resting.points import TAIL, Points, pack_points, unpack_points
from twin.solver.cloud import Cloud

EVENTS = (
    start(0.2, 40.0),
    *(level(0.5 + 2 * number, 1.5 + 0.1 * number) for number in range(5)),
    stop(5.3),
    *(vital(0.7 * number, 70.0) for number in range(15)),
    *(clock(float(hour)) for hour in range(1, 15)),
)
"""Of half a day, in no order."""


def points(count: int) -> list[Point]:
    """One an hour, all of a belief."""
    cloud = Cloud(0, 0, np.zeros((1, 0)), np.zeros((1, 0)))
    position = TrunkPosition(Belief(np.zeros((1, 1)), np.zeros(1)), cloud, cloud, np.zeros(1))
    return [Point(hour, position, AlertBook()) for hour in range(count)]


def followed() -> PatientTwin:
    twin = PatientTwin(PATIENT, toys.absorption(), 32)
    twin.observe(EVENTS)
    return twin


def test_points_come_back_as_they_were() -> None:
    """To the last type: a rule may write what it looks at."""
    every = followed().points
    assert any(point.foreseen for point in every) or any(point.snapshot for point in every)
    back = unpack_points(pack_points(every))
    assert back == every
    assert [repr((p.snapshot, p.book, p.evidence)) for p in back] == [
        repr((p.snapshot, p.book, p.evidence)) for p in every
    ]
    assert all(one.position is other.position for one, other in zip(back, every, strict=True))


def test_the_newest_points_are_known_while_the_others_rest() -> None:
    found, every = Points(points(10)), points(10)
    found.rest()
    found.append(points(11)[-1])
    assert len(found) == 11
    assert list(found.millis) == list(range(11))
    assert [found[-1].millis, found[10].millis, found[-2].millis] == [10, 10, 9]
    assert not found.silent
    assert [point.millis for point in found.resumable()] == [9, 10]
    assert found._resting is not None, "nothing of that wakes them"
    assert [point.millis for point in found] == [*(point.millis for point in every), 10]
    with pytest.raises(IndexError):
        found[11]


def test_points_are_forgotten_from_the_newest_on() -> None:
    found = Points(points(5))
    found.rest()
    assert [found.pop().millis for _ in range(5)] == [4, 3, 2, 1, 0]
    assert not found
    found.rest()


def test_points_that_rest_are_thinned_with_the_others() -> None:
    found, awake = Points(), Points()
    for number, point in enumerate(points(3 * POINTS_KEPT)):
        found.append(point)
        awake.append(point)
        if number % 5 == 0:
            found.rest()
    assert list(found.millis) == list(awake.millis)
    assert found.thinned_until == awake.thinned_until > 0
    assert len(found) < 2 * POINTS_KEPT


def test_few_points_rest_as_they_are() -> None:
    found = Points(points(TAIL))
    found.rest()
    assert found._resting is None
    assert [point.millis for point in found.resumable()] == [0, 1]


def shuffled(random: Random) -> Iterator[list[InputEvent]]:
    """The events in groups of chance sizes, now and then one that is late."""
    events = sorted(EVENTS, key=lambda event: event.time)
    late = random.sample(events, 4)
    events = [event for event in events if event not in late]
    for one in late:
        events.insert(random.randint(0, len(events)), one)
    while events:
        size = random.randint(1, 6)
        yield events[:size]
        events = events[size:]


@pytest.mark.parametrize("seed", range(4))
def test_a_twin_that_rested_and_one_that_did_not_answer_alike(seed: int) -> None:
    """Whatever comes when, late or not: the same words, and at the end the same bytes."""
    random = Random(seed)
    rested, awake = (PatientTwin(PATIENT, toys.absorption(), 32) for _ in range(2))
    for events in shuffled(random):
        said, expected = rested.observe(events).outputs, awake.observe(events).outputs
        assert [encode(one) for one in said] == [encode(one) for one in expected]
        if random.random() < 0.7:
            rested.row()
    assert (rested.posterior().eta == awake.posterior().eta).all()
    assert [point.book for point in rested.points] == [point.book for point in awake.points]
    assert [point.snapshot for point in rested.points][-5:] == [point.snapshot for point in awake.points][-5:]
    assert rested.row() == awake.row()
