"""Blocks of Omega are drawn from the law that they have given effects, with zeros within them or without."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.sampling.test_saem import cohort_of_normal
from tests.twin.population.test_theta import model as three_effects
from twin.arrays import Floats
from twin.population.means.means import Means
from twin.population.prior import Known, Prior
from twin.population.sampling.blocks import (
    FREEDOM,
    WIDE,
    Inverse,
    Walking,
    blocks,
    inverse_wishart,
    omega_drawn,
)
from twin.population.theta import Theta

WHOLE = np.ones((3, 3), dtype=np.bool_)
CHAIN = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=np.bool_)
"""The first and the last correlate with the middle one, and not with each other."""

MODEL = np.array([[0.2, 0.05, 0.0], [0.05, 0.1, 0.02], [0.0, 0.02, 0.3]])


def walked(block: Walking, square: Floats, count: int, draws: int) -> Floats:
    """(draws, 3, 3) of a block, after some by which it is tuned."""
    rng, omega, found = np.random.default_rng(7), MODEL, []
    for n in range(draws + 200):
        omega = block.drawn(omega, square, count, rng, (1.0 + n) ** -0.5 if n < 200 else 0.0)
        found.append(omega)
    return np.array(found[200:])


@pytest.fixture(scope="module")
def effects() -> Floats:
    """Of twelve patients."""
    return np.random.default_rng(4).multivariate_normal(np.zeros(3), MODEL, 12)


def test_truths_rank_evenly_among_draws_of_their_posterior() -> None:
    # Truths from the prior, effects from the truths (Talts et al. 2018): of 9 draws each rank is as likely as another.
    cohort = cohort_of_normal()
    means, theta, rng = Means(cohort), cohort.theta, np.random.default_rng(5)
    vector, (known,), ranks = theta.pack(theta.start), blocks(theta), []
    assert known.widths is not None
    for _ in range(300):
        truth = (known.widths[0] * rng.standard_t(FREEDOM)) ** 2
        eta, drawn = np.sqrt(truth) * rng.standard_normal((len(cohort), 1)), []
        for _ in range(10):
            vector = omega_drawn([known], means, theta, vector, eta, rng)
            drawn.append(theta.unpack(vector).omega[0, 0])
        ranks.append(int((np.array(drawn[1:]) < truth).sum()))
    assert stats.chisquare(np.bincount(ranks, minlength=10)).pvalue > 0.01


def test_an_inverse_wishart_has_its_mean() -> None:
    rng, scale = np.random.default_rng(1), np.array([[2.0, 0.5], [0.5, 1.0]])
    draws = np.array([inverse_wishart(scale, 9.0, rng) for _ in range(4000)])
    np.testing.assert_allclose(draws.mean(axis=0), scale / (9.0 - 2 - 1), atol=0.02)


def test_a_whole_block_that_walks_has_the_law_that_is_drawn_at_once(effects: Floats) -> None:
    square, given = effects.T @ effects, Inverse("omega", (0, 1, 2), 8.0 * MODEL, 8.0)
    found = walked(Walking.of("omega", (0, 1, 2), MODEL, WHOLE, given), square, 12, 6000)
    rng = np.random.default_rng(3)
    drawn = np.array([given.drawn(MODEL, square, 12, rng, 0.0) for _ in range(6000)])
    for i, j in np.argwhere(np.tril(WHOLE)):
        assert stats.ks_2samp(found[::6, i, j], drawn[:, i, j]).pvalue > 0.01, (i, j)


@pytest.mark.parametrize("known", [False, True])
def test_a_block_with_zeros_has_the_law_that_weighed_draws_have(effects: Floats, known: bool) -> None:
    given = Inverse("omega", (0, 1, 2), 8.0 * MODEL, 8.0) if known else None
    square = effects.T @ effects
    found = walked(Walking.of("omega", (0, 1, 2), MODEL, CHAIN, given), square, 12, 8000)
    assert (found[:, 0, 2] == 0.0).all()
    assert (found == found.swapaxes(1, 2)).all()
    rng, size = np.random.default_rng(5), 400_000
    # Log standard deviations are normal, and correlations even, where they are drawn to be weighed.
    center = 0.5 * np.log(np.diag(square) / 12)
    log_sd = center + 0.4 * rng.standard_normal((size, 3))
    r = rng.uniform(-1.0, 1.0, (size, 2))
    sd, inside = np.exp(log_sd), 1.0 - (r**2).sum(axis=1)
    log = 0.5 * (((log_sd - center) / 0.4) ** 2).sum(axis=1)
    omega = np.zeros((size, 3, 3))
    omega[:, range(3), range(3)] = sd**2
    for k, (i, j) in enumerate(((1, 0), (2, 1))):
        omega[:, i, j] = omega[:, j, i] = r[:, k] * sd[:, i] * sd[:, j]
    possible = inside > 0.0
    omega, sd, log = omega[possible], sd[possible], log[possible]
    inverse, log_det = np.linalg.inv(omega), np.linalg.slogdet(omega)[1]
    log -= 0.5 * (12 * log_det + (inverse * square).sum(axis=(1, 2)))
    if known:
        # Of the entries that are not 0, of which a standard deviation and a correlation move several.
        log -= 0.5 * ((8 + 3 + 1) * log_det + (inverse * 8.0 * MODEL).sum(axis=(1, 2)))
        log += np.log(sd) @ (2.0 + np.array([1.0, 2.0, 1.0]))
    else:
        log += np.log(sd).sum(axis=1)
        log -= 0.5 * (FREEDOM + 1) * np.log1p(sd**2 / (FREEDOM * WIDE**2 * np.diag(MODEL))).sum(axis=1)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    assert 1.0 / (weight**2).sum() > 2000
    for i, j in np.argwhere(np.tril(CHAIN)):
        points = np.quantile(found[:, i, j], [0.1, 0.3, 0.5, 0.7, 0.9])
        exact = [weight[omega[:, i, j] < one].sum() for one in points]
        np.testing.assert_allclose(exact, [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.05)


def test_truths_of_a_block_with_zeros_rank_evenly_among_draws_of_their_posterior() -> None:
    rng, block = np.random.default_rng(9), Walking.of("omega", (0, 1, 2), MODEL, CHAIN, None)
    ranks = []
    for _ in range(300):
        while True:
            sd = np.abs(block.widths * rng.standard_t(FREEDOM, 3))
            r = np.eye(3)
            r[1, 0], r[2, 1] = rng.uniform(-1, 1, 2)
            r = np.tril(r) + np.tril(r, -1).T
            if np.linalg.eigvalsh(r)[0] > 1e-6:
                break
        truth = r * np.outer(sd, sd)
        effects = rng.multivariate_normal(np.zeros(3), truth, 10, method="cholesky")
        omega, drawn = truth, []
        for n in range(63):
            omega = block.drawn(omega, effects.T @ effects, 10, rng, 0.0)
            if n % 7 == 6:
                drawn.append(omega)
        each = np.array(drawn)
        correlation = each[:, 1, 0] / np.sqrt(each[:, 0, 0] * each[:, 1, 1])
        ranks.append([(each[:, 2, 2] < truth[2, 2]).sum(), (correlation < r[1, 0]).sum()])
    for of in np.array(ranks).T:
        assert stats.chisquare(np.bincount(of, minlength=10)).pvalue > 0.01


def test_zeros_stay_and_a_prior_of_the_block_is_heeded() -> None:
    theta = Theta.of(three_effects())
    (block,) = (one for one in blocks(theta) if isinstance(one, Walking))
    assert [block.rows[i] for i in range(3)] == [0, 1, 2]
    numbers = ("omega.a", "omega.b", "omega.c")
    tight = Prior(tuple(Known(name, 0.5, degrees=9000.0) for name in numbers), "here")
    (known,) = (one for one in blocks(theta.with_prior(tight)) if isinstance(one, Walking))
    omega, rng = theta.start.omega, np.random.default_rng(1)
    for n in range(300):
        omega = known.drawn(omega, np.zeros((3, 3)), 0, rng, (1.0 + n) ** -0.5)
    np.testing.assert_allclose(omega, 0.5 * np.eye(3), atol=0.04)
