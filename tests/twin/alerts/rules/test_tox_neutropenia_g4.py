from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.alerts.rules.views import nadir, states, told
from twin.alerts.rules.tox_neutropenia_g4 import RULE, find
from twin.alerts.snapshot import NadirView
from twin.events import Subject


def test_more_likely_than_not_is_raised_with_horizon_and_freshness() -> None:
    (alert,) = told([nadir(24, 0.62)])
    assert (alert.rule, alert.state, alert.severity) == (RULE, "raised", "high")
    assert alert.subject == Subject("output", "neutrophils")
    assert (alert.probability, alert.horizon_hours, alert.freshness_hours) == (0.62, 504.0, 24.0)
    assert alert.text == ("Grade 4 neutropenia with probability 62% within 21 d; nadir 0.46 10*9/L (median) in 8.2 d.")


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5])
def test_at_or_under_the_threshold_nothing_is_raised(probability: float) -> None:
    assert states([nadir(0, probability)]) == []


def test_a_count_that_moves_the_probability_is_an_update_and_a_low_one_clears() -> None:
    steps = [nadir(0, 0.6), nadir(24, 0.65), nadir(48, 0.75), nadir(72, 0.2)]
    assert states(steps) == [(RULE, "raised"), (RULE, "updated"), (RULE, "cleared")]


def test_hours_without_a_new_forecast_hold_the_alert() -> None:
    assert states([nadir(0, 0.6), nadir(1, None), nadir(2, None)]) == [(RULE, "raised")]


def test_certainty_on_either_side() -> None:
    assert find(nadir(0, 1.0))[0].level == 1.0
    assert states([nadir(0, 1.0), nadir(1, 0.0)]) == [(RULE, "raised"), (RULE, "cleared")]


def test_without_a_forecast_there_is_nothing_to_find() -> None:
    assert find(nadir(0, None)) == ()


def test_another_count_is_called_by_its_name_and_in_its_unit() -> None:
    view = NadirView("thrombocytopenia_g4", "platelets", 0.8, 21.0, "10*3/uL", 9.0, 504.0)
    (finding,) = find(replace(nadir(0, 0.8), nadir=view))
    assert finding.subject == Subject("output", "platelets")
    assert finding.text.startswith("Grade 4 thrombocytopenia with probability 80% within 21 d; nadir 21 10*3/uL")
