"""Mixtures fitted to weighted clouds: even draws, a true density, and shapes that one component cannot have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.weights import evenly
from twin.arrays import Floats
from twin.filter.mixture import GUARD_SHARES, SPREAD, Mixture, fitted
from twin.randomness import even_normals, generator

WIDE = 9.0 * np.eye(2)


def two_parts(rng: np.random.Generator, count: int, share: float) -> Floats:
    """A cloud around (-2, 0) and, with the given share, around (2, 1), each 0.3 wide."""
    right = rng.random(count) < share
    centre = np.where(right[:, None], [2.0, 1.0], [-2.0, 0.0])
    return np.asarray(centre + 0.3 * rng.standard_normal((count, 2)))


def test_the_density_is_that_of_the_draws_and_integrates_to_one() -> None:
    mixture = fitted(two_parts(generator("parts"), 1000, 0.3), evenly(1000), WIDE, generator("fit"))
    edge = np.linspace(-20, 20, 801)
    grid = np.stack(np.meshgrid(edge, edge, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(mixture.log_density(grid)) * (edge[1] - edge[0]) ** 2
    assert density.sum() == pytest.approx(1.0, abs=2e-3)
    draws = mixture.draw(generator("draw"), 4096)
    for threshold in (-3.025, -2.025, 0.025, 2.025, 3.025):
        known = density[grid[:, 0] < threshold].sum()
        assert (draws[:, 0] < threshold).mean() == pytest.approx(known, abs=0.01)


def test_two_separate_parts_are_two_components_with_their_shares() -> None:
    mixture = fitted(two_parts(generator("parts"), 1000, 0.3), evenly(1000), WIDE, generator("fit"))
    right = mixture.centre[:, 0] > 1
    left = mixture.centre[:, 0] < -1
    assert mixture.share[right].sum() == pytest.approx(0.3 * (1 - sum(GUARD_SHARES)), abs=0.03)
    assert mixture.share[left].sum() == pytest.approx(0.7 * (1 - sum(GUARD_SHARES)), abs=0.03)
    assert mixture.share.sum() == pytest.approx(1.0)


def test_a_round_cloud_is_one_component_with_its_mean_and_covariance() -> None:
    known = np.array([[1.0, 0.6], [0.6, 0.5]])
    cloud = even_normals(generator("round"), 1000, 2) @ np.linalg.cholesky(known).T + [1.0, -1.0]
    mixture = fitted(cloud, evenly(1000), WIDE, generator("fit"))
    assert len(mixture.share) == 3  # itself, one twice as wide, and the prior
    np.testing.assert_allclose(mixture.centre, [[1.0, -1.0], [1.0, -1.0], [0.0, 0.0]], atol=0.02)
    own, wide, prior = (factor @ factor.T for factor in mixture.factor)
    # A Student-t nearest to a normal cloud is narrower than it, as its tails are heavier, before it is spread.
    np.testing.assert_allclose(own, 0.92 * SPREAD**2 * known, rtol=0.05)
    np.testing.assert_allclose(wide, 4.0 * known, rtol=0.05)
    np.testing.assert_allclose(prior, WIDE)


def test_weights_count_as_copies_would() -> None:
    cloud = generator("cloud").standard_normal((200, 3))
    weight = np.where(np.arange(200) < 100, 3.0, 1.0)
    weighted = fitted(cloud, weight / weight.sum(), np.eye(3), generator("fit"))
    copied = fitted(np.repeat(cloud, weight.astype(int), axis=0), evenly(400), np.eye(3), generator("fit"))
    np.testing.assert_allclose(weighted.centre[-2], copied.centre[-2], atol=1e-12)
    np.testing.assert_allclose(weighted.factor[-2], copied.factor[-2], atol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 50])
def test_particles_that_are_all_alike_still_make_a_mixture(count: int) -> None:
    mixture = fitted(np.full((count, 2), 0.7), evenly(count), WIDE, generator("fit"))
    draws = mixture.draw(generator("draw"), 20)
    assert np.isfinite(draws).all()
    assert np.isfinite(mixture.log_density(draws)).all()
    assert (np.abs(draws - 0.7).max(axis=1) < 0.01).sum() >= 16  # the others are the prior's


def test_the_density_of_one_component_is_the_student_t_of_textbooks() -> None:
    mixture = Mixture(np.ones(1), np.array([[0.5, -0.5]]), np.array([[[1.0, 0.0], [0.4, 0.8]]]), 5.0)
    x = generator("x").standard_normal((10, 2))
    known = stats.multivariate_t([0.5, -0.5], mixture.factor[0] @ mixture.factor[0].T, df=5.0)
    np.testing.assert_allclose(mixture.log_density(x), known.logpdf(x), rtol=1e-10)
