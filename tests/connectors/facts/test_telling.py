"""From facts to events: repetitions are silent, corrections name what stands, retractions bring what they take back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.facts.fact import Fact, Moment, NotAFact, Passed, Reading, Refusal
from connectors.facts.memory import Memory
from connectors.facts.telling import WHOLE, Outcome, Teller, Telling
from tests.connectors.facts import sources
from tests.connectors.facts.sources import ANOTHER, NOON, SOMEONE, count
from twin.events import LabResult, Quantity, Status


def teller(**changes: Any) -> Teller:
    return Teller(sources.profile(**changes), Memory())


def said(by: Teller, *facts: Fact, **of_reading: Any) -> list[Outcome]:
    return list(by.tell(Reading(facts, **of_reading)))


def told(by: Teller, *facts: Fact, **of_reading: Any) -> list[Any]:
    """The events, where nothing is refused."""
    outcomes = said(by, *facts, **of_reading)
    assert not [one for one in outcomes if isinstance(one, Refusal)]
    return [event for one in outcomes if isinstance(one, Telling) for event in one.events]


def refused(by: Teller, *facts: Fact, **of_reading: Any) -> list[str]:
    return [one.reason for one in said(by, *facts, **of_reading) if isinstance(one, Refusal)]


def test_a_fact_is_told_as_its_source_said_it() -> None:
    (event,) = told(teller(), count(3.4))
    assert isinstance(event, LabResult)
    assert (event.analyte, event.value.value, event.time, event.source) == ("neutrophils", 3.4, NOON, "lab-east")
    assert (event.status, event.replaces) == ("final", None)
    assert SOMEONE.id not in event.patient_id


def test_a_correction_with_nothing_to_correct_is_told_as_it_is() -> None:
    (event,) = told(teller(), count(status="corrected"))
    assert (event.status, event.replaces) == ("final", None)


def test_a_repetition_tells_nothing() -> None:
    by = teller()
    told(by, count(3.4))
    for status in ("final", "corrected", "preliminary"):
        assert told(by, count(3.4, status=status)) == []
    assert len(said(by, count(3.4))) == 1


def test_a_value_that_comes_again_after_another_has_an_id_of_its_own() -> None:
    by = teller()
    events = [event for value in (3.4, 3.6, 3.4) for event in told(by, count(value))]
    assert len({event.event_id for event in events}) == 3
    assert [event.replaces for event in events] == [None, events[0].event_id, events[1].event_id]
    assert [event.status for event in events] == ["final", "corrected", "corrected"]


def test_a_preliminary_value_that_is_confirmed_is_silent_and_one_that_changes_is_corrected() -> None:
    by = teller()
    (first,) = told(by, count(3.4, status="preliminary"))
    assert first.status == "preliminary"
    assert told(by, count(3.4)) == []
    (second,) = told(by, count(3.6))
    assert (second.status, second.replaces) == ("corrected", first.event_id)


def test_when_a_value_could_first_be_read_stands_and_a_later_release_of_it_is_silent() -> None:
    by = teller()
    said_at = [count(3.4, fields=count(3.4).fields | {"reported": Moment(NOON + timedelta(hours=h))}) for h in (1, 9)]
    (event,) = told(by, said_at[0])
    assert event.reported == NOON + timedelta(hours=1)
    assert told(by, said_at[1]) == []


def test_a_time_of_report_that_is_none_harms_no_result() -> None:
    for bad in (Moment(NOON, "day"), Moment(datetime(2026, 10, 25, 2, 30))):
        (event,) = told(teller(), count(fields=count().fields | {"reported": bad}))
        assert event.reported is None


def test_a_preliminary_telling_that_comes_late_does_not_take_the_place_of_the_final_one() -> None:
    by = teller()
    told(by, count(3.4, status="preliminary"))
    told(by, count(3.6))
    assert [type(one) for one in said(by, count(3.4, status="preliminary"))] == [Passed]
    assert told(by, count(3.6)) == []


def test_preliminary_values_correct_one_another_until_the_final_one() -> None:
    by = teller()
    events = [event for value in (1.0, 2.0, 3.0) for event in told(by, count(value, status="preliminary"))]
    assert [event.replaces for event in events] == [None, events[0].event_id, events[1].event_id]
    assert told(by, count(3.0)) == []
    assert [type(one) for one in said(by, count(4.0, status="preliminary"))] == [Passed]


def test_a_retraction_brings_what_it_takes_back_and_a_telling_after_it_is_new() -> None:
    by = teller()
    (first,) = told(by, count(3.4))
    bare = count(fields={}, subject=None, moment=None, status="retracted")
    (gone,) = told(by, bare)
    assert (gone.status, gone.replaces, gone.value) == ("retracted", first.event_id, first.value)
    assert told(by, bare) == []
    (again,) = told(by, count(3.4))
    assert (again.status, again.replaces) == ("final", None)
    assert len({first.event_id, gone.event_id, again.event_id}) == 3


def test_a_retraction_of_what_was_never_told_retracts_nothing() -> None:
    for key in (("lab", "x"), ("lab", WHOLE)):
        assert [type(one) for one in said(teller(), count(key=key, status="retracted"))] == [Passed]


def test_a_retraction_is_of_the_patient_of_whom_it_was_told() -> None:
    by = teller()
    (first,) = told(by, count())
    (gone,) = told(by, count(subject=ANOTHER, status="retracted"))
    assert gone.patient_id == first.patient_id


def test_a_fact_of_another_patient_is_retracted_at_the_first_and_told_of_the_second() -> None:
    by = teller()
    (first,) = told(by, count())
    gone, there = told(by, count(subject=ANOTHER))
    assert (gone.status, gone.patient_id, gone.replaces) == ("retracted", first.patient_id, first.event_id)
    assert (there.status, there.replaces) == ("final", None)
    assert there.patient_id != first.patient_id
    assert len({first.event_id, gone.event_id, there.event_id}) == 3
    back = told(by, count())
    assert [event.status for event in back] == ["retracted", "final"]
    assert len({event.event_id for event in (first, gone, there, *back)}) == 5


def test_all_of_a_resource_is_taken_back_at_once() -> None:
    by = teller()
    told(by, count(key=("fhir", "7", "a")), count(key=("fhir", "7", "b")), count(key=("fhir", "8", "a")))
    gone = told(by, count(key=("fhir", "7", WHOLE), status="retracted"))
    assert [event.status for event in gone] == ["retracted", "retracted"]
    assert told(by, count(key=("fhir", "7", WHOLE), status="retracted")) == []


def test_what_a_new_version_of_a_resource_does_not_say_any_more_is_taken_back() -> None:
    by = teller()
    a, b = count(key=("fhir", "7", "a")), count(key=("fhir", "7", "b"))
    told(by, a, b, all_of=a.key)
    (gone,) = told(by, b, all_of=b.key)
    assert gone.status == "retracted"
    assert told(by, b, all_of=b.key) == []


def test_a_resource_of_which_something_is_refused_takes_nothing_back() -> None:
    by = teller()
    a, b = count(key=("fhir", "7", "a")), count(key=("fhir", "7", "b"))
    told(by, a, b, all_of=a.key)
    outcomes = list(by.tell(Reading((Refusal("x", "no_unit", "no unit"), b), all_of=b.key)))
    assert [type(one) for one in outcomes] == [Refusal, Telling]
    assert cast("Telling", outcomes[1]).events == ()


def test_an_older_version_that_comes_after_a_newer_one_tells_nothing() -> None:
    by = teller()
    key = ("fhir", "7", WHOLE)
    told(by, count(2.0), version=(key, NOON))
    assert [type(one) for one in said(by, count(1.0), version=(key, NOON - timedelta(milliseconds=1)))] == [Passed]
    assert told(by, count(2.0), version=(key, NOON)) == []
    (third,) = told(by, count(3.0), version=(key, NOON + timedelta(hours=1)))
    assert third.status == "corrected"


def test_how_a_fact_was_come_by_stands_behind_its_source() -> None:
    (event,) = told(teller(), count(manner="self-reported"))
    assert event.source == "lab-east/self-reported"


def test_one_message_that_tells_a_fact_twice_and_differently_tells_neither() -> None:
    by = teller()
    assert refused(by, count(3.4), count(3.6)) == ["contradictory", "contradictory"]
    assert len(told(by, count(3.4), count(3.4))) == 1
    assert len(told(by, count(3.5, status="preliminary", key=("k",)), count(3.6, key=("k",)))) == 2
    assert len(told(by, count(status="retracted"), count(5.0))) == 2


def test_one_fact_that_cannot_be_used_harms_none_of_its_neighbours() -> None:
    bad = count(key=("bad",), moment=Moment(datetime(2026, 3, 2)), place="OBX[2]")
    first, second, third = said(teller(), count(), bad, count(key=("c",), place="OBX[3]"))
    assert isinstance(first, Telling)
    assert isinstance(third, Telling)
    assert isinstance(second, Refusal)
    assert (second.place, second.reason) == ("OBX[2]", "time_without_zone")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject": None}, "no_patient"),
        ({"subject": replace(SOMEONE, id="Unknown Patient")}, "no_patient"),
        ({"moment": None}, "no_time"),
        ({"moment": Moment(NOON, "day")}, "time_too_coarse"),
        ({"fields": {"analyte": "neutrophils"}}, "incomplete"),
        ({"fields": {"analyte": "x" * 99, "value": Quantity(value=1.0, unit="10*9/L")}}, "incomplete"),
    ],
)
def test_a_fact_without_what_an_event_needs_is_refused_and_not_remembered(changes: dict[str, Any], reason: str) -> None:
    by = teller()
    assert refused(by, count(**changes)) == [reason]
    assert by.memory.last(count().key) is None
    assert list(by.memory.unsent()) == []


def test_a_message_that_calls_itself_a_test_is_refused_whole_unless_its_source_is_one() -> None:
    outcomes = said(teller(), count(), count(key=("b",)), is_test=True)
    assert [(one.place, one.reason) for one in outcomes if isinstance(one, Refusal)] == [("message", "test_message")]
    assert said(teller(), is_test=True) == []
    (event,) = told(teller(test=True), count(), is_test=True)
    assert event.patient_id.startswith("test-")


def test_a_laboratory_may_have_a_date_where_the_profile_says_so_and_a_reading_may_not() -> None:
    by = teller(days=True, zone=sources.ZONE)
    day = Moment(datetime(2026, 3, 2), "day")
    (event,) = told(by, count(moment=day))
    assert event.draw_time_sd == Quantity(value=7.0, unit="h")
    pulse = {"channel": "heart_rate", "value": Quantity(value=70.0, unit="/min"), "device_id": "d"}
    assert refused(by, count(key=("v",), kind="vital_sample", fields=pulse, moment=day)) == ["time_too_coarse"]


def test_times_within_a_fact_are_instants_too() -> None:
    amount = Quantity(value=1.0, unit="mg")
    naive = Moment(datetime(2026, 3, 2, 13, 0))
    plan = count(kind="regimen_planned", fields={"drug": "docetaxel", "doses": ({"time": naive, "amount": amount},)})
    (event,) = told(teller(zone=sources.ZONE), plan)
    assert event.doses[0].time == NOON
    assert refused(teller(), plan) == ["time_without_zone"]


def sample(rate: float, **changes: Any) -> Fact:
    fields = {
        "device_id": "p",
        "drug": "docetaxel",
        "phase": "sample",
        "delivery_status": "delivering",
        "rate": Quantity(value=rate, unit="mg/h"),
    }
    return count(kind="pump_delivery", fields=fields, **changes)


def test_a_periodic_report_is_neither_corrected_nor_taken_back() -> None:
    by = teller()
    assert len(told(by, sample(40.0))) == 1
    assert told(by, sample(40.0)) == []
    assert [type(one) for one in said(by, sample(41.0))] == [Passed]
    assert [type(one) for one in said(by, sample(40.0, status="retracted"))] == [Passed]


versions = st.lists(
    st.tuples(
        st.sampled_from(["preliminary", "final", "corrected", "retracted"]),
        st.sampled_from([1.0, 2.0, 3.0]),
        st.sampled_from([SOMEONE, ANOTHER]),
    ),
    max_size=12,
)


@given(versions)
def test_whatever_its_versions_at_most_one_event_of_a_fact_stands(told_: list[tuple[Status, float, Any]]) -> None:
    by = teller()
    events: list[Any] = []
    for status, value, subject in told_:
        events += told(by, count(value, status=status, subject=subject))
        ids = [event.event_id for event in events]
        assert len(set(ids)) == len(ids)
        replaced = {event.replaces for event in events if event.replaces}
        standing = [event for event in events if event.event_id not in replaced and event.status != "retracted"]
        assert len(standing) <= 1
        last = by.memory.last(count().key)
        assert (last is not None and last.status != "retracted") == bool(standing)
        if standing and last is not None:
            assert last.event == standing[0]
    for event in events:
        if event.replaces:
            before = events[: events.index(event)]
            (original,) = [one for one in before if one.event_id == event.replaces]
            assert original.patient_id == event.patient_id
            assert event.replaces not in {one.replaces for one in before}
    assert list(by.memory.unsent()) == events
    by.memory.close()


@settings(max_examples=30)
@given(versions)
def test_the_same_versions_make_the_same_events_again(told_: list[tuple[Status, float, Any]]) -> None:
    facts = [count(value, status=status, subject=subject) for status, value, subject in told_]
    one, other = teller(), teller()
    assert [told(one, fact) for fact in facts] == [told(other, fact) for fact in facts]
    one.memory.close()
    other.memory.close()


def test_a_source_is_part_of_an_id() -> None:
    (east,), (west,) = told(teller(), count()), told(teller(source="lab-west"), count())
    assert east.event_id != west.event_id


def test_a_reading_outside_of_what_can_be_is_refused_before_it_is_a_fact() -> None:
    with pytest.raises(NotAFact):
        Moment(NOON + timedelta(days=365 * 300))
