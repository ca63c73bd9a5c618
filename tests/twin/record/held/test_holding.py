"""What is held does not count, in any order of arrival, and counts as if never held once released or borne out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.twin.bedside import PATIENT, at, clock, count, covariate, dose, ms, plan, sample, start, stop, vital
from tests.twin.timeline.records import history_of
from twin.events import Enrolment, InputEvent, PumpDelivery, Release
from twin.patient.state_row import pack_history, unpack_history
from twin.record.history import History, Insertion

YEAR = 24.0 * 365
OLD = -25 * YEAR


def enrolment(hours: float = 0.0, **changes: Any) -> Enrolment:
    fields = {"event_id": f"enrolment {hours:g}", "patient_id": PATIENT, "time": at(hours), "source": "ward"}
    return Enrolment(**fields | {"model": "toxin"} | changes)


def release(*events: str, hours: float = 50.0, **changes: Any) -> Release:
    name = f"release {' '.join(events)} {changes.get('begins', '')}"
    return Release(event_id=name, patient_id=PATIENT, time=at(hours), source="ward", events=events, **changes)


LOST = start(OLD, 100.0, "pump-2"), sample(OLD + 0.5, 100.0, "pump-2"), stop(OLD + 1, "pump-2")
KNOWN = enrolment(), dose(1), count(24, 2.0)


def counted(history: History) -> list[str]:
    return [fact.event_id for _, fact in history.effective()]


def told(history: History, event: InputEvent) -> Insertion:
    return history.insert(event, event.rate.value if isinstance(event, PumpDelivery) else None)


def test_a_pump_that_lost_its_clock_is_held_with_all_that_it_says() -> None:
    history = history_of([*LOST, *KNOWN])
    assert counted(history) == [event.event_id for event in KNOWN]
    assert [fact.event_id for fact in history.holding.held_facts()] == [LOST[0].event_id, LOST[2].event_id]
    assert history.counted_samples()["pump-2", "toxin"].times == array("q")
    assert history.newest == ms(24)


def test_what_is_held_changes_nothing_when_it_comes() -> None:
    history = history_of(KNOWN)
    for event in (*LOST, clock(40 * YEAR), count(40 * YEAR, 1.0), vital(41 * YEAR), dose(OLD - 20)):
        outcome = told(history, event)
        assert (outcome.outcome, outcome.since, outcome.delivery, outcome.contact) == ("new", None, False, None)
    assert history.newest == ms(24)
    assert told(history, sample(25, 100.0, "pump-2")).delivery


def test_a_release_makes_it_count_from_its_own_time_on() -> None:
    for word in (release(LOST[0].event_id), release(begins=at(OLD), ends=at(OLD + 1))):
        history = history_of([*KNOWN, *LOST])
        assert told(history, word).since == ms(OLD)
        assert counted(history)[:2] == [LOST[0].event_id, LOST[2].event_id]
        assert history.counted_samples()["pump-2", "toxin"].rates == array("d", [100.0])
        withdrawal = word.model_copy(update={"event_id": "no", "status": "retracted", "replaces": word.event_id})
        assert told(history, withdrawal).since == ms(OLD)
        assert LOST[0].event_id not in counted(history)


def test_the_third_who_bears_it_out_makes_a_history() -> None:
    history = history_of([enrolment(), dose(1), count(5 * YEAR, 2.0)])
    assert told(history, count(5 * YEAR + 24, 2.0)).since is None
    assert history.newest == ms(1)
    assert told(history, dose(5 * YEAR + 48)).since == ms(5 * YEAR)
    assert history.newest == ms(5 * YEAR + 48)
    gone = count(5 * YEAR, 2.0, event_id="gone", status="retracted", replaces=f"count {5 * YEAR:g}")
    assert told(history, gone).since == ms(5 * YEAR)
    assert history.newest == ms(1)


def test_several_results_of_one_draw_bear_one_another_out_no_more_than_one() -> None:
    one_draw = [count(OLD, 2.0, event_id=f"draw {n}", analyte=name) for n, name in enumerate(["ANC", "alt", "ast"])]
    assert counted(history_of([*KNOWN, *one_draw])) == [event.event_id for event in KNOWN]


def test_what_characterises_a_patient_may_be_old() -> None:
    assert "WT" in counted(history_of([*KNOWN, covariate(OLD, "WT", 70, "kg")]))[0]
    history = history_of([*KNOWN, covariate(-OLD, "WT", 70, "kg")])
    assert len(counted(history)) == 3


def test_a_late_enrolment_says_where_the_record_belongs() -> None:
    history = history_of([dose(1), dose(OLD), count(OLD + 5, 1.0)])
    assert counted(history) == [f"dose {OLD:g}", f"count {OLD + 5:g}"]
    assert told(history, enrolment()).since is not None
    assert counted(history) == ["enrolment 0", "dose 1"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "either 'events' or a time"),
        ({"events": ("a",), "begins": at(0), "ends": at(1)}, "either 'events' or a time"),
        ({"begins": at(0)}, "go together"),
        ({"begins": at(1), "ends": at(0)}, "is before"),
    ],
)
def test_a_release_names_events_or_a_time(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Release(event_id="r", patient_id=PATIENT, time=at(0), source="ward", **fields)


years = st.sampled_from([-30.0, -25.0, -24.5, 0.0, 0.4, 1.5, 4.0, 4.2, 40.0]).flatmap(
    lambda year: st.integers(0, 4).map(lambda hour: year * YEAR + hour)
)
words = st.one_of(
    st.builds(dose, years), st.builds(lambda h: count(h, 2.0), years), st.builds(clock, years),
    st.builds(vital, years), st.builds(lambda h: start(h, 40.0), years), st.builds(lambda h: sample(h, 40.0), years),
    st.builds(enrolment, years), st.builds(lambda h: plan(h, (h + 1, 1.0, None), (h - 3 * YEAR, 1.0, None)), years),
    st.builds(lambda h: release(f"dose {h:g}"), years),
    st.builds(lambda h: release(begins=at(h), ends=at(h) + timedelta(hours=2)), years),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(words, max_size=9, unique_by=lambda event: event.event_id), st.randoms(use_true_random=False))
def test_what_is_held_follows_from_the_record_whatever_the_order(events: Sequence[InputEvent], random: Random) -> None:
    found = history_of(events)
    shuffled = list(events)
    random.shuffle(shuffled)
    other, kept = history_of(shuffled), unpack_history(pack_history(found))
    for history in (other, kept):
        assert (history.holding.now, history.newest) == (found.holding.now, found.newest)
        assert counted(history) == counted(found)
        assert history.counted_samples() == found.counted_samples()


@settings(max_examples=120, deadline=None)
@given(st.lists(words, min_size=1, max_size=9, unique_by=lambda event: event.event_id))
def test_all_that_changes_with_an_event_lies_after_the_time_that_it_tells(events: Sequence[InputEvent]) -> None:
    *before, last = events
    history = history_of(before)
    counting = {(fact.event_id, millis) for millis, fact in history.effective()}
    outcome = told(history, last)
    now = {(fact.event_id, millis) for millis, fact in history.effective()}
    changed = [millis for name, millis in counting ^ now if not name.startswith(("release", "enrolment"))]
    assert all(outcome.since is not None and millis >= outcome.since for millis in changed)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.integers(-10, 5000))
def test_a_word_that_goes_on_is_as_one_that_was_told_and_judged(hours: list[int], later: int) -> None:
    one, other = History(), History()
    for hour in hours:
        told(one, vital(hour))
        told(other, vital(hour))
    millis = ms(later)
    if one.holding.goes_on_with(millis):
        one.holding.go_on(millis)
        other.holding.tell(millis)
        other.holding.judge()
        assert one.holding.told == other.holding.told
        found, wanted = one.holding, other.holding
        assert (found.now, found.oldest, found.newest) == (wanted.now, wanted.oldest, wanted.newest)
