"""An alert lives and ends on a FHIR server under one id, and never comes back as a measurement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.facts.fact import Passed
from connectors.protocols.fhir.outputs import Body, of_alert, of_estimate, of_forecast
from connectors.protocols.fhir.reading import read
from tests import factories as make
from tests.connectors.facts.sources import profile
from twin.events import Alert


def step(revision: int, phase: Any = "start", **given: Any) -> Alert:
    return make.alert("P-1", make.at(revision), revision=revision, phase=phase, onset=make.at(0), **given)


def by_kind(alert: Alert) -> dict[str, Body]:
    return {body["resourceType"]: body for body in of_alert(alert)}


@pytest.mark.parametrize(
    ("phase", "issue", "flag", "risk", "told"),
    [
        ("update", "preliminary", "active", "final", "completed"),
        ("end", "final", "inactive", "final", "completed"),
        ("withdrawn", *["entered-in-error"] * 4),
    ],
)
def test_the_status_of_each_resource_follows_the_alerts_life(
    phase: Any, issue: str, flag: str, risk: str, told: str
) -> None:
    before, after = by_kind(step(0)), by_kind(step(3, phase))
    assert {kind: body["id"] for kind, body in before.items()} == {kind: body["id"] for kind, body in after.items()}
    kinds = ("DetectedIssue", "Flag", "RiskAssessment", "Communication")
    assert [after[kind]["status"] for kind in kinds] == [issue, flag, risk, told]
    assert ("end" in after["Flag"]["period"]) is (phase != "update")


def test_a_risk_has_probability_and_period() -> None:
    (prediction,) = by_kind(step(0, probability=0.62, horizon_hours=48.0))["RiskAssessment"]["prediction"]
    assert prediction["probabilityDecimal"] == 0.62
    assert prediction["whenPeriod"] == {
        "start": "2026-03-02T08:00:00.000+00:00",
        "end": "2026-03-04T08:00:00.000+00:00",
    }


def test_one_without_a_probability_has_no_risk_until_it_is_withdrawn() -> None:
    assert "RiskAssessment" not in by_kind(step(0, probability=None))
    withdrawn = by_kind(step(1, "withdrawn", probability=None))["RiskAssessment"]
    assert (withdrawn["status"], "prediction" in withdrawn) == ("entered-in-error", False)


def test_an_alert_about_a_dose_has_the_code_of_hl7() -> None:
    codes = by_kind(step(0, rule="delivery.overinfusion"))["DetectedIssue"]["code"]["coding"]
    assert [one["code"] for one in codes] == ["delivery.overinfusion", "DOSEH"]
    assert by_kind(step(0, rule="delivery.overinfusion"))["Flag"]["category"][0]["coding"][0]["code"] == "drug"


def test_an_estimate_is_one_resource_that_the_next_one_overwrites() -> None:
    first, second = of_estimate(make.estimate("P-1")), of_estimate(make.estimate("P-1", make.at(1)))
    assert first["id"] == second["id"] != of_estimate(make.estimate("P-2"))["id"]
    medians = [one["valueQuantity"] for one in first["component"] if "valueQuantity" in one]
    assert {one["code"] for one in medians} == {band.unit for band in make.estimate("P-1").outputs}


def test_a_forecast_is_a_risk_over_its_horizon() -> None:
    forecast = make.forecast("P-1")
    body = of_forecast(forecast)
    assert body is not None
    assert forecast.nadir is not None
    (prediction,) = body["prediction"]
    assert prediction["probabilityDecimal"] == forecast.nadir.p_grade4
    assert of_forecast(forecast.model_copy(update={"nadir": None})) is None


def test_text_from_outside_is_text_in_the_narrative() -> None:
    body = by_kind(step(0, text="<script>&", advice='Look at "it".'))["Flag"]
    assert "<script>" not in body["text"]["div"]
    assert body["text"]["div"].endswith("&lt;script&gt;&amp; Look at &quot;it&quot;.</div>")


def test_the_patient_is_a_pseudonym_in_the_system_that_was_given() -> None:
    for body in of_alert(step(0), "https://ward.example/pseudonyms"):
        who = body.get("subject") or body["patient"]
        assert who == {
            "type": "Patient",
            "identifier": {"system": "https://ward.example/pseudonyms", "value": "P-1"},
        }


def test_what_a_twin_wrote_is_never_read_as_a_measurement() -> None:
    raw = json.dumps(of_estimate(make.estimate("P-1"))).encode()
    (reading,) = read(raw, profile())
    (found,) = reading.found
    assert isinstance(found, Passed)
    assert found.what == "what a twin wrote itself"


def test_ids_are_such_as_fhir_allows() -> None:
    ids = {body["id"] for body in of_alert(step(0, alert_id="ä/" * 60))}
    assert len(ids) == 1
    assert all(len(one) <= 64 and one.replace("-", "").isalnum() for one in ids)
