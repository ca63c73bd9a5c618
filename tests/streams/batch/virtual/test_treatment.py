"""Doses of an arm with rules."""

from __future__ import annotations

from dataclasses import replace

from streams.batch.trial.doses.schedule import Order
from streams.batch.trial.patients import TrialPlan, virtual_patient
from streams.batch.virtual.treatment import planned_courses, treated_by_rules
from twin import load_model
from twin.clock import DAY_MS, HOUR_MS
from twin.record.orders import PlanStep
from twin.trial.population import Departure
from twin.virtual.dose_rules import DoseRule

MODEL = load_model("docetaxel_ozawa2007")
PLAN = TrialPlan((MODEL.text, MODEL.id), Departure(), 1, 1, 63.0, 3.0, 0.0, 0.0, 100, 24.0)
PATIENT = virtual_patient(PLAN, MODEL, 0)
PLANNED = [
    Order(
        "docetaxel", PlanStep(PATIENT.admitted + day * DAY_MS, PATIENT.admitted + day * DAY_MS + HOUR_MS, 130.0, "iv")
    )
    for day in (1, 22, 43)
]


def amounts(*rules: DoseRule) -> list[float]:
    return [order.step.amount for order in treated_by_rules(rules, PATIENT, PLANNED).orders]


def days(*rules: DoseRule) -> list[float]:
    return [
        (order.step.start_ms - PATIENT.admitted) / DAY_MS for order in treated_by_rules(rules, PATIENT, PLANNED).orders
    ]


def test_doses_of_one_course_lie_close_together() -> None:
    day = [Order("docetaxel", replace(PLANNED[0].step, start_ms=PLANNED[0].step.start_ms + DAY_MS))]
    assert planned_courses([*PLANNED[:1], *day, *PLANNED[1:]], "docetaxel") == tuple(o.step.start_ms for o in PLANNED)


def test_without_rules_all_is_given_as_planned() -> None:
    assert treated_by_rules((), PATIENT, PLANNED).orders == tuple(PLANNED)


def test_what_was_measured_scales_what_is_given_from_then_on() -> None:
    always, never = DoseRule("neutrophils", 1e9, None, 0.5, None), DoseRule("neutrophils", 1e-9, None, 0.5, None)
    assert amounts(always) == [130.0, 65.0, 32.5]
    assert amounts(never) == [130.0, 130.0, 130.0]
    assert amounts(always, replace(always, scale=0.8))[1] == 130.0 * 0.4


def test_a_delay_is_asked_again_until_its_end_and_moves_all_that_follows() -> None:
    always = DoseRule("neutrophils", 1e9, None, None, 7.0, 2)
    assert days(always) == [1.0, 36.0, 71.0]
    assert days(replace(always, below=1e-9)) == [1.0, 22.0, 43.0]
