"""Any order of bindings, retractions and words ends in the same facts at the same patients, and none are mixed."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.devices.said import at, bound, read, retracted, word
from twin.devices.device_record import DeviceRecord
from twin.devices.words import DeviceWord, Fact
from twin.events import DeviceAssociation, PumpDelivery, Quantity, VitalSample, to_millis
from twin.record.history import History

Said = DeviceWord | DeviceAssociation
Place = tuple[str, float, float]


class Ward:
    """Patients' records, and one pump."""

    def __init__(self) -> None:
        self.pump = DeviceRecord("pump-4")
        self.histories: dict[str, History] = defaultdict(History)
        self.ids: list[str] = []

    def hear(self, *said: Said) -> list[Fact]:
        for one in said:
            self.pump.add(one)
        changes = [change.event for change in self.pump.changes()]
        for event in changes:
            assert self.histories[event.patient_id].insert(event).outcome == "new"
            self.ids.append(event.event_id)
        return changes

    def delivered(self) -> set[Place]:
        """Patient, minute and rate of every word that counts at a patient."""
        return {
            (patient, (fact.time - at(0)).total_seconds() / 60, fact.rate.value)
            for patient, history in self.histories.items()
            for _, fact in history.effective()
            if isinstance(fact, PumpDelivery)
        }


def test_a_word_waits_until_its_device_is_bound_and_is_told_once() -> None:
    ward = Ward()
    assert ward.hear(word("w", 5)) == []
    assert [one.patients for one in ward.pump.waiting()] == [()]
    (event,) = ward.hear(bound("A", 0))
    assert (event.patient_id, event.status, event.time) == ("A", "final", at(5))
    assert ward.hear(word("w", 5), bound("A", 0)) == []
    assert ward.pump.waiting() == []


def test_a_retracted_binding_moves_the_words_and_back_again() -> None:
    ward = Ward()
    ward.hear(bound("A", 0), word("w", 5))
    gone, come = ward.hear(retracted(bound("A", 0)), bound("B", 0))
    assert (gone.patient_id, gone.status, come.patient_id, come.status) == ("A", "retracted", "B", "final")
    assert ward.delivered() == {("B", 5, 4.0)}
    ward.hear(retracted(bound("B", 0)), bound("A", 1))
    assert ward.delivered() == {("A", 5, 4.0)}
    assert len(ward.ids) == len(set(ward.ids)) == 5


def test_while_two_patients_are_bound_neither_is_told() -> None:
    ward = Ward()
    ward.hear(bound("A", 0), word("early", 5), word("late", 15, 6.0))
    assert ward.delivered() == {("A", 5, 4.0), ("A", 15, 6.0)}
    ward.hear(bound("B", 10))
    assert ward.delivered() == {("A", 5, 4.0)}
    assert [one.patients for one in ward.pump.waiting()] == [("A", "B")]
    ward.hear(bound("A", 10, False))
    assert ward.delivered() == {("A", 5, 4.0), ("B", 15, 6.0)}


def test_samples_move_too_and_repeat_themselves_once_in_a_while() -> None:
    ward = Ward()
    ward.hear(bound("A", 0), *(word(f"s{m}", m, 4.0 if m < 12 else 6.0, phase="sample") for m in range(20)))
    assert ward.delivered() == {("A", m, 4.0) for m in (0, 5, 10)} | {("A", m, 6.0) for m in (12, 15)}
    ward.hear(retracted(bound("A", 0)), bound("B", 11))
    assert ward.delivered() == {("B", 11, 4.0), ("B", 12, 6.0), ("B", 15, 6.0)}


def test_times_are_corrected_once_the_clock_is_known() -> None:
    ward = Ward()
    ward.hear(bound("A", 0), word("w0", 0, off=-90))
    assert ward.delivered() == set(), "by its own clock it spoke before it was bound"
    ward.hear(*(word(f"w{m}", m, 4.0 + m, off=-90) for m in range(1, 10)))
    assert ward.delivered() == {("A", m, 4.0 + m) for m in range(10)}


