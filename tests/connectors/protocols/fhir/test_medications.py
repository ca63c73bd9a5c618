"""Doses that were given, and plans of doses; neither is taken for the other."""

from __future__ import annotations

from typing import Any, cast

import pytest

from connectors.facts.fact import Fact, Found, Moment, Passed, Refusal
from connectors.protocols.fhir.medications import MOST_DOSES, read_given, read_request
from connectors.protocols.fhir.resource import Resource, each
from tests.connectors.facts import sources
from tests.connectors.protocols.spoken import bundle, given, raw, request
from twin.events import Quantity

PROFILE = sources.profile("fhir")
ORAL = {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]}
INTRAVENOUS = {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]}
PUSH = {"coding": [{"system": "http://snomed.info/sct", "code": "417924000"}]}


def read(said: dict[str, Any]) -> Found:
    (resource,) = each(raw(said), PROFILE)
    assert isinstance(resource, Resource)
    reader = read_request if resource.type == "MedicationRequest" else read_given
    (found,) = reader(resource, PROFILE)
    return found


def fact(said: dict[str, Any]) -> Fact:
    found = read(said)
    assert isinstance(found, Fact), found
    return found


def reason(said: dict[str, Any]) -> str:
    found = read(said)
    assert isinstance(found, Refusal), found
    return found.reason


def dosage(**changes: Any) -> dict[str, Any]:
    return {"dosage": given()["dosage"] | changes}


def instruction(**changes: Any) -> dict[str, Any]:
    return {"dosageInstruction": [request()["dosageInstruction"][0] | changes]}


def repeat(**changes: Any) -> dict[str, Any]:
    said = request()["dosageInstruction"][0]["timing"]["repeat"] | changes
    return instruction(timing={"repeat": {name: part for name, part in said.items() if part is not None}})


def doses(said: dict[str, Any]) -> list[dict[str, Any]]:
    return list(cast("tuple[dict[str, Any], ...]", fact(said).fields["doses"]))


def test_an_infusion_is_told_with_its_amount_and_length() -> None:
    found = fact(given())
    assert found.kind == "dose_given"
    assert dict(found.fields) == {
        "drug": "docetaxel",
        "route": "iv",
        "amount": Quantity(value=100.0, unit="mg"),
        "duration": Quantity(value=1.0, unit="h"),
    }
    assert found.moment is not None
    assert found.moment.at.isoformat() == "2026-03-02T09:00:00+01:00"


def test_a_plan_says_by_what_protocol_and_on_which_ward_it_was_ordered() -> None:
    def planned(*locations: dict[str, Any]) -> dict[str, object]:
        plan = request(
            encounter={"reference": "Encounter/e1"},
            instantiatesCanonical=["https://ward.example/PlanDefinition/docetaxel-75|2.1"],
        )
        encounter = {"resourceType": "Encounter", "id": "e1", "location": list(locations)}
        resource = next(iter(each(raw(bundle(plan, encounter)), PROFILE)))
        assert isinstance(resource, Resource)
        (found,) = read_request(resource, PROFILE)
        assert isinstance(found, Fact)
        return {name: found.fields.get(name) for name in ("protocol", "ward")}

    ward, room = ({"location": {"reference": f"Location/{name}"}, "status": "active"} for name in ("W3", "302"))
    assert planned(ward) == {"protocol": "docetaxel-75", "ward": "W3"}
    assert planned(ward | {"physicalType": {"coding": [{"code": "wa"}]}}, room)["ward"] == "W3"
    assert planned(ward, room)["ward"] is None, "which of them is the ward is not said"
    assert planned(room | {"status": "completed"}, {"location": {"identifier": {"value": "W4"}}})["ward"] == "W4"
    assert not {"protocol", "ward"} & set(fact(request()).fields)


def test_the_period_of_an_oral_dose_is_no_length() -> None:
    assert "duration" not in fact(given(**dosage(route=ORAL))).fields


def test_a_push_needs_no_length_and_an_infusion_does() -> None:
    at = {"effectivePeriod": None, "effectiveDateTime": "2026-03-02T09:00:00+01:00"}
    assert "duration" not in fact(given(**at, **dosage(method=PUSH))).fields
    assert reason(given(**at)) == "incomplete"
    disguised = dosage(rateQuantity={"value": 30, "code": "min"})
    assert fact(given(**at, **disguised)).fields["duration"] == Quantity(value=0.5, unit="h")


@pytest.mark.parametrize("status", ["in-progress", "on-hold", "unknown", "not-done", "", "eaten"])
def test_what_was_not_given_tells_nothing(status: str) -> None:
    assert isinstance(read(given(status=status)), Passed)


