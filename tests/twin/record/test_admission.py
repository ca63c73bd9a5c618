"""What enters the twin is in canonical units; what cannot be used is refused by field, value and mend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.twin import toys
from tests.twin.bedside import (
    at,
    bind,
    clock,
    count,
    covariate,
    dose,
    level,
    plan,
    quantity,
    start,
    totals,
    vital,
    weight,
)
from twin.events import VITAL_RANGES, BadEvent, Enrolment, InputEvent, LabResult, PlannedDose
from twin.modelfile.library import load_model
from twin.record.admission import LONGEST_HOURS, MOST_AMOUNT, MOST_FLOW, MOST_RATE, OTHER_ANALYTES, admit
from twin.solver.settling import settles

TOY = toys.absorption()
DOCETAXEL = load_model("docetaxel_ozawa2007")


def valued(event: InputEvent, value: float, unit: str, field: str = "value") -> InputEvent:
    return event.model_copy(update={field: quantity(value, unit)})


def amount_of(event: InputEvent, field: str) -> tuple[float, str]:
    """A quantity of the admitted event."""
    found = getattr(admit(event, TOY, settles), field)
    return found.value, found.unit


def refusal(event: InputEvent, model: Any = TOY) -> BadEvent:
    with pytest.raises(BadEvent) as refused:
        admit(event, model, settles)
    assert (refused.value.patient_id, refused.value.event_id) == (event.patient_id, event.event_id)
    return refused.value


# --- canonical units -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "field", "expected"),
    [
        (valued(start(1), 500.0, "ug/min", "rate"), "rate", (30.0, "mg/h")),
        (valued(start(1), 1.2, "g/d", "rate"), "rate", (50.0, "mg/h")),
        (valued(start(1, concentration=quantity(2.0, "mg/mL")), 5.0, "mL/h", "rate"), "rate", (10.0, "mg/h")),
        (valued(totals(1, 0.0), 0.2, "g", "delivered"), "delivered", (200.0, "mg")),
        (
            valued(totals(1, 0.0, concentration=quantity(500.0, "ug/mL")), 40.0, "mL", "delivered"),
            "delivered",
            (20.0, "mg"),
        ),
        (valued(dose(1), 0.06, "g", "amount"), "amount", (60.0, "mg")),
        (dose(1, 60.0, duration=None).model_copy(update={"duration": quantity(30, "min")}), "duration", (0.5, "h")),
        (valued(level(1, 0.0), 2.0, "umol/L"), "value", (1.0, "mg/L")),
        (valued(level(1, 0.0), 1500.0, "ng/mL"), "value", (1.5, "mg/L")),
        (valued(count(1, 0.0), 2500.0, "/uL"), "value", (2.5, "10*9/L")),
        (valued(weight(1, 0.0), 70_000.0, "g"), "value", (70.0, "kg")),
        (valued(vital(1), 98.0, "%"), "value", (0.98, "1")),
    ],
    ids=lambda value: value.event_id if hasattr(value, "event_id") else "",
)
def test_values_are_put_into_canonical_units_once(event: Any, field: str, expected: tuple[float, str]) -> None:
    if field == "value" and event.kind == "vital_sample":
        event = event.model_copy(update={"channel": "spo2"})
    value, unit = amount_of(event, field)
    assert (value, unit) == (pytest.approx(expected[0]), expected[1])


def test_what_is_canonical_is_admitted_as_it_is() -> None:
    for event in (start(1), totals(1, 5.0), dose(1), level(1, 2.0), count(1, 3.0), weight(1, 70.0), bind(1), clock(1)):
        assert admit(event, TOY, settles) == event
        assert admit(admit(event, TOY, settles), TOY, settles) == event


def test_a_concentration_is_used_up_with_the_volume() -> None:
    admitted: Any = admit(valued(start(1, concentration=quantity(2.0, "mg/mL")), 5.0, "mL/h", "rate"), TOY, settles)
    assert admitted.concentration is None


def test_every_planned_dose_is_converted_and_one_without_length_is_at_once() -> None:
    doses = (
        PlannedDose(time=at(1), amount=quantity(0.24, "g"), duration=quantity(360, "min")),
        PlannedDose(time=at(9), amount=quantity(60.0, "mg"), duration=quantity(0.0, "h")),
    )
    first, second = getattr(admit(plan(0, (1, 1.0, None)).model_copy(update={"doses": doses}), TOY, settles), "doses")  # noqa: B009
    assert (first.amount, first.duration) == (quantity(240.0, "mg"), quantity(6.0, "h"))
    assert (second.amount, second.duration) == (quantity(60.0, "mg"), None)


def test_a_body_temperature_and_an_interval_are_converted() -> None:
    warm = vital(1, channel="body_temperature").model_copy(update={"value": quantity(310.15, "K")})
    assert amount_of(warm, "value") == (pytest.approx(37.0), "Cel")
    bound = bind(1).model_copy(update={"expected_every": quantity(90, "s")})
    assert amount_of(bound, "expected_every") == (pytest.approx(0.025), "h")


@pytest.mark.parametrize("analyte", sorted(OTHER_ANALYTES))
def test_values_that_the_model_does_not_use_are_no_mistake(analyte: str) -> None:
    event = count(1, 5.0, analyte=analyte)
    assert admit(event, TOY, settles) == event


def test_events_without_values_pass() -> None:
    enrolment = Enrolment(event_id="e", patient_id="P-1", time=at(0) + timedelta(hours=1), source="x", model="any")
    assert admit(enrolment, TOY, settles) == enrolment


# --- refusals --------------------------------------------------------------------------------------------------------

REFUSED: list[tuple[InputEvent, str, list[str]]] = [
    (valued(dose(1), 5.0, "furlong", "amount"), "unknown_unit", ["'amount'", "'furlong'"]),
    (valued(dose(1), 5.0, "mL", "amount"), "unknown_unit", ["'amount'", "mL"]),
    (valued(start(1), 5.0, "mL/h", "rate"), "unknown_unit", ["'rate'", "'mL/h'", "send 'concentration'"]),
    (valued(level(1, 1.0), 5.0, "mmol/mol"), "unknown_unit", ["'value'", "mmol/mol"]),
    (valued(vital(1), 5.0, "Cel"), "unknown_unit", ["'value'", "Cel"]),
    (valued(bind(1), 5.0, "mg", "expected_every"), "unknown_unit", ["'expected_every'", "mg"]),
    (valued(totals(1, 1.0), 5.0, "mL", "delivered"), "unknown_unit", ["'delivered'", "send 'concentration'"]),
    (dose(1, -5.0), "negative_amount", ["'amount'", "-5.0 mg", "must not be negative"]),
    (start(1, -5.0), "negative_amount", ["'rate'", "-5.0 mg/h", "must not be negative"]),
    (totals(1, -5.0), "negative_amount", ["'delivered'", "-5.0 mg", "must not be negative"]),
    (dose(1, 5.0, duration=-1.0), "negative_amount", ["'duration'", "-1.0 h", "must not be negative"]),
    (level(1, -99), "out_of_range", ["'value'", "-99 mg/L", "over 10 standard deviations below 0"]),
    (count(1, -0.1), "negative_amount", ["'value'", "-0.1 10*9/L", "must not be negative"]),
    (bind(1, every=0.0), "negative_amount", ["'expected_every'", "0.0 h", "must be above 0"]),
    (plan(1, (2, -5.0, None)), "negative_amount", ["'doses.amount'", "-5.0 mg"]),
    (
        valued(start(1, concentration=quantity(0.0, "mg/mL")), 5.0, "mL/h", "rate"),
        "negative_amount",
        ["'concentration'", "must be above 0"],
    ),
    (
        valued(start(1, concentration=quantity(1.0, "mg/mL")), MOST_FLOW * 1.01, "mL/h", "rate"),
        "rate_out_of_range",
        ["'rate'", "1515 mL/h", "0 to 1500 mL/h", "check the unit"],
    ),
    (start(1, MOST_RATE * 2), "rate_out_of_range", ["'rate'", "200000 mg/h", "check the unit"]),
    (dose(1, MOST_AMOUNT * 2), "out_of_range", ["'amount'", "400000 mg", "check the unit", "[inputs.X] scale"]),
    (dose(1, 5.0, duration=LONGEST_HOURS * 2), "out_of_range", ["'duration'", "2880 h", "check the unit"]),
    (vital(1, 1000.0), "out_of_range", ["'value'", "1000 /min", "10 to 350"]),
    (level(1, 0.0, below_lloq=True), "out_of_range", ["'lloq'"]),
    (count(1, 0.0, below_lloq=True), "out_of_range", ["'lloq'"]),
    (level(1, 0.1, lloq=quantity(0.0, "mg/L"), below_lloq=True), "negative_amount", ["'lloq'", "must be above 0"]),
    (dose(1, drug="cisplatin"), "unknown_drug", ["'drug'", "'cisplatin'", "toy_absorption", "toxin, helper"]),
    (dose(1, state="AUC"), "unknown_state", ["'state'", "'AUC'", "takes no toxin by route 'iv'", "it enters Depot, A"]),
    (start(1, drug="cisplatin"), "unknown_drug", ["'drug'", "'cisplatin'"]),
    (totals(1, 1.0, drug="cisplatin"), "unknown_drug", ["'drug'", "'cisplatin'"]),
    (plan(1, (2, 5.0, None), drug="cisplatin"), "unknown_drug", ["'drug'", "'cisplatin'"]),
    (level(1, 1.0, analyte="lead"), "unknown_analyte", ["'analyte'", "'lead'", "toxin_plasma, cells"]),
    (count(1, 1.0, analyte="lead"), "unknown_analyte", ["'analyte'", "'lead'"]),
    (covariate(1, "HAIR", 1.0, "cm"), "unknown_covariate", ["'name'", "'HAIR'", "WT"]),
    (weight(1, -70.0), "out_of_range", ["'value'", "-70 kg"]),
]


@pytest.mark.parametrize(("event", "reason", "says"), REFUSED, ids=[f"{c[1]}-{c[0].event_id}" for c in REFUSED])
def test_a_bad_value_is_refused_with_its_field_value_and_mend(event: InputEvent, reason: str, says: list[str]) -> None:
    refused = refusal(event)
    assert refused.reason == reason
    assert refused.detail.startswith("field '")
    for word in says:
        assert word in refused.detail


@pytest.mark.parametrize(("channel", "limits"), VITAL_RANGES.items(), ids=VITAL_RANGES)
def test_every_channel_of_a_wearable_has_a_range_beyond_which_lies_the_impossible(
    channel: str, limits: tuple[str, float, float]
) -> None:
    unit, low, high = limits
    for inside in (low, high):
        admit(vital(1, channel=channel).model_copy(update={"value": quantity(inside, unit)}), TOY, settles)
    for outside in (low - 0.01, high * 1.01):
        sentinel = vital(1, channel=channel).model_copy(update={"value": quantity(outside, unit)})
        assert refusal(sentinel).reason == "out_of_range"


@pytest.mark.parametrize("baseline", [0.0, 150.0])
def test_a_covariate_outside_what_its_model_believes_is_refused(baseline: float) -> None:
    refused = refusal(covariate(1, "ANC0", baseline, "10*9/L"), DOCETAXEL)
    assert refused.reason == "out_of_range"
    assert "0.1 to 100 10*9/L" in refused.detail


def test_a_device_that_lost_its_clock_is_named() -> None:
    lost = clock(0).model_copy(update={"time": datetime(1970, 1, 1, 0, 5, tzinfo=UTC)})
    refused = refusal(lost)
    assert refused.reason == "far_past"
    assert "field 'time': 1970-01-01" in refused.detail
    assert "clock" in refused.detail


def test_creatinine_is_the_same_by_mass_and_by_substance() -> None:
    model = load_model("methotrexate_taylor2020")
    reported = count(1, 1.0, analyte="creatinine").model_copy(update={"value": quantity(1.0, "mg/dL")})
    told = admit(reported, model, settles)
    assert isinstance(told, LabResult)
    assert (told.value.value, told.value.unit) == (pytest.approx(88.4, abs=0.01), "umol/L")
    refused = refusal(covariate(1, "creatinine", 1.0, "10*9/L"), model)
    assert refused.reason == "unknown_unit"
