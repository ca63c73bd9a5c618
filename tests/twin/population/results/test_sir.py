"""Resampling finds the distribution of the numbers whose log density is minus half of the rise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from tests.twin.population.test_objective import oral
from twin.arrays import Floats
from twin.population.results.sir import RESAMPLES, SAMPLES, resampled
from twin.population.theta import Theta

ORAL = oral()

THETA = Theta.of(ORAL, ["ka", "omega.k", "error.plasma.proportional"])

HERE = THETA.pack(THETA.start)


def test_of_normal_numbers_it_finds_their_spread_and_a_chi_squared_rise() -> None:
    """k and V themselves are normal, with correlation one half: lognormal is what they are not."""
    sd = np.array([0.02, 1.1])
    precision = np.linalg.inv(np.outer(sd, sd) * np.array([[1.0, 0.5], [0.5, 1.0]]))
    middle = THETA.natural(HERE)

    def rise(vectors: Floats) -> Floats:
        away = np.array([THETA.natural(one) for one in vectors]) - middle
        return np.asarray(np.einsum("mi,ij,mj->m", away, precision, away))

    told: list[int] = []
    slopes = np.diag(1.0 / middle)
    found = resampled(THETA, HERE, slopes @ np.linalg.inv(precision) @ slopes, rise, told.append)
    assert told[-1] == sum(SAMPLES)
    np.testing.assert_allclose(found.error, sd, rtol=0.1)
    np.testing.assert_allclose(found.low, middle - 1.96 * sd, rtol=0.02)
    np.testing.assert_allclose(found.high, middle + 1.96 * sd, rtol=0.02)
    last = found.iterations[-1]
    assert last.resamples == RESAMPLES[-1]
    assert last.mean_rise == pytest.approx(2.0, abs=0.25)
    assert last.rises[2] == pytest.approx(2.0 * special.gammaincinv(1.0, 0.5), abs=0.2)
    assert found.problem == ""


def test_what_lies_below_the_minimum_and_beyond_chi_squared_is_told() -> None:
    found = resampled(
        THETA, HERE, 0.01 * np.eye(2), lambda v: 20.0 * np.abs((v - HERE) ** 2).sum(axis=1) - 0.5, lambda _: None
    )
    assert "resampling met an objective 0.5 below" in found.problem


def test_vectors_that_cannot_be_are_never_drawn_again() -> None:
    def rise(vectors: Floats) -> Floats:
        return np.where(vectors[:, 0] > HERE[0], np.nan, 100.0 * ((vectors - HERE) ** 2).sum(axis=1))

    found = resampled(THETA, HERE, 0.01 * np.eye(2), rise, lambda _: None)
    assert found.high[0] <= THETA.natural(HERE)[0]