def test_what_was_entered_in_error_is_taken_back() -> None:
    found = fact(given(status="entered-in-error", subject=None))
    assert (found.status, found.key[-1]) == ("retracted", "*")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (dosage(dose={"value": 100}), "no_unit"),
        (dosage(dose=None), "incomplete"),
        (dosage(dose={"value": 75, "code": "mg/m2"}), "incomplete"),
        (dosage(dose={"value": 1.8, "code": "mg/kg"}), "incomplete"),
        (dosage(dose={"value": 2, "unit": "tablets"}), "incomplete"),
        (dosage(route=None), "incomplete"),
        ({"dosage": None}, "incomplete"),
        ({"effectivePeriod": {"start": "2026-03-02T10:00:00Z", "end": "2026-03-02T09:00:00Z"}}, "contradictory"),
        ({"effectivePeriod": {"start": "2026-03-02T09:00:00Z", "end": "2026-03-02T10:00:00"}}, "contradictory"),
        ({"effectivePeriod": {"start": "2026-03-02"}}, "time_too_coarse"),
        ({"subject": None}, "no_patient"),
        (dosage(rateQuantity={"value": 40, "code": "mg/h"}), "contradictory"),
        (
            dosage(rateRatio={"numerator": {"value": 5, "code": "mg"}, "denominator": {"value": 1, "code": "min"}}),
            "contradictory",
        ),
        ({"implicitRules": "https://x.example"}, "unsupported"),
    ],
)
def test_a_dose_that_is_not_whole_is_refused(change: dict[str, Any], wanted: str) -> None:
    assert reason(given(**change)) == wanted


def test_a_rate_that_agrees_or_is_of_a_volume_is_no_contradiction() -> None:
    assert fact(given(**dosage(rateQuantity={"value": 100, "code": "mg/h"})))
    assert fact(
        given(**dosage(rateRatio={"numerator": {"value": 250, "code": "mL"}, "denominator": {"value": 1, "code": "h"}}))
    )


def test_a_drug_is_found_where_the_resource_keeps_it() -> None:
    code = {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01CD02"}]}
    medication = {"resourceType": "Medication", "id": "m", "code": code}
    held = given(medicationCodeableConcept=None, medicationReference={"reference": "#m"}, contained=[medication])
    assert fact(held).fields["drug"] == "docetaxel"
    assert fact(given(medicationCodeableConcept={"text": "Docetaxel"})).fields["drug"] == "docetaxel"
    product = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1790099"}]}
    assert isinstance(read(given(medicationCodeableConcept=product)), Passed)


def test_a_statement_of_a_course_is_no_dose() -> None:
    statement = given(resourceType="MedicationStatement", dosage=[given()["dosage"]])
    assert reason(statement) == "not_a_reading"
    at = {"effectivePeriod": None, "effectiveDateTime": "2026-03-02T09:00:00+01:00"}
    once = statement | at | {"dosage": [given()["dosage"] | {"route": ORAL}]}
    assert fact(once).kind == "dose_given"
    daily = once | {"dosage": [once["dosage"][0] | {"timing": {"repeat": {"period": 1, "periodUnit": "d"}}}]}
    assert reason(daily) == "not_a_reading"


def test_an_order_is_a_plan_of_its_times() -> None:
    found = fact(request())
    assert (found.kind, found.fields["drug"], found.fields["route"]) == ("regimen_planned", "docetaxel", "iv")
    planned = doses(request())
    assert [one["time"].at.day for one in planned] == [2, 23, 13]
    assert {one["duration"] for one in planned} == {Quantity(value=1.0, unit="h")}


def test_a_plan_of_listed_times_has_those_in_order() -> None:
    events = ["2026-03-04T09:00:00Z", "2026-03-02T09:00:00Z"]
    said = request(**instruction(timing={"event": events}, route=ORAL))
    assert [one["time"].at.day for one in doses(said)] == [2, 4]


def test_a_plan_ends_with_its_bounds() -> None:
    bounds = {"start": "2026-03-02T09:00:00Z", "end": "2026-03-05T09:00:00Z"}
    assert len(doses(request(**repeat(count=None, boundsPeriod=bounds, period=1, periodUnit="d")))) == 3
    day = {"start": "2026-03-02T09:00:00Z", "end": "2026-03-05"}
    assert len(doses(request(**repeat(count=None, boundsPeriod=day, period=1, periodUnit="d", frequency=2)))) == 8


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (repeat(count=None), "incomplete"),
        (repeat(count=MOST_DOSES + 1), "incomplete"),
        (repeat(count=0), "incomplete"),
        (repeat(count=-3), "incomplete"),
        (repeat(count=2.5), "incomplete"),
        (repeat(count="3"), "incomplete"),
        (repeat(boundsPeriod={"start": "2026-03-02T09:00:00Z", "end": "2026-03-01T09:00:00Z"}), "incomplete"),
        (repeat(period=0), "incomplete"),
        (repeat(periodUnit="moon"), "incomplete"),
        (repeat(timeOfDay=["08:00:00"]), "unsupported"),
        (repeat(dayOfWeek=["mon"]), "unsupported"),
        (repeat(boundsPeriod={"start": "2026-03-02"}), "time_too_coarse"),
        (repeat(boundsPeriod=None), "no_time"),
        (repeat(period=1e9), "incomplete"),
        (repeat(frequency=0), "incomplete"),
        (repeat(frequency=-1), "incomplete"),
        (repeat(duration=None), "incomplete"),
        (instruction(timing=None, route=ORAL), "no_time"),
        (instruction(timing={"event": 3}, route=ORAL), "no_time"),
        (instruction(doseAndRate=[{"doseQuantity": {"value": 75, "unit": "mg/m2"}}]), "incomplete"),
        (instruction(doseAndRate=[{"doseRange": {"low": {"value": 1}}}]), "incomplete"),
        ({"dosageInstruction": []}, "incomplete"),
        ({"dosageInstruction": [{}, {}]}, "incomplete"),
    ],
)
def test_an_order_that_makes_no_plan_is_refused(change: dict[str, Any], wanted: str) -> None:
    assert reason(request(**change)) == wanted


