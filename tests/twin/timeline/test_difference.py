"""From when on two timelines of one patient differ."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.twin.bedside import clock, count, dose, level, ms, plan, sample, start, stop, totals, vital, weight
from tests.twin.timeline.records import timeline
from twin.events import InputEvent
from twin.timeline.difference import first_difference

BASE: list[InputEvent] = [start(0, 40.0), stop(10), level(5, 1.0), weight(0, 70.0), dose(20), count(30, 3.0)]


def difference(*added: InputEvent, base: Iterable[InputEvent] = BASE) -> int | None:
    return first_difference(timeline(*base), timeline(*base, *added))


def test_timelines_that_say_the_same_do_not_differ() -> None:
    assert difference() is None
    assert difference(vital(3), clock(40), plan(2, (3, 1.0, None)), sample(4, 40.0)) is None


@pytest.mark.parametrize(
    ("added", "hours"),
    [
        (start(3, 20.0), 3),
        (sample(4, 41.0), 4),
        (dose(7), 7),
        (level(2, 1.0), 2),
        (count(31, 2.0), 31),
        (weight(8, 90.0), 8),
        (dose(6, drug="helper"), 6),
    ],
    ids=lambda value: getattr(value, "event_id", None),
)
def test_a_new_fact_differs_from_its_own_time_on(added: InputEvent, hours: float) -> None:
    assert difference(added) == ms(hours)


def test_a_counter_differs_from_the_reading_before_it() -> None:
    with_reading = [*BASE, totals(2, 0.0)]
    assert difference(totals(6, 100.0), base=with_reading) == ms(2)
    assert difference(totals(6, 160.5), base=with_reading) is None


def test_a_drug_that_moves_no_state_differs_too_for_it_is_told_of() -> None:
    helper = [*BASE, totals(2, 0.0, "pump-2", drug="helper"), start(2, 5.0, "pump-2", drug="helper")]
    assert difference(totals(8, 60.0, "pump-2", drug="helper"), base=helper) == ms(2)


def test_an_earlier_start_differs_from_there() -> None:
    assert difference(dose(-5)) == ms(-5)
    assert first_difference(timeline(*BASE, dose(-5)), timeline(*BASE)) == ms(-5)


def test_a_covariate_that_reaches_back_differs_from_the_start() -> None:
    base = [event for event in BASE if event.kind != "covariate"]
    assert difference(weight(25, 90.0), base=base) == ms(0)
