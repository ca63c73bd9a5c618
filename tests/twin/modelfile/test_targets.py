"""Targets of a model file: what they measure, and what is wrong with one that cannot be."""

from __future__ import annotations

import ast

import pytest

from twin.model.spec import Model, ModelError
from twin.modelfile.library import parse_model

BASE = """
id = "two_drugs"
drug = "alpha"
title = "A drug and its metabolite"
time_unit = "h"
[[sources]]
citation = "nobody"
[variability]
stated_as = "variance"
source = "nobody"
[parameters.CL]
value = 5.0
unit = "L/h"
iiv = 0.0001
assumed = "test"
[parameters.V]
value = 50.0
unit = "L"
assumed = "test"
[parameters.per_mg]
value = 1000.0
unit = "ug/mg"
assumed = "test"
[states.A]
unit = "mg"
derivative = "input(alpha) - CL/V*A"
[states.AUC]
unit = "mg.h/L"
derivative = "A/V"
[outputs.alpha_plasma]
unit = "mg/L"
expression = "A/V"
error = { proportional = 0.2, fitted_on = "linear", assumed = "test" }
[outputs.beta_plasma]
unit = "mg/L"
expression = "0.3*A/V"
error = { proportional = 0.2, fitted_on = "linear", assumed = "test" }
[outputs.marker]
unit = "ug/L"
expression = "per_mg*A/V"
error = { proportional = 0.2, fitted_on = "linear", assumed = "test" }
[cadence]
estimate = 1
forecast = 24
horizon = 48
"""


def with_target(lines: str) -> Model:
    return parse_model(
        f'{BASE}\n[targets.goal]\ndrug = "alpha"\nassumed = "test"\ncourse_gap = 72\n{lines}\n', "m.toml"
    )


def test_a_target_without_a_measure_is_of_a_course() -> None:
    (target,) = with_target('state = "AUC"\nunit = "mg.h/L"\nlow = 2\nhigh = 3').targets
    assert (target.measure, target.state, ast.unparse(target.expression)) == ("course", "AUC", "AUC")
    assert (target.low, target.high) == (2.0, 3.0)


def test_a_trough_is_of_outputs_that_add_up_and_may_have_one_limit() -> None:
    model = with_target(
        'measure = "trough"\noutputs = ["alpha_plasma", "beta_plasma"]\nunit = "mg/L"\nlow = 2\nsettled = 96'
    )
    (target,) = model.targets
    assert (target.state, target.low, target.high, target.settled) == (None, 2.0, None, 96.0)
    assert ast.unparse(target.expression) == "A / V + 0.3 * A / V"


def test_time_above_a_level_is_gathered_in_a_state_of_its_own() -> None:
    model = with_target(
        'measure = "time_above"\noutputs = ["alpha_plasma"]\nabove = 0.05\nunit = "h"\nlow = 26\nhigh = 31'
    )
    assert model.states[-1].name == model.targets[0].state == "above_goal"
    assert ast.unparse(model.states[-1].derivative) == "where(A / V > 0.05, 1.0, 0.0)"


def test_two_targets_do_not_gather_in_one_state() -> None:
    other = (
        '[targets.other]\ndrug = "alpha"\nassumed = "test"\ncourse_gap = 24\nstate = "AUC"\nunit = "mg.h/L"\nlow = 1'
    )
    with pytest.raises(ModelError, match=r"targets\.other\.state: 'AUC' is emptied for another target"):
        with_target(f'state = "AUC"\nunit = "mg.h/L"\nlow = 2\n{other}')


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('measure = "peak"\nunit = "mg/L"\nlow = 1', "goal.measure: 'peak' is not known; write one of course, day"),
        ('state = "AUC"\nunit = "mg.h/L"', "goal.low: is missing, and so is 'high'"),
        ('state = "AUC"\nunit = "mg.h/L"\nlow = 3\nhigh = 3', "goal.high: is 3; it must be greater than 3"),
        ('state = "AUC"\nunit = "mg/L"\nlow = 3', "goal.unit: is 'mg/L', but state AUC is in 'mg.h/L'"),
        ('measure = "trough"\nunit = "mg/L"\nlow = 3', "goal.outputs: is missing"),
        ('measure = "trough"\noutputs = ["gamma"]\nunit = "mg/L"\nlow = 3', "'gamma' is no output of the model"),
        ('measure = "trough"\noutputs = ["alpha_plasma"]\nunit = "ug/L"\nlow = 3', "output alpha_plasma is in 'mg/L'"),
        (
            'measure = "trough"\noutputs = ["alpha_plasma", "marker"]\nunit = "mg/L"\nlow = 3',
            "only outputs of one unit",
        ),
        (
            'measure = "time_above"\noutputs = ["alpha_plasma"]\nabove = 1\nunit = "d"\nlow = 3',
            "in the model's own 'h'",
        ),
        ('measure = "time_above"\noutputs = ["alpha_plasma"]\nunit = "h"\nlow = 3', "goal.above: is missing"),
        ('state = "AUC"\nunit = "mg.h/L"\nlow = 3\nsettled = 4', "goal.settled: unknown key"),
    ],
)
def test_what_cannot_be_a_target_is_named_with_its_mend(lines: str, says: str) -> None:
    with pytest.raises(ModelError) as refused:
        with_target(lines)
    assert says in str(refused.value)
