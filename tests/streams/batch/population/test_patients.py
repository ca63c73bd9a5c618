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


@pytest.mark.parametrize(("shape", "unit"), [(0.7, "h"), (1.0, "h"), (1.5, "h"), (1.5, "d")])
def test_the_likelihood_of_awaited_events_is_that_of_their_law(shape: float, unit: str, tmp_path: Path) -> None:
    """In hours of two days, or in days of years in which nothing is told."""
    rng = np.random.default_rng(1)
    rate, longest = (0.03, 60.0) if unit == "h" else (0.0006, 3000.0)
    arm = np.arange(30) % 2
    risk = rate * np.exp(-0.8 * arm)
    happens = rng.weibull(shape, 30) / risk
    until, seen = np.minimum(np.round(happens, 3), longest), happens < longest
    lines = ["ID,TIME,EVID,DV,MDV,ARM"]
    for n in range(30):
        lines += [f"{n + 1},0,0,.,1,{arm[n]}", f"{n + 1},{until[n]},0,{int(seen[n])},0,{arm[n]}"]
    (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
    text = toys.WEIBULL.replace("SHAPE", str(shape)).replace("value = 0.03", f"value = {rate}")
    (tmp_path / "awaited.toml").write_text(text.replace('"h"', f'"{unit}"').replace('"1/h"', f'"1/{unit}"'))
    how = reading(str(tmp_path / "awaited.toml"), [tmp_path / "events.csv"])
    assert how.model is not None
    left_out = LeftOut()
    cases = cases_in([tmp_path / "events.csv"], how, left_out)
    cohort = cohort_of(timelines_of(cases, how.model, left_out), Theta.of(how.model))
    assert len(cohort.patients) == 30
    found = objective_of(cohort, "laplace")(cohort.theta.pack(cohort.theta.start)).ofv
    log_hazard = np.log(shape * risk * (risk * until) ** (shape - 1.0))
    expected = -2.0 * (seen * log_hazard - (risk * until) ** shape)
    assert found == pytest.approx(expected, abs=2e-3)
