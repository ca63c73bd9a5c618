"""The M-step: moments of maximum likelihood, a published population as prior, and what stays as it was published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from tests.twin.learning.known import anchor
from twin.learning.exact_sums import exact
from twin.learning.maximisation import Standing, maximised, standing_of
from twin.learning.population import Anchor, Theta
from twin.learning.sums import Sums
from twin.modelfile.library import load_model

NONE = Theta(np.zeros(2), np.eye(2))
Z = np.random.default_rng(2).standard_normal((40, 2)) @ np.array([[1.2, 0.0], [0.4, 0.7]]).T + [0.5, -0.3]


def of_draws(where: Anchor, z: np.ndarray, prior: Standing | None = None) -> Theta:
    begin = Theta(np.zeros(z.shape[1]), np.cov(z.T))
    return maximised(where, begin, of_moments(len(z), z.sum(axis=0), z.T @ z), prior)


def of_moments(patients: int, first: np.ndarray, second: np.ndarray) -> Sums:
    """Sums of effects that are known exactly, by what `Sums` says of its order."""
    total = np.concatenate([first, second[np.triu_indices(len(first))], [0.0]])
    return Sums(patients, exact(total), len(first))


def test_without_a_prior_it_is_the_mean_and_the_covariance() -> None:
    found = of_draws(anchor(), Z)
    assert found.mean == pytest.approx(Z.mean(axis=0))
    assert found.covariance == pytest.approx(np.cov(Z.T, bias=True))


def test_a_prior_counts_as_many_patients_as_it_is_worth() -> None:
    weak, strong = (of_draws(anchor(), Z, Standing((n, n), (n, n))) for n in (1e-6, 1e6))
    assert weak.mean == pytest.approx(Z.mean(axis=0), rel=1e-4)
    assert np.abs(strong.mean).max() < 1e-4
    assert strong.covariance == pytest.approx(anchor().correlation, abs=1e-3)
    even = of_draws(anchor(), Z, Standing((40.0, 90.0), (40.0, 90.0)))
    assert even.mean == pytest.approx(Z.mean(axis=0) / 2), "of a block the parameter that was known least decides"


def test_a_parameter_that_is_held_stays_and_pulls_the_other_with_it() -> None:
    found = of_draws(replace(anchor(), held=np.array([True, False])), Z)
    sample = np.cov(Z.T)
    assert found.mean[0] == 0
    slope = sample[0, 1] / sample[0, 0]
    assert found.mean[1] == pytest.approx(Z[:, 1].mean() - slope * Z[:, 0].mean())


def test_covariances_that_were_not_published_stay_zero() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((60, 3)) @ np.array([[1, 0, 0], [0.5, 1, 0], [0.3, 0.6, 1]]).T
    pattern = np.array([[1.0, 0.3, 0], [0.3, 1, 0.3], [0, 0.3, 1]])
    base = anchor()
    chain = replace(base, sd=np.ones(3), correlation=pattern, held=np.zeros(3, dtype=bool), blocks=((0, 1, 2),))
    found = of_draws(chain, z).covariance
    assert found[0, 2] == 0
    scatter = np.cov(z.T, bias=True)

    def loss(x: np.ndarray) -> float:
        omega = np.array([[x[0], x[1], 0], [x[1], x[2], x[3]], [0, x[3], x[4]]])
        if np.linalg.eigvalsh(omega).min() <= 0:
            return 1e9
        return float(np.linalg.slogdet(omega)[1] + np.trace(np.linalg.solve(omega, scatter)))

    best = optimize.minimize(loss, [1, 0.1, 1, 0.1, 1], method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-7})
    assert found[[0, 0, 1, 1, 2], [0, 1, 1, 2, 2]] == pytest.approx(best.x, abs=1e-3)


def test_effects_of_two_blocks_are_never_related() -> None:
    apart = replace(anchor(), correlation=np.eye(2), blocks=((0,), (1,)))
    assert of_draws(apart, Z).covariance[0, 1] == 0


def test_nobody_teaches_nothing() -> None:
    with pytest.raises(ValueError, match="patients: there is none"):
        maximised(anchor(), NONE, of_moments(0, np.zeros(2), np.zeros((2, 2))))


def test_what_published_numbers_are_worth_follows_from_their_errors() -> None:
    model = load_model("busulfan_mccune2014")
    variance = np.diag(model.omega)
    errors = {
        name: {"se": p.value * np.sqrt(v / 100), "iiv_se": v / 5}
        for name, v in zip(model.eta_names, variance, strict=True)
        for p in model.parameters
        if p.name == name
    }
    found = standing_of(model, errors)
    assert found.mean == pytest.approx([100.0] * len(variance))
    assert found.variance == pytest.approx([2 * 25 + 1] * len(variance))


@pytest.mark.parametrize(("se", "named"), [(None, "is missing"), (-1.0, "-1.0 is no standard error")])
def test_an_error_that_was_not_published_is_named(se: float | None, named: str) -> None:
    model = load_model("busulfan_mccune2014")
    first = model.eta_names[0]
    with pytest.raises(ValueError, match=rf"{first}.se: {named}.*without a prior"):
        standing_of(model, {first: {} if se is None else {"se": se}})
