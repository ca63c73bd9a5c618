"""What is known before of a number is the density that a search is given as a penalty, on the scale it moves on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.twin.population.laws import simulated
from twin.population.prior import Prior
from twin.population.sampling.before import Before
from twin.population.sampling.weak import log_weak
from twin.population.theta import Theta

KNOWN = Prior.read({
    "source": "made up",
    "numbers": {
        "V": {"value": 9.0, "se": 2.0},
        "error.plasma.additive": {"value": 0.2, "degrees": 12},
        "error.plasma.df": {"value": 6.0, "se": 2.0},
        "omega.V": {"value": 0.1, "se": 0.05},
    },
})  # fmt: skip


def theta(known: Prior | None = KNOWN) -> Theta:
    return Theta.of(simulated.model("student")).with_prior(known)


@pytest.mark.parametrize("name", ["V", "error.plasma.additive", "error.plasma.df"])
def test_it_is_the_penalty_with_the_slope_of_what_it_is_a_density_of(name: str) -> None:
    of = theta()
    at, vector, before = of.names.index(name), of.pack(of.start), Before(of)
    size = name.endswith("additive")

    def density(place: float) -> float:
        there = vector.copy()
        there[at] = place
        penalty = of.penalty(there)
        assert penalty is not None
        step = 1e-5 * np.eye(of.size)[at]
        above, below = (float(of.natural(one)[at]) for one in (there + step, there - step))
        along = above**2 - below**2 if size else above - below
        return -0.5 * penalty.value + math.log(along / 2e-5)

    here = float(vector[at])
    for away in (-0.4, 0.3, 1.0):
        expected = density(here + away) - density(here)
        assert before.log(at, here + away) - before.log(at, here) == pytest.approx(expected, abs=1e-6)


def test_what_it_does_not_name_is_weak_or_flat() -> None:
    of = theta(None)
    before, df = Before(of), of.names.index("error.plasma.df")
    assert before.named == frozenset()
    assert before.log(df, 1.5) == log_weak(of.error_number(df), 1.5)  # type: ignore[arg-type]
    assert before.log(of.names.index("V"), 1.5) == 0.0
    assert before.of_named(of.pack(of.start), range(of.size)) == 0.0


def test_of_a_vector_it_is_the_sum_over_what_is_named_and_walks() -> None:
    of = theta()
    before, vector = Before(of), of.pack(of.start)
    names = {of.names[at] for at in before.named}
    assert names == {"V", "error.plasma.additive", "error.plasma.df"}
    total = sum(before.log(at, float(vector[at])) for at in before.named)
    assert before.of_named(vector, range(of.size)) == pytest.approx(total)
