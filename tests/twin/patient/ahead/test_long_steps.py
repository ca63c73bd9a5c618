"""What is asked of the future of a model with very many steps is solved in long ones, and says what short ones say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.bedside import PATIENT, clock, dose, plan
from twin import PatientTwin, load_model
from twin.dosing.branches import branch
from twin.dosing.futures import as_planned, changed
from twin.filter.trunk import present
from twin.patient.ahead.long_steps import solved_ahead
from twin.solver.solver import Solver
from twin.solver.step_control import LONG_TOLERANCE, long_step_sizes


@pytest.mark.slow
@pytest.mark.parametrize("words", ["give pegfilgrastim 6 mg sc in 24 h", "give filgrastim 0.3 mg sc in 96 h"])
def test_a_growth_factor_and_its_neutrophils_are_solved_as_short_steps_solve_them(words: str) -> None:
    twin = PatientTwin(PATIENT, load_model("docetaxel_gcsf_suite"), 48)
    twin.observe([plan(-1.0, (504.0, 96.0, 1.0), drug="docetaxel"), dose(0.0, 96.0, 1.0, drug="docetaxel"), clock(2.0)])
    (component,) = twin.components(None)
    trunk, now = component.trunk, component.millis
    change = branch(words, twin.model, now).changes
    timeline = changed(component, now, as_planned(component, now), change).timeline
    cloud, effects = present(component.position)[0], trunk.effects(component.position.belief)
    marks = now + np.arange(1, 64, dtype=np.int64) * 8 * 3_600_000
    long = solved_ahead(trunk, effects, cloud, timeline, marks)
    short = Solver(trunk.kernel, effects, trunk.step_sizes).advance(cloud, timeline, int(marks[-1]), marks)[1]
    for output in (1, 2):  # the growth factor's level, neutrophils
        peak = np.abs(short[:, output]).max(axis=0)
        apart = np.abs(long[:, output] - short[:, output]) / (np.abs(short[:, output]) + 1e-3 * peak)
        assert apart.max() < 3 * LONG_TOLERANCE
    nadirs = [np.log(found[:, 2].min(axis=0)) for found in (long, short)]
    assert np.abs(nadirs[0] - nadirs[1]).max() < LONG_TOLERANCE


@pytest.mark.parametrize(
    ("name", "drug", "amount", "apart"),
    [
        ("docetaxel_ozawa2007", "docetaxel", 96.0, 0.0),
        ("nabpaclitaxel_chen2014", "nabpaclitaxel", 494.0, LONG_TOLERANCE),
    ],
)
def test_others_are_solved_as_the_twin_solves_them_and_stiff_ones_implicitly_in_longer_steps(
    name: str, drug: str, amount: float, apart: float
) -> None:
    twin = PatientTwin(PATIENT, load_model(name), 64)
    twin.observe([plan(-1.0, (504.0, amount, 0.5), drug=drug), dose(0.0, amount, 0.5, drug=drug), clock(2.0)])
    (component,) = twin.components(None)
    trunk, timeline = component.trunk, as_planned(component, component.millis).timeline
    cloud, effects = present(component.position)[0], trunk.effects(component.position.belief)
    marks = component.millis + np.arange(1, 64, dtype=np.int64) * 8 * 3_600_000
    long = solved_ahead(trunk, effects, cloud, timeline, marks)
    short = Solver(trunk.kernel, effects, trunk.step_sizes).advance(cloud, timeline, int(marks[-1]), marks)[1]
    assert np.abs(long[:, 1] / short[:, 1] - 1.0).max() <= apart


@pytest.mark.parametrize(("name", "stiff"), [("docetaxel_ozawa2007", False), ("busulfan_mccune2014", False)])
def test_long_steps_are_taken_only_where_short_ones_are_very_many(name: str, stiff: bool) -> None:
    trunk = PatientTwin(PATIENT, load_model(name), 50)
    trunk.observe([clock(0.0)])
    component = trunk.components(None)[0]
    assert (long_step_sizes(component.trunk.kernel, component.trunk.step_sizes) is not None) is stiff
