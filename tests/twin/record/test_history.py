"""The history is the same whatever the order of telling; corrections, repeats and contradictions are told apart."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import at, clock, count, dose, level, ms, sample, start, stop, totals, vital, weight
from twin.events import InputEvent, PumpDelivery
from twin.patient.state_row import pack_history, unpack_history
from twin.record.corrections import Superseded
from twin.record.facts import ClinicalEvent, key_of
from twin.record.history import RECENT_IDS, History, Insertion


def tell(history: History, events: Iterable[InputEvent]) -> list[str]:
    return [history.insert(event, _rate(event)).outcome for event in events]


def told(events: Iterable[InputEvent]) -> History:
    history = History()
    tell(history, events)
    return history


def standing(events: Iterable[InputEvent]) -> list[str]:
    """Ids of the facts that stand, in event-time order."""
    return [fact.event_id for _, fact in told(events).effective()]


def _rate(event: InputEvent) -> float | None:
    return event.rate.value if isinstance(event, PumpDelivery) else None


def corrected(event: ClinicalEvent, target: str, event_id: str, **changes: Any) -> ClinicalEvent:
    """``event`` as the correction of ``target``."""
    return event.model_copy(update={"status": "corrected", "replaces": target, "event_id": event_id, **changes})


def retracted(event: ClinicalEvent, target: str, event_id: str) -> ClinicalEvent:
    return corrected(event, target, event_id, status="retracted")


# --- any order -------------------------------------------------------------------------------------------------------

NAMES = [f"fact {i}" for i in range(7)]


@st.composite
def lineages(draw: st.DrawFn) -> list[ClinicalEvent]:
    """Doses of which later ones may correct or retract earlier ones, also rivals, chains and targets never told."""
    facts: list[ClinicalEvent] = []
    for i, name in enumerate(NAMES[: draw(st.integers(1, 7))]):
        given_dose = dose(draw(st.integers(0, 5)), amount=10.0 * (i + 1), event_id=name)
        kind = draw(st.sampled_from(["final", "corrected", "corrected", "retracted"])) if i else "final"
        if kind != "final":
            target = draw(st.sampled_from([*NAMES[:i], "never told"]))
            given_dose = corrected(given_dose, target, name, status=kind)
        facts.append(given_dose)
    return facts


@settings(max_examples=300)
@given(lineages(), st.randoms(use_true_random=False))
def test_any_order_of_telling_lets_the_same_facts_stand(facts: list[ClinicalEvent], random: Random) -> None:
    shuffled = random.sample(facts, len(facts))
    assert standing(shuffled) == standing(facts)
    first, second = told(facts), told(shuffled)
    assert (first.keys, first.facts, first.superseded) == (second.keys, second.facts, second.superseded)


@settings(max_examples=150)
@given(lineages(), st.randoms(use_true_random=False), st.integers(0, 7))
def test_what_a_row_leaves_out_of_facts_that_were_replaced_makes_no_difference(
    facts: list[ClinicalEvent], random: Random, cut: int
) -> None:
    shuffled = random.sample(facts, len(facts))
    whole, parts = told(shuffled), told(shuffled[:cut])
    parts = unpack_history(pack_history(parts))
    tell(parts, shuffled[cut:])
    assert pack_history(parts) == pack_history(whole)
    assert list(parts.effective()) == list(whole.effective())
    assert tell(parts, facts) == ["duplicate"] * len(facts)
    others = [fact.model_copy(update={"source": "another"}) for fact in facts]
    assert tell(parts, others) == ["conflict"] * len(facts)


@settings(max_examples=200)
@given(lineages())
def test_of_facts_that_replace_one_another_at_most_one_stands(facts: list[ClinicalEvent]) -> None:
    by_id = {fact.event_id: fact for fact in facts}

    def root(name: str) -> str:
        fact = by_id.get(name)
        return name if fact is None or fact.replaces is None else root(fact.replaces)

    roots = [root(name) for name in standing(facts)]
    assert len(roots) == len(set(roots))


mixed = st.lists(
    st.one_of(
        st.integers(0, 12).map(lambda h: dose(h / 4)),
        st.integers(0, 12).map(lambda h: start(h / 4)),
        st.integers(0, 12).map(lambda h: stop(h / 4)),
        st.integers(0, 12).map(lambda h: sample(h / 4, 10.0 + h % 3)),
        st.integers(0, 12).map(lambda h: totals(h / 4, 5.0 * h)),
        st.integers(0, 12).map(lambda h: level(h / 4, 1.0)),
        st.integers(0, 12).map(lambda h: vital(h / 4)),
        st.integers(0, 12).map(lambda h: weight(h / 4, 70.0)),
    ),
    max_size=14,
)


@settings(max_examples=150)
@given(mixed, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_events_is_the_same_history(events: list[InputEvent], random: Random) -> None:
    again = random.sample(events, len(events)) + random.sample(events, len(events) // 2)
    first, second = told(events), told(again)
    for history in (first, second):
        history.recent.clear()  # which repeats of devices are remembered is not part of what is known
    assert pack_history(first) == pack_history(second)


@settings(max_examples=150)
@given(mixed, st.randoms(use_true_random=False))
def test_facts_stand_in_event_time_order(events: list[InputEvent], random: Random) -> None:
    history = told(random.sample(events, len(events)))
    times = [millis for millis, _ in history.effective()]
    assert times == sorted(times)
    for line in history.samples.values():
        assert list(line.times) == sorted(set(line.times))


def test_at_one_instant_a_sample_is_drawn_before_the_dose_is_given() -> None:
    order = [dose(5), start(5), level(5, 1.0), stop(5), weight(5, 70), totals(5, 3.0), count(5, 2.0)]
    kinds = [key_of(event).rank for event in order]
    assert sorted(range(7), key=kinds.__getitem__) == [4, 6, 2, 5, 3, 1, 0]


# --- corrections -----------------------------------------------------------------------------------------------------


def test_a_correction_stands_in_the_place_of_its_target_whichever_comes_first() -> None:
    wrong = dose(1, 100.0, event_id="wrong")
    right = corrected(dose(1, 10.0), "wrong", "right")
    assert standing([wrong, right]) == standing([right, wrong]) == ["right"]


def test_a_retraction_takes_its_target_away_and_says_nothing_itself() -> None:
    wrong = level(1, 5.0, event_id="wrong")
    gone = retracted(wrong, "wrong", "gone")
    assert standing([wrong, gone, dose(2)]) == standing([gone, dose(2), wrong]) == ["dose 2"]


def test_a_correction_of_a_correction_is_the_last_word() -> None:
    chain = [dose(1, event_id="a"), corrected(dose(1), "a", "b"), corrected(dose(0.5), "b", "c")]
    assert standing(chain) == standing(chain[::-1]) == ["c"]


def test_of_two_corrections_of_one_fact_the_later_stands() -> None:
    wrong = dose(1, event_id="wrong")
    early, late = corrected(dose(2), "wrong", "x"), corrected(dose(3), "wrong", "b")
    assert standing([wrong, early, late]) == standing([late, wrong, early]) == ["b"]
    same_time = corrected(dose(3), "wrong", "y")
    assert standing([same_time, late, wrong]) == standing([wrong, late, same_time]) == ["y"]


def test_a_correction_of_the_losing_correction_loses_too() -> None:
    wrong, lost = dose(1, event_id="wrong"), corrected(dose(2), "wrong", "lost")
    mended, won = corrected(dose(9), "lost", "mended"), corrected(dose(3), "wrong", "won")
    assert standing([wrong, lost, mended, won]) == standing([won, mended, lost, wrong]) == ["won"]
    assert standing([wrong, won, lost, mended]) == ["won"]


def test_of_what_was_replaced_no_more_is_kept_than_a_row_holds() -> None:
    first = level(1, 2.0, event_id="a")
    history = told([first, corrected(first, "a", "b", value=first.value)])
    assert history.facts["a"] == first
    row = pack_history(history)
    assert isinstance(history.facts["a"], Superseded)
    assert history.facts == unpack_history(row).facts
    assert history.insert(first).outcome == "duplicate"
    assert history.insert(level(1, 3.0, event_id="a")).outcome == "conflict"


def test_what_a_correction_changes_is_dated_to_the_earlier_of_both_times() -> None:
    history = told([dose(10, event_id="wrong")])
    assert history.insert(corrected(dose(4), "wrong", "right")).since == ms(4)
    assert history.insert(corrected(dose(8), "right", "later")).since == ms(4)
    assert told([]).insert(corrected(dose(8), "unknown", "x")).since == ms(8)


def test_a_fact_cannot_replace_itself_or_what_replaces_it() -> None:
    history = told([corrected(dose(1), "b", "a")])
    turned = history.insert(corrected(dose(1), "a", "b"))
    assert turned.outcome == "orphan"
    assert "'replaces'" in turned.detail
    assert history.insert(corrected(dose(1), "c", "c")).outcome == "orphan"
    assert [fact.event_id for _, fact in history.effective()] == ["a"]


def test_a_periodic_sample_cannot_be_corrected() -> None:
    mended = sample(1, 12.0).model_copy(update={"status": "corrected", "replaces": "sample pump-1 1", "event_id": "x"})
    outcome = told([sample(1)]).insert(mended, 12.0)
    assert outcome.outcome == "orphan"
    assert "send start or stop" in outcome.detail


# --- repeats and contradictions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [dose(1), level(1, 2.0), start(1), sample(1), vital(1), clock(1), totals(1, 5.0)])
def test_an_event_told_again_is_a_repeat_and_changes_nothing(event: InputEvent) -> None:
    history = told([event])
    before = pack_history(history)
    assert tell(history, [event, event]) == ["duplicate", "duplicate"]
    assert pack_history(history) == before
    assert history.reported == 1


@pytest.mark.parametrize(
    ("event", "other"),
    [(dose(1), dose(1, 70.0)), (level(1, 2.0), level(1, 2.5)), (vital(1), vital(1, 90.0)), (start(1), start(1, 9.0))],
)
def test_an_id_told_again_with_other_content_is_refused(event: InputEvent, other: InputEvent) -> None:
    history = told([event])
    before = pack_history(history)
    conflict = history.insert(other)
    assert conflict.outcome == "conflict"
    assert f"event_id '{event.event_id}' was told before with other content; give it a new id" in conflict.detail
    assert pack_history(history) == before


def test_two_rates_of_one_channel_at_one_instant_contradict_each_other() -> None:
    history = told([sample(1, 40.0)])
    conflict = history.insert(sample(1, 50.0, event_id="other"), 50.0)
    assert conflict.outcome == "conflict"
    assert "rate 50.0 mg/h at a time already reported as 40.0 mg/h" in conflict.detail
    assert history.insert(sample(1, 50.0, device="pump-2"), 50.0).outcome == "new"


def test_ids_of_device_words_are_remembered_for_a_while_and_of_facts_for_ever() -> None:
    history = told([dose(0), vital(0)])
    tell(history, [vital(1 + i / 100) for i in range(RECENT_IDS)])
    assert len(history.recent) == RECENT_IDS
    assert history.insert(dose(0)).outcome == "duplicate"
    assert history.insert(vital(0)).outcome == "new"  # forgotten: told twice, but it is the same word of the device
    assert history.contact["watch-1"].first[0] == ms(0)


# --- what moved ------------------------------------------------------------------------------------------------------


def test_an_unchanged_sample_only_moves_the_present_on() -> None:
    history = told([sample(1, 40.0)])
    assert history.insert(sample(2, 40.0), 40.0) == Insertion("new")
    assert history.insert(sample(3, 41.0), 41.0) == Insertion("new", delivery=True)
    assert history.newest == ms(3)


def test_a_sample_that_repeats_a_rate_over_a_stop_says_something() -> None:
    history = told([sample(1, 40.0), stop(2)])
    assert history.insert(sample(3, 40.0), 40.0).delivery
    assert not history.insert(sample(4, 40.0), 40.0).delivery


def test_a_sample_that_comes_late_is_dated_even_when_it_repeats_the_rate() -> None:
    """How fresh the word about a drug is belongs to what alerts say."""
    history = told([sample(1, 40.0), totals(4, 30.0), vital(4)])
    assert history.insert(sample(3, 40.0), 40.0).contact == ms(3)
    assert history.insert(sample(4, 40.0), 40.0).contact == ms(4)


def test_a_device_that_spoke_at_the_very_instant_of_the_newest_word_is_dated_too() -> None:
    history = told([vital(1, device="watch-1"), vital(5, device="watch-2")])
    assert history.insert(vital(5, device="watch-1")).contact == ms(5)
    assert history.insert(vital(6, device="watch-1")).contact is None


def test_the_newest_moment_is_that_of_the_latest_word_of_any_kind() -> None:
    history = told([dose(3), clock(9), vital(4)])
    assert history.newest == ms(9)
    assert told([]).newest is None
    assert at(9).timestamp() * 1000 == ms(9)


def test_a_history_at_rest_knows_what_it_was_told() -> None:
    history = told([dose(0), *(vital(i / 100) for i in range(600))])
    awake = pack_history(history)
    held = dict(history.recent)
    history.rest()
    history.rest()
    assert "recent" not in vars(history)
    assert history.insert(vital(5.99)).outcome == "duplicate"
    assert list(history.recent.items()) == list(held.items())
    history.rest()
    assert pack_history(history) == awake
    assert not hasattr(history, "recant")
