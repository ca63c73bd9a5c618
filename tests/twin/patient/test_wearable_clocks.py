"""A wearable's clock that is off is an alert, the same to the last byte in any order and after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import PATIENT, alerts_told, at, bind, clock, dose, ms, quantity, vital
from twin import PatientTwin
from twin.events import Alert, InputEvent, VitalSample, encode

pytestmark = pytest.mark.slow

RULE = "data.clock"
MODEL = toys.absorption()


def said(hours: float, seconds: float | None, **changes: object) -> VitalSample:
    """A heart rate of a wearable that is so many seconds behind; ``None`` where it says nothing of its clock."""
    behind = None if seconds is None else quantity(seconds, "s")
    return vital(hours, clock_behind=behind, **changes)


def told(*groups: Sequence[InputEvent]) -> tuple[PatientTwin, list[Alert]]:
    twin = PatientTwin(PATIENT, MODEL, 24)
    return twin, alerts_told(twin, RULE, groups)


def standing(twin: PatientTwin) -> bytes:
    """All that stands of the alerts; ids under which they were published are those of their first onset, which data
    that come late move."""
    return repr(sorted((e.fold_id, e.digest, e.onset_ms, e.rule) for e in twin.ledger.live)).encode()


DAY: list[InputEvent] = [
    dose(0.0, 1.0),
    *(said(quarter / 4, None) for quarter in range(1, 12)),
    *(said(quarter / 4, 900.0) for quarter in range(12, 30)),
    said(7.5, 0.0),
    *(said(quarter / 4, None) for quarter in range(31, 40)),
]


def test_a_wearable_by_a_wrong_clock_is_named_until_it_says_that_it_is_right() -> None:
    twin, (raised, cleared) = told(*([event] for event in DAY))
    assert (raised.phase, raised.onset, raised.severity) == ("start", at(3.0), "low")
    assert raised.text == "The clock of watch-1 is 15 min behind; what it says is placed by a right clock."
    assert (cleared.state, cleared.text) == ("resolved", "The clock of watch-1 is right.")
    assert twin.ledger.live == ()


def test_samples_by_a_right_clock_leave_no_trace() -> None:
    twin, alerts = told([dose(0.0, 1.0), *(said(quarter / 4, None) for quarter in range(1, 12))])
    assert (alerts, twin.history.clocks.words) == ([], {})


def test_a_late_word_raises_and_a_retracted_one_withdraws() -> None:
    twin, (raised,) = told([dose(0.0, 1.0), clock(5.5)], [said(2.2, 1800.0)])
    assert (raised.phase, raised.onset) == ("start", at(2.2))
    back = said(2.2, 1800.0, event_id="back", status="retracted", replaces=said(2.2, 1800.0).event_id)
    (gone,) = [one for one in twin.observe([back]).outputs if isinstance(one, Alert)]
    assert (gone.phase, gone.alert_id) == ("withdrawn", raised.alert_id)
    right = said(2.2, 0.0, event_id="mend", status="corrected", replaces=said(2.2, 1800.0).event_id)
    assert told([dose(0.0, 1.0)], [right], [said(2.2, 1800.0)], [clock(5.5)])[1] == [], "corrected before it came"


def test_what_says_nothing_of_the_clock_takes_nothing_back_that_was_said_of_it() -> None:
    better = said(2.2, None, event_id="mend", status="corrected", replaces=said(2.2, 1800.0).event_id)
    _, alerts = told([dose(0.0, 1.0), said(2.2, 1800.0)], [better], [clock(5.5)])
    assert [one.phase for one in alerts] == ["start"]


def test_an_id_that_says_something_else_of_the_clock_is_refused_however_old_it_is() -> None:
    twin, _ = told([dose(0.0, 1.0), said(2.2, 1800.0)])
    twin.history.recent.clear()
    assert twin.observe([said(2.2, 1800.0)]).rejected == ()
    assert [one.reason for one in twin.observe([said(2.2, 600.0)]).rejected] == ["id_conflict"]


def test_words_that_only_go_on_are_routine_and_a_new_offset_is_not() -> None:
    twin, _ = told(DAY[:20])
    assert twin.take(said(5.1, 900.0))
    assert not twin.take(said(5.2, 930.0)), "another offset"
    assert not twin.take(said(4.9, 900.0)), "late"
    assert twin.take(said(5.2, None))


def test_a_reading_that_comes_after_the_silence_was_told_leaves_what_it_leaves_when_it_comes_before() -> None:
    silent, reading = [dose(0.0, 1.0), bind(0.0), clock(8.5)], said(0.25, None)
    assert standing(told(silent, [reading])[0]) == standing(told([*silent, reading])[0])


quarters = st.integers(0, 31).map(lambda quarter: quarter / 4)


@st.composite
def stories(draw: st.DrawFn) -> list[InputEvent]:
    """Eight hours with a wearable whose clock is off and on, some words corrected or retracted."""
    events: list[InputEvent] = [dose(0.0, 1.0), bind(0.0), clock(8.5)]
    for hour in draw(st.lists(quarters, min_size=1, max_size=12, unique=True)):
        seconds = draw(st.sampled_from([None, 0.0, 900.0, 900.0, -7200.0]))
        one = said(hour, seconds)
        events.append(one)
        mend = draw(st.sampled_from(["", "", "", "retracted", "corrected"]))
        if mend:
            other = seconds if mend == "retracted" else draw(st.sampled_from([0.0, 900.0, 930.0]))
            events.append(said(hour, other, event_id=f"mend {hour}", status=mend, replaces=one.event_id))
    return events


@settings(max_examples=10, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_any_order_with_repetitions_and_a_restart_end_in_the_same_alerts(
    events: list[InputEvent], chance: Random
) -> None:
    shuffled = [*events, *chance.sample(events, len(events) // 2)]
    chance.shuffle(shuffled)
    at_once, one_by_one = told(events)[0], told(*([event] for event in shuffled))[0]
    assert standing(one_by_one) == standing(at_once)
    assert one_by_one.history.clocks.words == at_once.history.clocks.words
    half = len(shuffled) // 2
    twin = told(*([event] for event in shuffled[:half]))[0]
    again = PatientTwin.from_row(twin.row(), MODEL)
    for event in shuffled[half:]:
        if not again.take(event):
            assert again.observe([event]).rejected == ()
    assert standing(again) == standing(at_once)
    assert again.row() == PatientTwin.from_row(again.row(), MODEL).row()


def test_a_restart_goes_on_to_the_same_bytes() -> None:
    for cut in (8, 15, 25, 32):
        straight, _ = told(*([event] for event in DAY))
        before, first = told(*([event] for event in DAY[:cut]))
        after = PatientTwin.from_row(before.row(), MODEL)
        rest = [one for event in DAY[cut:] for one in after.observe([event]).outputs if isinstance(one, Alert)]
        assert [encode(one) for one in (*first, *rest)] == [encode(one) for one in told(*([e] for e in DAY))[1]]
        assert after.row() == straight.row()
        assert ms(0) < (after.history.newest or 0)
