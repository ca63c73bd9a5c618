"""Minima at a kink, where slopes are differences.

What is predicted of a value has a kink in whatever moves when its dose begins to be absorbed, or ends to be: there that
instant passes the value's own. So has U of a patient by an effect of a lag or of a duration, and the objective by a
typical value that nobody differs in. They may be least there: within the displacement h of the differences the slope
runs through 0, while the function itself falls to the kink, so that a descent stands still between the two. Where the
slope is 0, not more than h away, the minimum is the same from wherever it was come to, and moves evenly with all else,
also while the kink holds it; so it is looked for by slopes alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twin.arrays import Floats
from twin.filter.modes.newton import taught

MOST, LONGEST = 40, 1.0
"""Steps that are made to where a gradient is 0, and the longest of them, in standard deviations."""

LEVEL = 0.01
"""A slope that is this part of what it was counts as none."""

BESIDE = (1.0, 2.5)
"""Distances of starts beside a mode, in standard deviations of the posterior: so far apart kinks of values lie."""


def balanced(gradient_at: Callable[[Floats], Floats], begin: Floats, information: Floats, near: float) -> Floats | None:
    """Where a gradient is 0 near ``begin`` (D,), by its own changes (BFGS); ``None`` if it is not found.

    Args:
        information: (D, D) of a scale on which lengths of steps are standard deviations; of none where what is
            predicted is too steep for a number to hold.
        near: the step that need not be made any more, on that scale.
    """
    at, gradient, curvature = begin, gradient_at(begin), information
    if not (np.isfinite(information).all() and np.linalg.eigvalsh(information)[0] > 0.0):
        return None
    for _ in range(MOST):
        if not np.isfinite(gradient).all():
            return None
        if gradient @ np.linalg.solve(information, gradient) < near * near:
            return at
        try:
            step = np.asarray(-np.linalg.solve(curvature, gradient), dtype=np.float64)
        except np.linalg.LinAlgError:  # of changes of slopes that are no curvature to rounding
            return None
        step /= max(1.0, float(np.sqrt(step @ information @ step)) / LONGEST)
        share = level_share(_along(gradient_at, at, step), float(gradient @ step))
        there = gradient_at(at + share * step)
        curvature = taught(curvature, share * step, there - gradient)
        at, gradient = at + share * step, there
    return None


def _along(gradient_at: Callable[[Floats], Floats], at: Floats, step: Floats) -> Callable[[float], float]:
    return lambda share: float(gradient_at(at + share * step) @ step)


def level_share(slope: Callable[[float], float], at_begin: float) -> float:
    """The part of a step at which a function is level along it, where it rises at the end of the step; else all of it.

    By regula falsi, the end that stays counting half (Dowell & Jarratt 1971, BIT 11:168).
    """
    low, high, below, above = 0.0, 1.0, at_begin, slope(1.0)
    if not above > 0.0:
        return 1.0
    share = 1.0
    for _ in range(MOST):
        share = low - below * (high - low) / (above - below)
        found = slope(share)
        if abs(found) < LEVEL * abs(at_begin):
            break
        if found > 0.0:
            high, above, below = share, found, 0.5 * below
        else:
            low, below, above = share, found, 0.5 * above
    return share


def beside(eta: Floats, covariance: Floats) -> Floats:
    """Starts (N, 4 D + 1, D): modes eta (N, D), and `BESIDE` standard deviations of each patient's posterior, which has
    ``covariance`` (N, D, D), from them along each axis either way."""
    sd = np.sqrt(np.einsum("nii->ni", covariance))
    steps = np.array([way * part for part in BESIDE for way in (1.0, -1.0)])
    moved = steps[:, None, None] * np.eye(eta.shape[1]) * sd[:, None, None, :]
    return np.concatenate([eta[:, None], eta[:, None] + moved.reshape(len(eta), -1, eta.shape[1])], axis=1)
