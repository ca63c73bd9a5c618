"""Which reader a resource goes to; deletions, associations, and what a twin wrote itself."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.facts.fact import Fact, NotAFact, Passed, Reading, Refusal
from connectors.facts.memory import Memory
from connectors.facts.telling import Teller, Telling
from connectors.protocols.fhir.reading import read
from connectors.protocols.fhir.resource import OURS
from tests.connectors.facts import sources
from tests.connectors.protocols.spoken import bundle, cuff, given, observation, raw, request

PROFILE = sources.profile("fhir", servers=("https://fhir.example",))


def said(document: dict[str, Any]) -> list[Reading]:
    return read(raw(document), PROFILE)


def told(memory: Memory, *documents: dict[str, Any]) -> list[Any]:
    by = Teller(PROFILE, memory)
    outcomes = [one for document in documents for reading in said(document) for one in by.tell(reading)]
    return [event for one in outcomes if isinstance(one, Telling) for event in one.events]


def use(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "DeviceUseStatement",
        "id": "use-1",
        "status": "active",
        "subject": {"reference": "Patient/4711"},
        "device": {"reference": "Device/pump-9"},
        "timingPeriod": {"start": "2026-03-02T08:00:00Z", "end": "2026-03-03T08:00:00Z"},
    } | changes


def test_each_resource_of_a_bundle_is_read_by_its_kind() -> None:
    readings = said(bundle(observation(), cuff(), given(), request(), use(), {"resourceType": "Patient", "id": "1"}))
    kinds = [[found.kind for found in one.found if isinstance(found, Fact)] for one in readings]
    assert kinds == [
        ["lab_result"], ["vital_sample", "vital_sample"], ["dose_given"], ["regimen_planned"],
        ["device_association", "device_association"], [],
    ]  # fmt: skip


def test_a_deletion_takes_back_all_that_was_told_of_the_resource() -> None:
    memory = Memory()
    first = told(memory, cuff())
    gone = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"request": {"method": "DELETE", "url": "Observation/bp-1"}}],
    }
    events = told(memory, gone)
    assert {event.replaces for event in events} == {event.event_id for event in first}
    assert told(memory, gone) == []


def test_a_new_version_with_another_code_takes_the_place_of_the_old() -> None:
    memory = Memory()
    (first,) = told(memory, observation())
    platelets = {"coding": [{"system": "http://loinc.org", "code": "777-3"}]}
    new, gone = told(memory, observation(210, code=platelets, status="corrected"))
    assert (new.analyte, new.replaces) == ("platelets", None)
    assert (gone.status, gone.replaces) == ("retracted", first.event_id)


@pytest.mark.parametrize(
    "change",
    [{"code": {"coding": [{"system": "http://loinc.org", "code": "72166-2"}]}}, {"valueQuantity": None},
     {"dataAbsentReason": {"text": "lost"}}],
)  # fmt: skip
def test_a_new_version_that_says_nothing_takes_back_what_the_old_one_did(change: dict[str, Any]) -> None:
    memory = Memory()
    (first,) = told(memory, observation())
    (gone,) = told(memory, observation(status="amended", **change))
    assert (gone.status, gone.replaces) == ("retracted", first.event_id)
    for status in ("cancelled", "unknown", "registered"):
        memory = Memory()
        assert len(told(memory, observation(), observation(status=status, **change))) == 1


def test_a_dose_that_was_not_given_after_all_is_taken_back() -> None:
    memory = Memory()
    (first,) = told(memory, given())
    (gone,) = told(memory, given(status="not-done"))
    assert (gone.status, gone.replaces) == ("retracted", first.event_id)


def report(*held: dict[str, Any], **changes: Any) -> dict[str, Any]:
    bare = [{**one, "effectiveDateTime": None, "subject": None} for one in held]
    own = {"resourceType": "DiagnosticReport", "id": "r-1", "status": "final", "subject": {"reference": "Patient/4711"},
           "effectiveDateTime": "2026-03-02T08:30:00+01:00", "contained": bare,
           "result": [{"reference": f"#{one['id']}"} for one in held]}  # fmt: skip
    return own | changes


def test_results_that_a_report_holds_are_of_its_time_and_subject_and_go_with_it() -> None:
    memory, platelets = Memory(), {"coding": [{"system": "http://loinc.org", "code": "777-3"}]}
    neutrophils, counted = observation(3.4, id="a"), observation(210, id="b", code=platelets)
    first, second = told(memory, report(neutrophils, counted))
    (alone,) = told(Memory(), observation(3.4))
    assert (first.time, first.patient_id) == (alone.time, alone.patient_id)
    assert (first.value.value, second.analyte) == (3.4, "platelets")
    assert told(memory, report(neutrophils, counted)) == []
    (corrected,) = told(memory, report(observation(3.5, id="a"), counted, status="amended"))
    assert corrected.replaces == first.event_id
    (gone,) = told(memory, report(observation(3.5, id="a", status="entered-in-error"), counted))
    assert (gone.status, gone.replaces) == ("retracted", corrected.event_id)
    (last,) = told(memory, report(status="entered-in-error"))
    assert (last.status, last.replaces) == ("retracted", second.event_id)
    assert told(Memory(), report(neutrophils, result=[])) == []
    (reading,) = said(report(neutrophils, id=None))
    assert [type(found) for found in reading.found] == [Refusal]


def test_a_history_ends_with_its_newest_version() -> None:
    memory = Memory()
    first, second = told(memory, bundle(observation(2.0), observation(1.0), kind="history"))
    assert (first.value.value, second.value.value, second.replaces) == (1.0, 2.0, first.event_id)


def test_a_history_that_is_read_again_tells_nothing() -> None:
    memory = Memory()
    versions = [
        observation(value, meta={"lastUpdated": f"2026-03-02T1{value:.0f}:00:00Z"}) for value in (3.0, 2.0, 1.0)
    ]
    history = bundle(*versions, kind="history")
    assert len(told(memory, history)) == 3
    assert told(memory, history, versions[2], versions[1]) == []
    deleted = {
        "request": {"method": "DELETE", "url": "Observation/obs-1"},
        "response": {"lastModified": "2026-03-02T11:30:00Z"},
    }
    assert told(memory, {"resourceType": "Bundle", "type": "history", "entry": [deleted]}) == []


def test_an_association_begins_and_ends() -> None:
    (reading,) = said(use())
    begins, ends = reading.found
    assert isinstance(begins, Fact)
    assert isinstance(ends, Fact)
    assert dict(begins.fields) == {"device_id": "Device/pump-9", "associated": True}
    assert ends.fields["associated"] is False
    (reading,) = said(use(timingPeriod=None, timingDateTime="2026-03-02T08:00:00Z"))
    assert len(reading.found) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"timingPeriod": None}, "no_time"), ({"device": None}, "unknown_device"), ({"subject": None}, "no_patient"),
     ({"timingPeriod": {"start": "soon"}}, "malformed"), ({"modifierExtension": [{"url": "x"}]}, "unsupported")],
)  # fmt: skip
def test_an_association_without_its_parts_is_refused(change: dict[str, Any], reason: str) -> None:
    (reading,) = said(use(**change))
    (found,) = reading.found
    assert isinstance(found, Refusal)
    assert found.reason == reason


def test_a_device_that_is_not_used_yet_is_passed_over_and_an_error_is_taken_back() -> None:
    assert isinstance(said(use(status="intended"))[0].found[0], Passed)
    (found,) = said(use(status="entered-in-error"))[0].found
    assert isinstance(found, Fact)
    assert found.status == "retracted"


def test_what_a_twin_wrote_does_not_come_back_as_measured() -> None:
    (reading,) = said(observation(meta={"tag": [{"system": OURS, "code": "estimate"}]}))
    assert [type(found) for found in reading.found] == [Passed]


def test_a_patient_who_was_merged_is_reported_and_any_other_passed_over() -> None:
    patient = {"resourceType": "Patient", "id": "1"}
    assert isinstance(said(patient)[0].found[0], Passed)
    for merged in ({"active": False}, {"link": [{"other": {"reference": "Patient/2"}, "type": "replaced-by"}]}):
        (found,) = said(patient | merged)[0].found
        assert isinstance(found, Refusal)
        assert found.reason == "no_patient"


def test_tests_are_told_apart_from_the_rest_of_a_bundle() -> None:
    tagged = observation(id="t", meta={"security": [{"code": "HTEST"}]})
    assert [one.is_test for one in said(bundle(observation(), tagged))] == [False, True]


def test_what_is_no_resource_is_refused() -> None:
    for text in (b"", b"7", b"<x/>"):
        with pytest.raises(NotAFact):
            read(text, PROFILE)