def test_a_word_says_by_how_much_its_clock_was_behind_and_one_by_a_right_clock_does_not() -> None:
    for off, behind in ((-90, Quantity(value=5400.0, unit="s")), (0, None)):
        record = DeviceRecord("pump-4")
        for said in (bound("A", 0), *(word(f"w{m}", m, 4.0 + m, off=off) for m in range(10))):
            record.add(said)
        told = [fact for fact in record.facts().values() if isinstance(fact, PumpDelivery)]
        assert {fact.clock_behind for fact in told} == {behind}


class Wrist:
    """The record of a patient, and a wearable."""

    def __init__(self) -> None:
        self.record, self.history = DeviceRecord("wrist-9"), History()
        self.record.add(bound("A", 0, device_id="wrist-9"))

    def hear(self, *said: DeviceWord) -> list[Fact]:
        for one in said:
            self.record.add(one)
        changes = [change.event for change in self.record.changes()]
        for event in changes:
            assert self.history.insert(event).outcome == "new"
        return changes

    def turns(self) -> list[tuple[float, float]]:
        """Minutes at which the clock was seen to change, and the minutes that it was behind."""
        known = self.history.clocks
        found = known.turns("wrist-9") if "wrist-9" in known.words else ()
        return [((millis - to_millis(at(0))) / 60_000, behind / 60) for millis, behind in found]


STRAY: list[DeviceWord] = [read(f"r{m}", m, off=-60 if 20 < m < 40 else 0) for m in range(1, 60, 2)]
"""A wearable whose clock is an hour behind for twenty minutes."""


def test_a_wearable_says_by_how_much_its_clock_was_behind_and_once_that_it_is_right_again() -> None:
    wrist = Wrist()
    told = wrist.hear(*STRAY)
    said = [fact.clock_behind for fact in told if isinstance(fact, VitalSample)]
    hour, right = Quantity(value=3600.0, unit="s"), Quantity(value=0.0, unit="s")
    assert said == [*[None] * 10, *[hour] * 10, right, *[None] * 9]
    assert [fact.time for fact in told] == [at(m) for m in range(1, 60, 2)]
    assert wrist.turns() == [(21, 60), (41, 0)]


def test_what_was_told_by_a_clock_not_known_yet_is_put_right_with_what_is_said_of_the_clock() -> None:
    wrist = Wrist()
    for one in STRAY:
        wrist.hear(one)
    assert wrist.turns() == [(21, 60), (41, 0)]
    assert wrist.hear() == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STRAY), max_size=30), st.randoms(use_true_random=False))
def test_any_order_says_the_same_of_a_wearables_clock(said: list[DeviceWord], chance: Random) -> None:
    shuffled = list(said)
    chance.shuffle(shuffled)
    one, other = Wrist(), Wrist()
    for each in shuffled:
        one.hear(each)
    other.hear(*said)
    assert one.turns() == other.turns()
    assert one.record.facts() == other.record.facts()


def test_a_wearables_words_that_are_settled_take_nothing_back_of_its_clock() -> None:
    wrist = Wrist()
    for at_once in (STRAY[:18], STRAY[18:25], STRAY[25:]):
        wrist.hear(*at_once)
    for last in (5, 15, 20, 25):
        wrist.record.settle([one.event.event_id for one in STRAY[:last]])
        assert wrist.hear() == []
    assert wrist.turns() == [(21, 60), (41, 0)]


def test_a_corrected_word_takes_the_place_of_the_first() -> None:
    ward = Ward()
    ward.hear(bound("A", 0), word("w", 5))
    ward.hear(word("better", 6, 7.0, status="corrected", replaces="w"))
    assert ward.delivered() == {("A", 6, 7.0)}


def test_a_word_of_another_device_is_refused() -> None:
    with pytest.raises(ValueError, match=r"field 'device_id' 'pump-5': this is the record of 'pump-4'"):
        DeviceRecord("pump-4").add(word("w", 5, device_id="pump-5"))


