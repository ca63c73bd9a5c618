"""Of one effect the likelihood is a quadrature of a line: fits that estimate an exponent end where it is highest, and
so do those that estimate the shape of an effect."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import optimize, special, stats

from tests.twin.population.laws.simulated import DOSE, TIMES, begun, drawn, model
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.climbing import SampledObjective, climb
from twin.population.importance.density import Density
from twin.population.results.uncertainty import uncertainty
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.saem import settle

NODES = np.linspace(-6.0, 6.0, 481)

NAMES = {
    "power": ("k", "V", "omega.V", "error.plasma.proportional", "error.plasma.exponent"),
    "transformed": ("k", "V", "omega.V", "error.plasma.additive", "error.plasma.box_cox"),
    "skewed": ("k", "V", "shape.V", "omega.V", "error.plasma.proportional"),
}


@functools.cache
def cohort(law: str) -> tuple[Cohort, Floats]:
    """Patients who differ in volume alone, and their values (N, 8)."""
    found, values = drawn(model(law, rates=False), 3)
    return found, np.array(values)


def minus_2_log(vector: Floats, law: str) -> float:
    """-2 log likelihood, without n log(2 pi), by the trapezoidal rule; nothing of the estimator is in it."""
    theta = cohort(law)[0].theta
    assert theta.names == NAMES[law]
    said = dict(zip(theta.names, theta.natural(vector).tolist(), strict=True))
    eta = np.sqrt(said["omega.V"]) * NODES
    effect = np.expm1(said["shape.V"] * eta) / said["shape.V"] if law == "skewed" else eta
    f = DOSE / (said["V"] * np.exp(effect)) * np.exp(-said["k"] * np.array(TIMES)[:, None])
    y = cohort(law)[1][:, :, None]
    if law == "transformed":
        s, power = said["error.plasma.additive"], said["error.plasma.box_cox"]
        log = -0.5 * (special.boxcox(y, power) - special.boxcox(f, power)) ** 2 / s**2 - np.log(s)
        log = log + (power - 1.0) * np.log(y)
    else:
        s = said["error.plasma.proportional"] * f ** said.get("error.plasma.exponent", 1.0)
        log = -0.5 * ((y - f) / s) ** 2 - np.log(s)
    each = special.logsumexp(log.sum(axis=1) + stats.norm.logpdf(NODES), axis=1) + np.log(NODES[1] - NODES[0])
    return float(-2.0 * each.sum())


@functools.cache
def highest(law: str) -> tuple[Floats, Floats]:
    """The vector at which the likelihood is highest, with standard errors by its curvature there, by differences."""
    theta = cohort(law)[0].theta
    found = optimize.minimize(minus_2_log, theta.pack(theta.start), (law,), method="BFGS", options={"gtol": 1e-4})
    size, h = len(found.x), 1e-3
    curvature = np.empty((size, size))
    for i, one in enumerate(h * np.eye(size)):
        for j, other in enumerate(h * np.eye(size)):
            signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
            corners = [minus_2_log(found.x + a * one + b * other, law) for a, b in signs]
            curvature[i, j] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * h * h)
    return found.x, np.sqrt(np.diag(np.linalg.inv(0.5 * curvature)))


@pytest.mark.parametrize("law", NAMES)
def test_by_importance_sampling_the_end_and_its_standard_errors_are_those_of_the_exact_maximum(law: str) -> None:
    of, (best, errors) = cohort(law)[0], highest(law)
    found = climb(Density(of), begun(of, law))
    assert found.why == "converged"
    assert np.abs((found.vector - best) / errors).max() < 0.1
    objective = SampledObjective(found.sample)
    here = objective(found.vector)
    assert here.total == pytest.approx(minus_2_log(found.vector, law), abs=0.05)
    told = np.sqrt(np.diag(uncertainty(objective, of.theta, here).vector_covariance["R"]))
    np.testing.assert_allclose(told, errors, rtol=0.05)


@pytest.mark.parametrize("law", NAMES)
def test_by_stochastic_approximation_the_end_is_the_exact_maximum(law: str) -> None:
    of, (best, errors) = cohort(law)[0], highest(law)
    found = settle(Density(of), begun(of, law))
    assert found.why == "converged"
    assert np.abs((found.vector - best) / errors).max() < 0.15


@pytest.mark.parametrize(("law", "name"), [("power", "exponent"), ("transformed", "box_cox")])
def test_the_posterior_of_an_exponent_lies_around_it(law: str, name: str) -> None:
    of, (best, errors) = cohort(law)[0], highest(law)
    found = sampled(Density(of), best, warm=100, kept=250, most=250)
    at = found.names.index(f"error.plasma.{name}")
    assert found.mean[at] == pytest.approx(best[at], abs=0.4 * errors[at])
    assert found.sd[at] == pytest.approx(errors[at], rel=0.25)