@pytest.mark.parametrize(
    "change",
    [{"status": "draft"}, {"status": "completed"}, {"intent": "proposal"}, {"intent": "plan"}, {"doNotPerform": True},
     instruction(asNeededBoolean=True), {"medicationCodeableConcept": {"text": "Water"}}],
)  # fmt: skip
def test_what_is_no_order_of_ours_tells_nothing(change: dict[str, Any]) -> None:
    assert isinstance(read(request(**change)), Passed)


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "stopped"])
def test_an_order_that_is_over_is_taken_back(status: str) -> None:
    assert fact(request(status=status)).status == "retracted"


def test_a_plans_times_have_offsets_or_wait_for_the_profiles_zone() -> None:
    naive = request(**repeat(boundsPeriod={"start": "2026-03-02T09:00:00"}))
    assert all(isinstance(one["time"], Moment) and one["time"].at.tzinfo is None for one in doses(naive))
    mixed = {"start": "2026-03-02T09:00:00Z", "end": "2026-03-05T09:00:00"}
    assert reason(request(**repeat(boundsPeriod=mixed))) == "contradictory"


@pytest.mark.parametrize(("route", "taken"), [(ORAL, 0.95), (INTRAVENOUS, None)])
def test_a_dose_by_oneself_is_as_sure_as_its_profile_says(route: dict[str, Any], taken: float | None) -> None:
    (resource,) = each(raw(given(**dosage(route=route))), PROFILE)
    assert isinstance(resource, Resource)
    (found,) = read_given(resource, sources.profile("fhir", taken=0.95))
    assert isinstance(found, Fact)
    assert found.fields.get("taken") == taken
    assert "taken" not in fact(given(**dosage(route=route))).fields


def referring(**medication: Any) -> dict[str, Any]:
    said = given(contained=[{"resourceType": "Medication", "id": "m"} | medication])
    del said["medicationCodeableConcept"]
    return said | {"medicationReference": {"reference": "#m"}}


def test_a_medication_without_a_code_is_its_only_ingredient() -> None:
    docetaxel = {"itemCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01CD02"}]}}
    glucose = {"itemCodeableConcept": {"text": "Glucose 5 %"}}
    assert fact(referring(ingredient=[docetaxel])).fields["drug"] == "docetaxel"
    assert fact(referring(ingredient=[docetaxel, glucose | {"isActive": False}])).fields["drug"] == "docetaxel"
    assert isinstance(read(referring(ingredient=[docetaxel, glucose])), Passed)


def test_a_medication_that_is_not_there_is_not_passed_over() -> None:
    away = referring() | {"medicationReference": {"reference": "Medication/9"}}
    assert reason(away) == "unknown_drug"
    named = away | {"medicationReference": {"reference": "Medication/9", "display": "Docetaxel"}}
    assert fact(named).fields["drug"] == "docetaxel"


@pytest.mark.parametrize(("text", "passed"), [("Docetaxel 20 mg/mL vial", False), ("Ondansetron", True)])
def test_a_product_of_a_known_drug_waits_for_its_profile(text: str, passed: bool) -> None:
    found = read(given(medicationCodeableConcept={"text": text}))
    assert isinstance(found, Passed if passed else Refusal)
