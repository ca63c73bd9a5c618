"""What speaks against a fit is said in words."""

from __future__ import annotations

import pytest

from streams.batch.population.problems import shares_at_an_end
from streams.bench.estimation.problems import COAGULATION
from twin.population.theta import Theta


@pytest.mark.parametrize(("value", "end"), [(0.9997, "1"), (0.0003, "0")])
def test_a_share_that_runs_to_an_end_is_named(value: float, end: str) -> None:
    theta = Theta.of(COAGULATION.start)
    (said,) = shares_at_an_end(theta, theta.pack(theta.population({"Emax": value})))
    assert said.startswith(f"Emax runs to {end}, the end of what it can be")
    assert "--fix Emax" in said


def test_a_share_within_is_not() -> None:
    theta = Theta.of(COAGULATION.start)
    assert shares_at_an_end(theta, theta.pack(theta.population({"Emax": 0.97}))) == []
