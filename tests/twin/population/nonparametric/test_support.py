"""Support points are the most likely ones: known answers, and a derivative that goes up nowhere."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import optimize

from tests.twin import toys
from tests.twin.population import drifting
from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.mixture.mixtures import eliminated
from tests.twin.population.test_objective import LINES, oral
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.climbing import exact_likelihood
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.nonparametric.moments import of_patients, spread_of, values_at
from twin.population.nonparametric.support import GAIN, Support, support
from twin.population.residuals import LOG_2PI
from twin.population.theta import FitError

HALF = 0.5
"""SD of a measurement."""


@functools.cache
def level() -> Model:
    """A normal level around 10, measured with an SD of a half."""
    made = toys.made({"base": "10 mg/L 1.0", "k": "1 1/h"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg/L: base"})
    text = made.text.replace("proportional = 0.2", f"additive = {HALF}")
    return parse_model(text.replace("[parameters.base]\n", '[parameters.base]\ndistribution = "normal"\n'), "made.toml")


def levels(*values: float) -> Cohort:
    """Patients of one value each."""
    return cohort_of(level(), ("ID,TIME,EVID,AMT,DV", *(f"{i},0,0,.,{y}" for i, y in enumerate(values, start=1))))


def test_two_values_within_two_standard_deviations_are_of_one_point() -> None:
    found = support(levels(9.6, 10.4))
    assert found.why == "converged"
    assert spread_of(found.eta, found.weight).mean == pytest.approx([0.0], abs=2e-3)
    assert spread_of(found.eta, found.weight).sd == pytest.approx([0.0], abs=0.1)
    known = -(0.4**2) / (2 * HALF**2) * 2 - 2 * np.log(HALF)
    assert known - GAIN <= found.log <= known + 1e-9
    assert found.minus_2_log == pytest.approx(-2 * found.log + 2 * LOG_2PI)


@pytest.mark.parametrize("apart", [1.4, 3.0])
def test_two_values_farther_apart_are_of_two_points_nearer_to_each_other(apart: float) -> None:
    found = support(levels(10.0 - apart / 2, 10.0 + apart / 2))
    m = apart / 2 / HALF
    a = optimize.brentq(lambda a: a - m * np.tanh(m * a), 1e-3, m)
    np.testing.assert_allclose(np.sort(found.eta[:, 0]), [-a * HALF, a * HALF], atol=0.03)
    np.testing.assert_allclose(found.weight, 0.5, atol=0.03)
    one = 0.5 * (np.exp(-((m - a) ** 2) / 2) + np.exp(-((m + a) ** 2) / 2)) / HALF
    assert found.log == pytest.approx(2 * np.log(one), abs=GAIN)


@pytest.fixture(scope="module")
def found() -> tuple[Cohort, Support, list[tuple[float, float]]]:
    """Three patients of two effects that correlate, and what was told on the way."""
    cohort, told = cohort_of(oral(), LINES), list[tuple[float, float]]()
    return cohort, support(cohort, told=lambda _, log, gain, __: told.append((log, gain))), told


def test_nothing_goes_up_from_where_it_ends(found: tuple[Cohort, Support, list[tuple[float, float]]]) -> None:
    cohort, best, told = found
    assert best.why == "converged"
    axes = [np.linspace(-5, 5, 121) * np.sqrt(v) for v in np.diag(cohort.theta.start.omega)]
    eta = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    density, population = Density(cohort), cohort.theta.start

    def each(points: np.ndarray) -> np.ndarray:
        z = np.zeros((len(cohort), len(points), cohort.size))
        z[:, :, :2] = points
        return np.exp(density.of(density.read(z, population.place), population.errors))

    mixed = each(best.eta) @ best.weight
    assert np.log(mixed).sum() == pytest.approx(best.log, abs=1e-9)
    assert ((each(eta) / mixed[:, None]).sum(axis=0) - len(cohort)).max() <= GAIN
    # What is left to gain bounded what came on the way.
    assert all(log + gain >= best.log for log, gain in told)


def test_it_has_no_more_points_than_patients_and_is_more_likely_than_any_normal(
    found: tuple[Cohort, Support, list[tuple[float, float]]],
) -> None:
    cohort, best, _ = found
    assert len(best.weight) <= len(cohort)
    assert best.weight.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(best.posterior.sum(axis=1), 1.0)
    np.testing.assert_allclose(best.posterior.mean(axis=0), best.weight, atol=1e-3)
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    normal = exact_likelihood(density, vector, first_proposals(density, vector))
    assert best.minus_2_log < normal.minus_2_log - 3 * normal.error


def test_points_are_told_as_values_of_the_parameters(
    found: tuple[Cohort, Support, list[tuple[float, float]]],
) -> None:
    cohort, best, _ = found
    values = values_at(cohort, best.eta)
    np.testing.assert_allclose(values, np.array([0.2, 11.0]) * np.exp(best.eta), rtol=1e-12)
    each = of_patients(best, values)
    np.testing.assert_allclose(each.mean, best.posterior @ values)
    assert (each.sd >= 0.0).all()


@pytest.mark.parametrize(
    ("model", "problem"),
    [(eliminated(), "classes that nobody sees"), (drifting.model(), "effects that drift")],
)
def test_what_has_no_points_is_refused(model: Model, problem: str) -> None:
    with pytest.raises(FitError, match=f"has {problem}; support points are of parameters with iiv"):
        support(cohort_of(model, LINES))


def test_a_patient_out_of_reach_is_named() -> None:
    with pytest.raises(FitError, match="patient 2: no effects within 5 standard deviations make the values possible"):
        support(levels(10.0, 1e200))
