"""What was delivered is what the pumps did: words, counters and silence, whatever was ordered."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from tests.twin.bedside import dose, ms, sample, start, stop
from tests.twin.timeline.records import given_of, steps
from twin.clock import HOUR_MS
from twin.timeline import delivery as module


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_rate_holds_from_a_start_to_a_stop() -> None:
    found = given_of(start(1, 40.0), stop(3))
    assert found.rate == steps((1, 40.0), (3, 0.0))
    assert found.rate_by_route == {"iv": found.rate}
    assert (found.rate_at(ms(0.99)), found.rate_at(ms(1)), found.rate_at(ms(3))) == (0.0, 40.0, 0.0)


def test_a_change_of_rate_is_a_stop_and_a_start_at_one_instant() -> None:
    """IHE PCD IPEC: both carry the same time, and whichever arrives first, the start prevails."""
    found = given_of(start(1, 40.0), start(2, 25.0), stop(2), stop(4))
    assert found.rate == steps((1, 40.0), (2, 25.0), (4, 0.0))


def test_a_periodic_word_that_repeats_the_rate_changes_nothing() -> None:
    plain = given_of(start(1, 40.0), stop(5))
    assert given_of(start(1, 40.0), *(sample(1 + i / 12, 40.0) for i in range(1, 48)), stop(5)) == plain


def test_a_start_or_stop_speaks_louder_than_a_sample_of_the_same_instant() -> None:
    assert given_of(sample(2, 40.0), stop(2)).rate == []
    assert given_of(sample(2, 99.0), start(2, 40.0), stop(3)).rate == steps((2, 40.0), (3, 0.0))


def test_samples_alone_tell_the_course_of_the_rate() -> None:
    found = given_of(sample(1, 40.0), sample(2, 40.0), sample(3, 10.0), sample(4, 0.0))
    assert found.rate == steps((1, 40.0), (3, 10.0), (4, 0.0))


@pytest.mark.parametrize(
    ("phase", "status", "rate"),
    [
        ("start", "delivering", 40.0),
        ("start", "transitioning", 40.0),
        ("start", "not-delivering", 0.0),
        ("stop", "not-delivering", 0.0),
        ("complete", "not-delivering", 0.0),
        ("complete", "kvo", 40.0),
    ],
)
def test_what_a_phase_and_a_status_say_about_the_rate(phase: str, status: str, rate: float) -> None:
    word: Any = start(1, 40.0, phase=phase, delivery_status=status)
    assert given_of(word).rate_at(ms(2)) == rate


def test_channels_of_one_drug_add_up_and_other_drugs_do_not_count() -> None:
    found = given_of(
        start(1, 40.0), start(2, 5.0, "pump-2"), stop(3), stop(4, "pump-2"), start(1, 77.0, "pump-3", drug="helper")
    )
    assert found.rate == steps((1, 40.0), (2, 45.0), (3, 5.0), (4, 0.0))


# --- doses -----------------------------------------------------------------------------------------------------------


def test_recorded_doses_enter_at_once_or_over_their_duration_by_their_route() -> None:
    found = given_of(
        dose(1, 60.0, route="oral"), dose(2, 30.0, 1.5), dose(2.5, 10.0, 1.0, event_id="other", route="sc")
    )
    assert found.impulses == [(ms(1), 60.0, "oral")]
    assert found.rate_by_route == {"iv": steps((2, 20.0), (3.5, 0.0)), "sc": steps((2.5, 10.0), (3.5, 0.0))}
    assert found.rate == steps((2, 20.0), (2.5, 30.0), (3.5, 0.0))
    assert found.pulses == [ms(1), ms(2), ms(2.5)]


def test_amounts_are_counted_from_an_instant_up_to_another() -> None:
    found = given_of(start(0, 40.0), stop(3), dose(2, 5.0))
    assert found.amount(ms(0), ms(10)) == pytest.approx(125.0)
    assert found.amount(ms(1), ms(2)) == pytest.approx(40.0)
    assert found.amount(ms(2), ms(2.5)) == pytest.approx(25.0)
    assert found.amount(ms(5), ms(9)) == 0.0


# --- courses ---------------------------------------------------------------------------------------------------------


def test_a_course_begins_after_a_gap_without_any_delivery() -> None:
    found = given_of(start(0, 40.0), stop(2), start(20, 40.0), stop(22), dose(46, 5.0), dose(71, 5.0))
    assert found.starts(24 * HOUR_MS) == [ms(0), ms(46), ms(71)]
    assert found.starts(25 * HOUR_MS) == [ms(0), ms(71)]
    assert found.starts(26 * HOUR_MS) == [ms(0)]
    assert found.starts(HOUR_MS) == [ms(0), ms(20), ms(46), ms(71)]


def test_a_short_delivery_inside_a_long_one_ends_nothing() -> None:
    found = given_of(start(0, 40.0), start(1, 5.0, "pump-2"), stop(2, "pump-2"), stop(30), dose(40))
    assert found.starts(15 * HOUR_MS) == [ms(0)]


def test_nothing_delivered_has_no_course() -> None:
    assert given_of(stop(1)).starts(HOUR_MS) == []
    assert given_of(stop(1)).rate == []
