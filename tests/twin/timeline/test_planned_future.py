"""What lies ahead is what is ordered: a running infusion finishes, planned doses are given, no more is foreseen."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.bedside import dose, ms, plan, start, stop, weight
from tests.twin.timeline.records import history_of, timeline
from twin.clock import HOUR_MS
from twin.events import InputEvent
from twin.kernel.delayed_input import Pieces
from twin.kernel.kernel import compile_model
from twin.record.history import HOLD_MS
from twin.record.orders import Orders
from twin.timeline.delivery import Delivered
from twin.timeline.planned_future import extended
from twin.timeline.timeline import Timeline

TOY = compile_model(toys.absorption())


def seen_from(now: float, *events: InputEvent) -> tuple[Timeline, int | None]:
    """The timeline as it is expected at ``now`` h to go on."""
    return extended(timeline(*events), TOY, ms(now), Orders(history_of(events)).plan(ms(now)))


def toxin(now: float, *events: InputEvent) -> Delivered:
    return seen_from(now, *events)[0].delivered["toxin"]


def test_a_running_infusion_goes_on_until_its_planned_amount_is_in() -> None:
    _, finish = seen_from(2, plan(-1, (0, 240.0, 6.0)), start(0, 40.0))
    assert finish == ms(6)


def test_a_slow_pump_finishes_later_and_a_fast_one_earlier() -> None:
    assert seen_from(2, plan(-1, (0, 240.0, 6.0)), start(0, 20.0))[1] == ms(12)
    assert seen_from(2, plan(-1, (0, 240.0, 6.0)), start(0, 80.0))[1] == ms(3)


def test_a_rate_changed_on_the_way_counts_what_is_already_in() -> None:
    found = toxin(3, plan(-1, (0, 240.0, 6.0)), start(0, 40.0), start(2, 80.0))
    assert found.rate == [(ms(0), 40.0), (ms(2), 80.0), (ms(4), 0.0)]


def test_an_infusion_that_nobody_ordered_is_believed_for_as_long_as_silence_is() -> None:
    _, finish = seen_from(2, start(0, 40.0))
    assert finish == ms(2) + HOLD_MS


def test_more_than_was_ordered_ends_at_once() -> None:
    _, finish = seen_from(9, plan(-1, (0, 240.0, 6.0)), start(0, 40.0))
    assert finish == ms(9) + HOUR_MS // 60


def test_a_dose_recorded_with_its_duration_ends_as_recorded() -> None:
    running, finish = seen_from(2, dose(0, 60.0, 6.0))
    assert finish == ms(6)
    assert running.delivered["toxin"].rate == [(ms(0), 10.0), (ms(6), 0.0)]
    assert seen_from(7, dose(0, 60.0, 6.0))[1] is None
    planned_too = plan(-1, (0.2, 60.0, 6.0))
    assert toxin(0, planned_too, dose(0, 60.0, 6.0)).amount(ms(0), ms(100)) == pytest.approx(60.0)


def test_nothing_running_has_no_end() -> None:
    assert seen_from(8, plan(-1, (0, 240.0, 6.0)), start(0, 40.0), stop(6))[1] is None


def test_doses_to_come_are_given_as_planned() -> None:
    found = toxin(7, plan(-1, (0, 240.0, 6.0), (24, 100.0, 5.0), (48, 60.0, None)), start(0, 40.0), stop(6))
    assert found.rate == [(ms(0), 40.0), (ms(6), 0.0), (ms(24), 20.0), (ms(29), 0.0)]
    assert found.impulses == [(ms(48), 60.0, "iv")]
    assert found.pulses == [ms(24), ms(48)]


def test_a_bolus_and_the_infusion_that_follows_it_are_one_order() -> None:
    ordered = plan(-1, (0, 100.0, 0.25), (0.25, 460.0, 46.0))
    running, finish = seen_from(0.1, ordered, start(0, 400.0))
    assert finish == ms(46.25)
    assert running.delivered["toxin"].rate == [(ms(0), 400.0), (ms(0.25), 10.0), (ms(46.25), 0.0)]
    late = seen_from(2.1, ordered, start(2, 400.0))
    assert late[0].delivered["toxin"].rate == [(ms(2), 400.0), (ms(2.25), 10.0), (ms(48.25), 0.0)]
    assert seen_from(20, ordered, start(0, 400.0), start(0.25, 10.0))[1] == ms(46.25)


def test_a_planned_dose_is_not_given_twice_while_its_infusion_runs() -> None:
    found = toxin(0, plan(-1, (0, 240.0, 6.0)), start(0, 40.0))
    assert found.amount(ms(0), ms(100)) == pytest.approx(240.0)


def test_what_was_given_is_not_planned_any_more() -> None:
    found = toxin(30, plan(-1, (0, 60.0, None), (24, 60.0, None), (48, 60.0, None)), dose(0), dose(24))
    assert [impulse[0] for impulse in found.impulses] == [ms(0), ms(24), ms(48)]


def same(found: object, expected: object) -> bool:
    if isinstance(found, Pieces):
        return all(np.array_equal(vars(found)[name], vars(expected)[name]) for name in vars(found))
    return np.array_equal(found, expected) if isinstance(found, np.ndarray) else found == expected  # type: ignore[arg-type]


def test_later_facts_are_not_foreseen() -> None:
    known = [plan(-1, (0, 240.0, 6.0)), start(0, 40.0), weight(-1, 70.0)]
    later = [start(4, 400.0), dose(9), weight(20, 120.0), stop(10)]
    one, other = seen_from(2, *known), seen_from(2, *known, *later)
    assert one[1] == other[1]
    for found, expected in zip(vars(other[0]).values(), vars(one[0]).values(), strict=True):
        assert same(found, expected)


def test_the_past_is_left_as_it_was() -> None:
    events = [plan(-1, (0, 240.0, 6.0), (24, 50.0, 1.0)), start(0, 40.0), dose(1), weight(3, 60.0), weight(4, 90.0)]
    line, ahead = timeline(*events), seen_from(5, *events)[0]
    now = ms(5)
    assert ahead.start == line.start
    assert np.array_equal(ahead.change[ahead.change <= now], line.change[line.change <= now])
    assert np.array_equal(ahead.kick[ahead.kick <= now], line.kick[line.kick <= now])
    assert np.array_equal(ahead.epoch, line.epoch)


def test_a_planned_course_begins_a_new_area() -> None:
    ahead, _ = seen_from(7, plan(-1, (0, 240.0, 6.0), (48, 240.0, 6.0)), start(0, 40.0), stop(6))
    assert ahead.courses == ((ms(0), ms(48)),)


def test_a_dose_by_mouth_keeps_its_route() -> None:
    """Planned doses to come, and what is still being given by another route than the vein."""
    ordered = plan(-1, (24, 60.0, None), route="oral")
    assert toxin(7, ordered, dose(0, route="oral")).impulses == [(ms(0), 60.0, "oral"), (ms(24), 60.0, "oral")]
    slowly = dose(0, 60.0, 6.0, route="oral")
    oral = TOY.inputs.index("input(toxin, oral)")
    ahead, _ = seen_from(2, plan(-1, (0, 60.0, 6.0), route="oral"), slowly)
    row = np.searchsorted(ahead.change, ms(1), side="right")
    assert ahead.rates[row, oral] == 10.0
