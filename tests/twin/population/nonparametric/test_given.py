"""Effects of occasions are integrated over, given those of the patient."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from tests.twin import toys
from tests.twin.filter.test_posthoc import between_occasions
from tests.twin.population.importance.test_density import cohort_of
from twin.arrays import Floats
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.nonparametric.given import Given
from twin.population.nonparametric.support import GAIN, support

LINES = (
    "ID,TIME,EVID,DV,OCC", "1,0,0,5,1", "1,1,0,6,1", "1,24,0,2,2", "1,49,0,3,3",
    "2,0,0,4.4,1", "3,0,0,2.5,1", "3,24,0,1.9,2", "4,0,0,7.0,1", "4,1,0,6.3,1", "4,24,0,5.5,2",
)  # fmt: skip

OCCASIONS = ((0, 0, 1, 2), (0,), (0, 1), (0, 0, 1))

VALUES = ((5.0, 6.0, 2.0, 3.0), (4.4,), (2.5, 1.9), (7.0, 6.3, 5.5))


def exact(eta: Floats) -> Floats:
    """(N, K) log p(y_i | eta) of `between_occasions` on the scale of its error, without log(2 pi) / 2 of each value."""
    found = []
    for values, of in zip(VALUES, OCCASIONS, strict=True):
        same = np.equal.outer(of, of)
        law = stats.multivariate_normal(np.zeros(len(of)), 0.09 * same + 0.04 * np.eye(len(of)))
        away = np.log(np.array(values) / 4.0) - eta
        found.append(np.atleast_1d(law.logpdf(away)) + 0.5 * len(of) * np.log(2.0 * np.pi))
    return np.array(found)


def test_of_normal_values_it_is_their_law_wherever_eta_is() -> None:
    cohort = cohort_of(between_occasions(), LINES)
    eta = np.linspace(-1.0, 1.0, 41)[:, None]
    np.testing.assert_allclose(Given(cohort, 1).log_likelihood(eta), exact(eta), atol=0.03)


def test_points_of_normal_values_are_the_most_likely_ones() -> None:
    found = support(cohort_of(between_occasions(), LINES))
    assert found.why == "converged"
    mixed = special.logsumexp(exact(found.eta) + np.log(found.weight), axis=1)
    assert mixed.sum() == pytest.approx(found.log, abs=0.05)
    assert found.by_other_draws == pytest.approx(found.minus_2_log, abs=0.1)
    eta = np.linspace(-1.0, 1.0, 401)[:, None]
    assert (np.exp(exact(eta) - mixed[:, None]).sum(axis=0) - len(VALUES)).max() < GAIN + 0.05


def carried_over() -> Cohort:
    """A bolus twice, of which the first is still there at the second; clearance differs between the two."""
    text = (
        toys.BOLUS.replace("iiv = 0.16\n", "iiv = 0.16\niov = 0.04\n")
        + f'[occasions]\ndrug = "toxin"\ngap = 6\n{toys.SOURCE}\n'
    )
    lines = ["ID,TIME,EVID,AMT,DV"]
    for name, of in (("1", (4.1, 2.2, 5.2, 2.9)), ("2", (3.0, 1.1, 5.0, 2.0))):
        rows = ((0, 100, None), (2, None, of[0]), (6, None, of[1]), (8, 100, None), (9, None, of[2]), (14, None, of[3]))
        lines += [f"{name},{t},{int(a is not None)},{a or '.'},{y or '.'}" for t, a, y in rows]
    return cohort_of(parse_model(text, "made.toml"), lines)


def test_what_is_carried_over_from_one_occasion_to_the_next_is_integrated_together() -> None:
    cohort = carried_over()
    assert len(cohort.parts["iov"]) == 2
    given, eta = Given(cohort, 1), np.array([[0.0, 0.0], [0.3, -0.2], [0.1, 0.1]])
    one = 0.2 * np.linspace(-6.0, 6.0, 61)
    kappa = np.stack(np.meshgrid(one, one, indexing="ij"), axis=-1).reshape(-1, 2)
    prior = -0.5 * (kappa**2).sum(axis=1) / 0.04 - np.log(2.0 * np.pi * 0.04) + 2.0 * np.log(one[1] - one[0])
    density, population = given.density, cohort.theta.start
    known = []
    for point in eta:
        z = np.zeros((2, len(kappa), cohort.size))
        z[:, :, :2], z[:, :, 2:4] = point, kappa
        each = density.of(density.read(z, population.place), population.errors)
        known.append(special.logsumexp(each + prior, axis=1))
    np.testing.assert_allclose(given.log_likelihood(eta), np.array(known).T, atol=0.03)
