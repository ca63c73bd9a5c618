"""What is known of a patient in two parts, where it has a tail, a bend or a second mode that one ellipse has not.

Draws that weigh parts of what is known are told apart by two normal ones,

    r_sk = a_k N(eta_s; m_k, C_k) / sum_l a_l N(eta_s; m_l, C_l),    a_k, m_k, C_k: moments with weights w_s r_sk,

which is population Monte Carlo with mixtures (Cappe et al. 2008, Stat Comput 18:447). It begins on either side of the
middle in the direction of the longest tail, and each C_k leans on the covariance of all as if that had been seen in
D + 2 draws more.
"""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats
from twin.population.importance.draws import SPREAD

STEPS = 20
"""Steps to two parts."""


def in_two(eta: Floats, share: Floats) -> tuple[Floats, Floats] | None:
    """Means (2, D) and lower factors (2, D, D), as `Proposals` have them, of one patient's draws (S, D) with shares
    (S,); ``None`` where there are no two."""
    d, mean = eta.shape[1], share @ eta
    effective = 1.0 / float(share @ share)
    away = eta - mean
    whole = (away * share[:, None]).T @ away
    try:
        side = _longest_tail(np.linalg.solve(np.linalg.cholesky(whole), away.T).T, share)
        of = np.stack([side < 0.0, side >= 0.0], axis=1).astype(np.float64)
        for _ in range(STEPS):
            weight = of * share[:, None]
            part = weight.sum(axis=0)
            if part.min() * effective < 1.0:
                return None
            means = weight.T @ eta / part[:, None]
            spread = [(eta - m, w) for m, w in zip(means, weight.T, strict=True)]
            within = np.stack([(a * w[:, None]).T @ a for a, w in spread])
            covariance = (effective * within + (d + 2) * whole) / (effective * part + d + 2)[:, None, None]
            factor = np.linalg.cholesky(covariance)
            of = _belonging(eta, part, means, factor)
    except np.linalg.LinAlgError:
        return None
    return (means, SPREAD * factor) if np.isfinite(factor).all() and np.isfinite(means).all() else None


def _longest_tail(standard: Floats, share: Floats) -> Floats:
    """Places (S,) of standardised draws (S, D) along the direction that they reach farthest out in, beyond half a
    standard deviation to the side of the tail above 0."""
    far = share * (standard * standard).sum(axis=1)
    along = standard @ np.linalg.eigh((standard * far[:, None]).T @ standard)[1][:, -1]
    return np.asarray(along * (1.0 if share @ along**3 > 0.0 else -1.0) - 0.5)


def _belonging(eta: Floats, part: Floats, means: Floats, factor: Floats) -> Floats:
    """How probable it is (S, 2) that a draw is of either part."""
    log = np.empty((len(eta), 2))
    for k in (0, 1):
        standard = np.linalg.solve(factor[k], (eta - means[k]).T)
        log[:, k] = np.log(part[k]) - np.log(np.diag(factor[k])).sum() - 0.5 * (standard * standard).sum(axis=0)
    log -= log.max(axis=1, keepdims=True)
    weight = np.exp(log)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
