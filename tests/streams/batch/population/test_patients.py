"""Patients of a fit are at risk from their first record on, and their hazard is summed up as finely as it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.batch.arguments import LeftOut, cases_in, reading
from streams.batch.population.patients import cohort_of, timelines_of
from tests.twin import toys
from twin.population.laplace.methods import objective_of
from twin.population.theta import Theta

WEIBULL = f"""
id = "awaited"
drug = "toxin"
title = "An event whose hazard grows or falls with time"
time_unit = "h"

[[sources]]
citation = "made up for a test"

[covariates.ARM]
unit = "1"
reference = 0
{toys.SOURCE}

[parameters.rate]
value = 0.03
unit = "1/h"
{toys.SOURCE}

[parameters.shape]
value = SHAPE
unit = "1"
{toys.SOURCE}

[parameters.effect]
value = 0.8
unit = "1"
{toys.SOURCE}

[states.A]
unit = "mg"
derivative = "input(toxin) - rate*A"

[derived]
risk = {{ unit = "1/h", expression = "rate*exp(-effect*ARM)" }}

[outputs.relapse]
kind = "event"
hazard = "risk*shape*(risk*t + 1e-9)**(shape - 1)"

[cadence]
estimate = 24
forecast = 24
horizon = 168
"""


@pytest.mark.parametrize("shape", [0.7, 1.0, 1.5])
def test_the_likelihood_of_awaited_events_is_that_of_their_law(shape: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arm = np.arange(30) % 2
    risk = 0.03 * np.exp(-0.8 * arm)
    happens = rng.weibull(shape, 30) / risk
    until, seen = np.minimum(np.round(happens, 3), 60.0), happens < 60.0
    lines = ["ID,TIME,EVID,DV,MDV,ARM"]
    for n in range(30):
        lines += [f"{n + 1},0,0,.,1,{arm[n]}", f"{n + 1},{until[n]},0,{int(seen[n])},0,{arm[n]}"]
    (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "awaited.toml").write_text(WEIBULL.replace("SHAPE", str(shape)))
    how = reading(str(tmp_path / "awaited.toml"), [tmp_path / "events.csv"])
    assert how.model is not None
    cases = cases_in([tmp_path / "events.csv"], how, LeftOut())
    cohort = cohort_of(timelines_of(cases, how.model, LeftOut()), Theta.of(how.model))
    found = objective_of(cohort, "laplace")(cohort.theta.pack(cohort.theta.start)).ofv
    log_hazard = np.log(shape * risk * (risk * until) ** (shape - 1.0))
    expected = -2.0 * (seen * log_hazard - (risk * until) ** shape)
    assert found == pytest.approx(expected, abs=2e-3)