BINDINGS = [bound("A", 0), bound("B", 10), bound("A", 12, False), bound("B", 25, False), bound("A", 30)]
WORDS = [word(f"w{m}", m, 1.0 + m % 3, off=-60 if m > 20 else 0, phase="sample") for m in range(1, 36, 2)]
SAID: list[Said] = [*BINDINGS, *map(retracted, BINDINGS[:3]), *WORDS]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SAID), max_size=30), st.randoms(use_true_random=False))
def test_any_order_ends_in_the_same_facts_at_the_same_patients(said: list[Said], chance: Random) -> None:
    shuffled = list(said)
    chance.shuffle(shuffled)
    one, other = Ward(), Ward()
    for each in said:
        one.hear(each)
    other.hear(*shuffled)
    assert one.delivered() == other.delivered()
    assert one.pump.facts() == other.pump.facts()
    assert one.pump.waiting() == other.pump.waiting()
    words = [name for name, _ in one.pump.facts()]
    assert len(words) == len(set(words)), "no word is at two patients"


def settled_ward(said: list[Said], old: list[str]) -> Ward:
    ward = Ward()
    ward.hear(*said)
    ward.pump.settle(old)
    return ward


def test_what_is_settled_stays_as_it_was_told_and_what_comes_later_moves_the_rest_alone() -> None:
    ward = settled_ward([bound("A", 0), word("w5", 5), word("w15", 15, 6.0)], ["w5", "unknown"])
    assert set(ward.pump.words) == {"w15"}
    ward.hear(retracted(bound("A", 0)), bound("B", 0, event_id="b"))
    assert ward.delivered() == {("A", 5, 4.0), ("B", 15, 6.0)}


def test_what_a_settled_word_replaced_or_what_repeats_it_goes_with_it() -> None:
    better = word("better", 6, 7.0, status="corrected", replaces="w5")
    samples = [word(f"s{minute}", minute, 7.0, phase="sample") for minute in range(7, 12)]
    ward = settled_ward([bound("A", 0), better, word("w5", 5), *samples], ["better"])
    assert set(ward.pump.words) == {"s10", "s11"}
    assert ward.hear() == []
    assert ward.delivered() == {("A", 6, 7.0), ("A", 10, 7.0)}


def test_a_binding_that_ended_long_before_all_that_is_kept_is_dropped_and_others_stay() -> None:
    week = 7 * 24 * 60
    old = [bound("A", 0), bound("A", 10, False), bound("C", 0), bound("B", 20), bound("B", week + 50, False)]
    ward = Ward()
    ward.hear(*old, word("w1", week + 40), word("w2", week + 45, 6.0))
    dropped = ward.pump.settle(["w1"])
    assert (dropped.words, dropped.bindings) == ({"w1"}, {"A binds 0", "A released 10"})
    assert ward.hear() == []


def test_a_settled_clock_goes_on_as_it_was() -> None:
    said: list[Said] = [bound("A", 0), *(word(f"w{m}", m, 4.0 + m, off=-90) for m in range(10))]
    ward = settled_ward(said, [f"w{m}" for m in range(9)])
    assert ward.pump.clock.epochs[0].first == to_millis(at(0))
    assert ward.hear(word("w20", 20, 5.0, off=-90))[0].time == at(20)
    assert ("A", 9, 13.0) in ward.delivered()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SAID), max_size=30), st.lists(st.sampled_from(WORDS), max_size=10))
def test_settling_tells_nothing_and_takes_nothing_back(said: list[Said], old: list[DeviceWord]) -> None:
    ward = Ward()
    ward.hear(*said)
    before = ward.delivered()
    ward.pump.settle([one.event.event_id for one in old])
    moved = {change.patient_id for change in ward.hear()}
    assert not moved or ward.pump.clock.epochs, "only a clock that is fitted anew moves what is kept"
    assert {place[:1] + place[2:] for place in before} == {place[:1] + place[2:] for place in ward.delivered()}
