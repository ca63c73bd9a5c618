"""Weights of given points that make values most likely: the primal-dual interior point method of Burke.

    maximise  sum_i log (Psi w)_i      over      w >= 0,  sum w = 1,      Psi_ik = p(y_i | point k)

is convex (Lindsay 1983, Ann Stat 11:86), and is solved by Newton steps on the conditions of its optimum, which the
barrier lets become exact (Yamada et al. 2020, Algorithms 14:296; Leary et al. 2001, the engine of NPAG).
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from twin.arrays import Floats

EXACT = 1e-8
"""What is left of the conditions and of the gap at the end."""

MOST_STEPS = 200

SHORT = 0.99995
"""Of the way to the boundary."""


def weights_of(psi: Floats) -> Floats:
    """Weights (K,) of points, of likelihoods (N, K) whose rows may each be on a scale of their own.

    Raises:
        ValueError: a patient whom no point makes possible.
    """
    if not np.isfinite(psi).all() or (psi.max(axis=1, initial=0.0) <= 0.0).any():
        raise ValueError("psi: no point makes the values of a patient possible")
    psi = psi / psi.max(axis=1, keepdims=True)
    count = psi.shape[1]
    summed = psi.sum(axis=1)
    shrink = 2.0 * float((psi.T @ (1.0 / summed)).max())
    lam, summed = np.full(count, shrink), summed * shrink
    w = 1.0 / summed
    y = 1.0 - psi.T @ w
    sigma = 0.0
    for _ in range(MOST_STEPS):
        mu, residual = float(lam @ y) / count, float(np.abs(1.0 - w * summed).max())
        gap = abs(float(np.log(w).sum() + np.log(summed).sum())) / (1.0 + abs(float(np.log(summed).sum())))
        if max(mu, residual, gap) < EXACT:
            break
        barrier = sigma * mu if mu >= EXACT or residual <= EXACT else mu
        ratio = lam / y
        h = (psi * ratio) @ psi.T + np.diag(summed / w)
        dw = linalg.cho_solve(linalg.cho_factor(h), 1.0 / w - psi @ (barrier / y))
        dy = -psi.T @ dw
        dlam = barrier / y - lam - ratio * dy
        primal = _step(dlam / lam)
        dual = min(_step(dy / y), _step(dw / w))
        lam, w, y = lam + primal * dlam, w + dual * dw, y + dual * dy
        summed = psi @ lam
        sigma = min(0.3, max((1.0 - primal) ** 2, (1.0 - dual) ** 2, (residual - mu) / (residual + 100.0 * mu)))
    return np.asarray(lam / lam.sum())


def fewest(psi: Floats, weight: Floats) -> Floats:
    """Weights (K,) of the same likelihoods Psi w, of which no more are above 0 than there are patients (Caratheodory):
    along what Psi (N, K) does not see, w goes on until one of them is 0."""
    weight = weight.copy()
    while (used := np.flatnonzero(weight > 0.0)).size > len(psi):
        unseen = np.linalg.svd(psi[:, used] / psi[:, used].max(axis=1, keepdims=True))[2][-1]
        unseen = unseen if unseen.max() > 0.0 else -unseen
        down = unseen > 0.0
        reach = np.where(down, weight[used] / np.where(down, unseen, 1.0), np.inf)
        moved = np.maximum(weight[used] - reach.min() * unseen, 0.0)
        moved[int(reach.argmin())] = 0.0
        weight[used] = moved
    return np.asarray(weight / weight.sum())


def _step(relative: Floats) -> float:
    """The longest step that keeps everything positive, 1 at the most."""
    return min(1.0, SHORT / max(-float(relative.min()), 0.5))
