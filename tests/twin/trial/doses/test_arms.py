"""The ways in which the doses of a course are chosen by a belief."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.bedside import PATIENT, clock, dose, plan
from tests.twin.dosing.patients import counted, infused
from twin import PatientTwin, load_model
from twin.clock import HOUR_MS
from twin.dosing.advice import advise_on
from twin.dosing.horizon.plan import plan_on
from twin.dosing.protocol import usual_protocol
from twin.trial.doses.arms import by_advice, by_horizon


def test_a_plan_ahead_gives_the_firm_dose_with_the_odds_of_its_course() -> None:
    components = infused().components(None)
    protocol = replace(usual_protocol(infused().model), samples=(40 * HOUR_MS,))
    found, ahead = by_horizon(components, protocol), plan_on(components, protocol)
    assert found.doses == ahead.doses
    assert ahead.courses[0].within is not None
    assert (found.within, found.reached) == (ahead.courses[0].within.p, {}), "of a course that has begun no toxicity"


def test_the_last_dose_of_a_plan_is_given_as_advised() -> None:
    components, protocol = counted().components(None), usual_protocol(counted().model)
    found = by_horizon(components, protocol)
    assert found == by_advice(components, protocol)
    assert found.doses == advise_on(components, protocol).advised.doses
    assert found.within is None
    assert found.reached.keys() == {"neutropenia_g4", "neutropenia_prolonged"}


@pytest.mark.slow
def test_a_bolus_and_its_infusion_are_chosen_as_one() -> None:
    twin = PatientTwin(PATIENT, load_model("fluorouracil_yamada2025"), 100)
    drug = {"drug": "fluorouracil"}
    doses = ((0.0, 700.0, 0.1), (0.1, 2000.0, 20.0), (24.0, 2000.0, 20.0))
    twin.observe([plan(-1.0, *doses, **drug), dose(-400.0, 700.0, 0.1, **drug), clock(-0.2)])
    assert len(by_horizon(twin.components(None), usual_protocol(twin.model)).doses) == 2
