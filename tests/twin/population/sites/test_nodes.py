"""A lattice sums over the modes of a site's effects, however far apart, and Gauss and Hermite over one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from twin.population.sites.nodes import about, lattice


@pytest.mark.parametrize("q", [1, 2, 3])
def test_one_normal_mode_is_integrated_by_either(q: int) -> None:
    root = np.tril(np.full((q, q), 0.3)) + 0.5 * np.eye(q)
    covariance, mean = root @ root.T, np.arange(1.0, q + 1.0)
    law = stats.multivariate_normal(mean, covariance)
    for nodes in (about(mean[None], covariance[None]), lattice(mean[None], covariance[None], 0.9 * covariance[None])):
        weight = np.exp(np.atleast_1d(law.logpdf(nodes.at[0])) + nodes.log_weight[0])
        # A lattice of three axes is as coarse as draws let it be.
        assert weight.sum() == pytest.approx(1.0, abs=2e-3 if q == 3 else 2e-4)
        np.testing.assert_allclose(weight @ nodes.at[0] / weight.sum(), mean, atol=1e-3)


def test_modes_that_lie_apart_are_integrated_by_a_lattice_that_reaches_as_far() -> None:
    within, apart = np.array([[0.05, 0.02], [0.02, 0.04]]), np.array([1.2, -0.3])
    laws = [stats.multivariate_normal(side * apart, within) for side in (1.0, -1.0)]
    spread = within + np.outer(apart, apart)
    nodes = lattice(np.zeros((1, 2)), spread[None], within[None])
    total = sum(law.pdf(nodes.at[0]) for law in laws) @ np.exp(nodes.log_weight[0])
    assert total == pytest.approx(2.0, abs=1e-3)
    alone = about(np.zeros((1, 2)), within[None])
    assert sum(law.pdf(alone.at[0]) for law in laws) @ np.exp(alone.log_weight[0]) < 1.0
