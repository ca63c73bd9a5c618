"""Effects with tails heavier than a normal's are written as a formula of a standard normal one, and fitted as any."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.diagnostics.cohorts import cohort_of
from twin.model.formula import evaluate, parse_expression
from twin.modelfile.reader import parse_model
from twin.population.laplace.methods import objective_of
from twin.population.theta import Theta

DOCS = (Path(__file__).parents[3] / "docs" / "population.md").read_text()

WRITTEN = next(block for block in re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL) if "[parameters.u]" in block)

REST = """
id = "heavy"
drug = "toxin"
title = "a bolus"
time_unit = "h"

[[sources]]
citation = "none: made up for a test"

[parameters.V]
value = 20
unit = "L"
source = "made up"

[states.A]
unit = "mg"
derivative = "input(toxin) - CL/V*A"

[outputs.plasma]
unit = "mg/L"
expression = "A/V"
error = { proportional = 0.2, fitted_on = "linear", source = "made up" }

[[regimens]]
drug = "toxin"
amount = 100
amount_unit = "mg"
duration = 0
interval = 24
cycles = 1
route = "iv"
assumed = "made up"

[cadence]
estimate = 1
forecast = 1
horizon = 24
"""


@pytest.mark.parametrize("df", [3.0, 5.0, 20.0])
def test_the_formula_has_the_quantiles_of_student(df: float) -> None:
    written = re.search(r"expression = \"CL\*exp\(sd\*(.*)\)\"", WRITTEN)
    assert written is not None
    levels = np.linspace(0.01, 0.99, 50)
    formula = parse_expression(written[1], {"u", "df"})
    found = np.array([evaluate(formula, {"u": u, "df": df}) for u in stats.norm.ppf(levels)])
    np.testing.assert_allclose(found, stats.t.ppf(levels, df), rtol=0.01 if df >= 5 else 0.05)


def test_its_numbers_move_the_objective_as_differences_say() -> None:
    model = parse_model(f"{REST}\n{WRITTEN}", "heavy.toml")
    assert Theta.of(model).names == ("V", "sd", "df", "CL", "error.plasma.proportional")
    lines = ["ID,TIME,EVID,AMT,DV"]
    for patient, cl in enumerate((2.0, 5.0, 9.0), start=1):
        lines.append(f"{patient},0,1,100,.")
        lines += [f"{patient},{t},0,.,{5 * np.exp(-cl / 20 * t) * (1 + 0.1 * np.sin(3 * t)):.4f}" for t in (1, 3, 6)]
    cohort = cohort_of(model, lines)
    objective, theta = objective_of(cohort, "focei"), cohort.theta
    vector = theta.pack(theta.start)
    first = objective(vector)
    for at in (theta.names.index(name) for name in ("sd", "df", "CL")):
        step = 1e-3 * np.eye(len(vector))[at]
        up, down = (objective(vector + side * step, first) for side in (1, -1))
        np.testing.assert_allclose(first.score[:, at], (up.ofv - down.ofv) / 2e-3, rtol=1e-3, atol=1e-3)
