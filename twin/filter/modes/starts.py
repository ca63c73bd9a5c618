"""Where descents begin: at particles of a cloud that stand apart, and at scattered draws of the prior.

A descent ends in the mode in whose basin it begins, and the likelihood so far off says little of basins: it takes many
starts, evenly spread, to meet one that is a tenth of the prior.
"""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats
from twin.filter.modes.descents import Respond
from twin.kernel.compiling.by_hand import compiled

COMPARED = 256
"""Particles of a cloud among which starts are looked for."""

DEEPEST = 25.0
"""A particle so far below the likeliest (in log density) is no start."""

PER_VARIANCE, FEWEST, MOST = 15.0, 2, 24
"""Scattered starts for each unit of the prior's largest variance, and bounds of their number."""

SCATTERED, LEAST_SCATTERED, SPREAD = 1.5, 16, 2.0
"""Draws of the prior for each start, the least for all, and their width: another mode may lie out in the tails."""


def starts_worth(precision: Floats, points: int) -> int:
    """How many scattered starts are worth their cost, where an iteration of all may look at so many points.

    A prior that is narrow seldom holds two modes, and a wide one needs many starts.
    """
    widest = 1.0 / float(np.linalg.eigvalsh(precision)[0])
    return int(np.clip(PER_VARIANCE * widest, FEWEST, max(FEWEST, min(MOST, points // (len(precision) + 1)))))


def standing_apart(eta: Floats, log_density: Floats, count: int) -> Floats:
    """Particles (<= count, d) that are far from any likelier one (Rodriguez & Laio 2014), the likeliest first."""
    stride = max(1, -(-len(eta) // COMPARED))
    some = np.append(np.arange(0, len(eta), stride), log_density.argmax())
    some = some[log_density[some] >= log_density.max() - DEEPEST]
    some = some[np.argsort(-log_density[some], kind="stable")]
    cloud = eta[some]
    # Standard deviations of the cloud, with a little of roundness for one that is flat.
    apart = cloud - cloud.mean(axis=0)
    covariance = np.einsum("ni,nj->ij", apart, apart) / len(cloud)
    ridge = 1e-9 + 1e-6 * np.diag(covariance).mean()
    factor = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
    white = np.einsum("nj,ij->ni", apart, np.linalg.inv(factor))
    return np.asarray(cloud[np.argsort(-_from_likelier(white), kind="stable")[:count]])


@compiled
def _from_likelier(white):  # type: ignore[no-untyped-def]
    """Squared distance (M,) of each point of white (M, d) from the nearest before it; infinite for the first."""
    apart = np.full(len(white), np.inf)
    for n in range(len(white)):
        for before in range(n):
            square = 0.0
            for i in range(white.shape[1]):
                square += (white[n, i] - white[before, i]) ** 2
            apart[n] = min(apart[n], square)
    return apart


def draws_for(count: int) -> int:
    """How many draws of the prior ``count`` starts are chosen from."""
    return max(LEAST_SCATTERED, round(SCATTERED * count))


def scattered(respond: Respond, precision: Floats, count: int, normals: Floats) -> Floats:
    """Draws (count, d) of the widened prior by standard ``normals`` (n, d), the least likely ones left out."""
    draws = SPREAD * normals @ np.linalg.cholesky(np.linalg.inv(precision)).T
    value = respond(draws).loss + 0.5 * ((draws @ precision) * draws).sum(axis=1)
    return np.asarray(draws[np.argsort(value, kind="stable")[:count]])
