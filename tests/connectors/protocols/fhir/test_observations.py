"""Observations: one fact for each coded number, of the moment when it was so."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from connectors.facts.fact import Fact, Found, Moment, Passed, Refusal
from connectors.protocols.fhir.observations import read_observation
from connectors.protocols.fhir.resource import Resource, each
from tests.connectors.facts import sources
from tests.connectors.protocols.spoken import bundle, cuff, observation, point, raw
from twin.events import Quantity

PROFILE = sources.profile("fhir")


def read(*said: dict[str, Any], **changes: Any) -> list[Found]:
    document = said[0] if len(said) == 1 else bundle(*said)
    found = [one for one in each(raw(document), PROFILE) if isinstance(one, Resource) and one.type == "Observation"]
    return [fact for one in found for fact in read_observation(one, sources.profile("fhir", **changes))]


def fact(*said: dict[str, Any]) -> Fact:
    (found,) = read(*said)
    assert isinstance(found, Fact), found
    return found


def reasons(*said: dict[str, Any]) -> list[str]:
    found = read(*said)
    assert not [one for one in found if isinstance(one, Fact)]
    return [one.reason for one in found if isinstance(one, Refusal)]


def value(number: object = 3.4, code: str = "10*9/L", **changes: Any) -> dict[str, Any]:
    return {"valueQuantity": {"value": number, "system": "http://unitsofmeasure.org", "code": code} | changes}


def test_a_result_is_told_with_its_code_and_its_time() -> None:
    found = fact(observation())
    assert (found.kind, found.status, found.fields["analyte"], found.fields["loinc"]) == (
        "lab_result", "final", "neutrophils", "751-8",
    )  # fmt: skip
    assert found.fields["value"] == Quantity(value=3.4, unit="10*9/L")
    assert found.moment is not None
    assert found.moment.at.isoformat() == "2026-03-02T08:30:00+01:00"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("2026-03-02T14:15:00+01:00", "2026-03-02T14:15:00+01:00"), (None, None), ("soon", None), (7, None)],
)
def test_when_it_was_issued_is_when_it_was_reported(said: object, wanted: str | None) -> None:
    reported = fact(observation(issued=said)).fields.get("reported")
    assert (reported.at.isoformat() if isinstance(reported, Moment) else None) == wanted


def test_a_report_that_lists_it_says_when_it_was_issued() -> None:
    listed = {"resourceType": "DiagnosticReport", "id": "r", "issued": "2026-03-02T10:00:00Z"}
    listed["result"] = [{"reference": "Observation/obs-1"}]  # type: ignore[assignment]
    reported = fact(listed, observation()).fields["reported"]
    assert isinstance(reported, Moment)
    assert reported.at.isoformat() == "2026-03-02T10:00:00+00:00"


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("final", "final"), ("preliminary", "preliminary"), ("amended", "corrected"), ("corrected", "corrected"),
     ("entered-in-error", "retracted")],
)  # fmt: skip
def test_a_status_is_told_as_one_of_ours(status: str, wanted: str) -> None:
    assert fact(observation(status=status)).status == wanted


@pytest.mark.parametrize("status", ["registered", "cancelled", "unknown", "", None])
def test_what_has_no_result_tells_nothing(status: str | None) -> None:
    (found,) = read(observation(status=status))
    assert isinstance(found, Passed)


def test_what_was_entered_in_error_takes_back_all_of_it_and_needs_no_patient() -> None:
    found = fact(cuff(status="entered-in-error", subject=None, effectiveDateTime=None))
    assert (found.status, found.key[-1]) == ("retracted", "*")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (value(3.4, "%"), "unknown_unit"),
        (value(3.4, "", unit=""), "no_unit"),
        (value(12500), "out_of_range"),
        (value("3.4"), "incomplete"),
        (value(None), "incomplete"),
        (value(3.4, comparator="ad"), "not_a_reading"),
        ({"focus": [{"reference": "Patient/2"}]}, "not_a_reading"),
        ({"subject": None}, "no_patient"),
        ({"effectiveDateTime": "soon"}, "malformed"),
        ({"modifierExtension": [{"url": "x"}]}, "unsupported"),
        ({"code": {"coding": [{"system": "https://local.example", "code": "NEUT"}]}}, "unknown_code"),
        (
            {"code": {"coding": [{"system": "http://loinc.org", "code": "751-8", "display": "Platelets"}]}},
            "code_conflict",
        ),
        (
            {"code": {"coding": [{"system": "http://loinc.org", "code": "751-8"}], "text": "Platelet count"}},
            "code_conflict",
        ),
        ({"code": {"text": "Neutrophils"}}, "unknown_code"),
        ({"code": {}}, "unknown_code"),
        ({"id": None}, "incomplete"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], reason: str) -> None:
    assert reasons(observation(**change)) == [reason]


def test_the_unit_is_the_code_of_ucum_and_a_label_is_for_the_profile() -> None:
    assert fact(observation(**value(3.4, unit="x10*9/L"))).fields["value"] == Quantity(value=3.4, unit="10*9/L")
    local = observation(valueQuantity={"value": 3.4, "unit": "Tsd/uL", "system": "https://local.example", "code": "T"})
    assert reasons(local) == ["unknown_unit"]
    (found,) = read(local, units={"Tsd/uL": "10*3/uL"})
    assert isinstance(found, Fact)


@pytest.mark.parametrize(
    ("sign", "side"), [("<", "below_lloq"), ("<=", "below_lloq"), (">", "above_uloq"), (">=", "above_uloq")]
)
def test_a_comparator_is_a_limit(sign: str, side: str) -> None:
    assert fact(observation(**value(0.5, comparator=sign))).fields[side] is True
    assert reasons(cuff(component=[cuff()["component"][0] | value(120, "mm[Hg]", comparator=sign)])) == [
        "not_a_reading"
    ]


@pytest.mark.parametrize("body", [{"valueString": "low"}, {"valueCodeableConcept": {}}, {"valueSampledData": {}}, {}])
def test_what_holds_no_number_is_passed_over(body: dict[str, Any]) -> None:
    said = {name: part for name, part in observation(**body).items() if name != "valueQuantity"}
    (found,) = read(said)
    assert isinstance(found, Passed)
    (found,) = read(observation(dataAbsentReason={"text": "lost"}))
    assert isinstance(found, Passed)


def test_components_are_facts_of_their_own() -> None:
    systolic, diastolic = read(cuff())
    assert isinstance(systolic, Fact)
    assert isinstance(diastolic, Fact)
    assert (systolic.place, systolic.fields["channel"]) == ("resource.component[1]", "systolic_bp")
    assert systolic.fields["device_id"] == "Device/cuff-2"
    assert systolic.key != diastolic.key
    assert systolic.key[:-1] == diastolic.key[:-1]


def test_half_a_cuffs_reading_is_none() -> None:
    both = cuff()["component"]
    assert reasons(cuff(component=[both[0], both[1] | value(81, "bananas")])) == ["unknown_unit", "unknown_unit"]
    absent = {name: part for name, part in both[1].items() if name != "valueQuantity"}
    assert reasons(cuff(component=[both[0], absent | {"dataAbsentReason": {"text": "not performed"}}])) == [
        "incomplete"
    ]


def test_several_codings_are_one_fact() -> None:
    codings = [
        {"system": "http://loinc.org", "code": "2708-6"},
        {"system": "http://loinc.org", "code": "59408-5"},
        {"system": "urn:iso:std:iso:11073:10101", "code": "150456"},
    ]
    found = fact(observation(code={"coding": codings}, **value(95, "%")))
    assert found.fields["channel"] == "spo2"


def test_the_specimen_says_when_and_of_what_it_is() -> None:
    taken = {"collection": {"collectedDateTime": "2026-03-02T08:00:00+01:00"}}
    specimen = {"resourceType": "Specimen", "id": "s", "type": {"text": "Venous blood"}} | taken
    said = observation(specimen={"reference": "Specimen/s"})
    found = fact(specimen, said)
    assert found.moment is not None
    assert found.moment.at.hour == 8
    assert found.moment.at.minute == 0
    assert reasons(specimen | {"type": {"text": "Urine"}}, said) == ["not_a_reading"]
    assert reasons(specimen | {"status": "unsatisfactory"}, said) == ["not_a_reading"]
    assert fact(specimen | {"type": {}}, said)
    urine = {"coding": [{"system": "http://snomed.info/sct", "code": "122575003"}]}
    assert reasons(specimen | {"type": urine}, said) == ["not_a_reading"]
    serum = {"coding": [{"system": "http://snomed.info/sct", "code": "119364003"}]}
    began = {"collectedPeriod": {"start": "2026-03-02T07:55:00+01:00", "end": "2026-03-02T08:05:00+01:00"}}
    found = fact(specimen | {"type": serum, "collection": began}, said)
    assert found.moment is not None
    assert found.moment.at.minute == 55
    assert reasons(observation(specimen={"display": "Urine, clean catch"})) == ["not_a_reading"]
    assert fact(observation(specimen={"display": "Tube 3"}))


def test_a_report_says_when_and_whose_where_its_results_do_not() -> None:
    report = {"resourceType": "DiagnosticReport", "id": "r", "subject": {"reference": "Patient/4711"},
              "effectiveDateTime": "2026-03-02T07:00:00+01:00",
              "result": [{"reference": "Observation/obs-1"}]}  # fmt: skip
    bare = observation(effectiveDateTime=None, subject=None)
    found = fact(report, bare)
    assert found.moment is not None
    assert found.moment.at.hour == 7
    assert found.subject is not None
    assert fact(observation(effectiveDateTime=None, issued="2026-03-02T09:00:00+01:00")).moment is None
    by_url = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": observation(effectiveDateTime=None)},
        {"resource": report | {"result": [{"reference": "urn:uuid:1"}]}},
    ]}  # fmt: skip
    assert fact(by_url).moment == found.moment


def test_a_value_of_an_interval_is_no_reading_and_a_count_is_of_its_end() -> None:
    period = {"start": "2026-03-02T08:00:00Z", "end": "2026-03-02T09:00:00Z"}
    pulse = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    steps = {"coding": [{"system": "http://loinc.org", "code": "55423-8"}]}
    of_interval = {"effectiveDateTime": None, "effectivePeriod": period}
    assert reasons(observation(code=pulse, **value(71, "/min"), **of_interval)) == ["not_a_reading"]
    found = fact(observation(code=steps, **value(900, "{steps}"), **of_interval))
    assert found.moment is not None
    assert found.moment.at.hour == 9
    found = fact(observation(**of_interval))
    assert found.moment is not None
    assert found.moment.at.hour == 8


def attached(data: str, kind: str = "application/json") -> dict[str, Any]:
    said = {name: part for name, part in observation().items() if name != "valueQuantity"}
    return said | {"valueAttachment": {"contentType": kind, "data": data}, "device": {"reference": "Device/7"}}


def test_a_data_point_within_an_observation_is_read_as_one() -> None:
    data = base64.b64encode(raw(point())).decode()
    found = fact(attached(data))
    assert (found.fields["channel"], found.fields["device_id"]) == ("heart_rate", "Device/7")
    assert reasons(attached("%%%")) == ["malformed"]
    (other,) = read(attached(data, "image/png"))
    assert isinstance(other, Passed)
