"""FOCE with interaction as a person would write it with SciPy, for levels with a closed form and an additive error.

    OFV_i = sum_j (r_ij^2 / s^2 + log s^2) + eta' Omega^-1 eta + log det Omega + log det H,
    H = Omega^-1 + G' G / s^2,      G = d f / d eta,      at the mode eta of the first two terms,

without n log(2 pi), as NONMEM counts it. Modes are sought by SciPy's BFGS, G and the slopes of the objective are
differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from twin.arrays import Floats

STEP = 1e-4
"""Of differences by eta."""


class Levels(NamedTuple):
    """Values (n,) of one patient at hours (n,)."""

    hours: Floats
    values: Floats


Course = Callable[[Floats, Floats], Floats]
"""Levels (n,) at hours (n,) of individual parameters (D,)."""


def oral(dose: float) -> Course:
    """One compartment after one dose that is absorbed: parameters are ka, CL, V."""

    def course(par: Floats, hours: Floats) -> Floats:
        ka, cl, v = par
        k = cl / v
        return np.asarray(dose * ka / (v * (ka - k)) * (np.exp(-k * hours) - np.exp(-ka * hours)))

    return course


def repeated(doses: Sequence[tuple[float, float]]) -> Course:
    """One compartment after doses (hour, amount) by vein: parameters are CL, V."""

    def course(par: Floats, hours: Floats) -> Floats:
        cl, v = par
        found = np.zeros(len(hours))
        for hour, amount in doses:
            found += np.where(hours >= hour, amount / v * np.exp(-cl / v * np.maximum(hours - hour, 0.0)), 0.0)
        return found

    return course


class Conditional:
    """The objective of some patients; the vector is logarithms of typical values, standard deviations and the error."""

    def __init__(self, course: Course, patients: Sequence[Levels], effects: int) -> None:
        self._course, self._patients, self._effects = course, patients, effects
        self._eta = np.zeros((len(patients), effects))

    def __call__(self, vector: Floats) -> float:
        """Objective at a vector (2 D + 1,)."""
        d = self._effects
        place, variance, error = vector[:d], np.exp(2.0 * vector[d : 2 * d]), np.exp(2.0 * vector[-1])
        total = 0.0
        for n, one in enumerate(self._patients):
            found = minimize(_twice_u, self._eta[n], (self._course, one, place, variance, error), method="BFGS")
            self._eta[n] = found.x
            slopes = np.empty((len(one.hours), d))
            for i, change in enumerate(STEP * np.eye(d)):
                up, down = (self._course(np.exp(place + found.x + way * change), one.hours) for way in (1.0, -1.0))
                slopes[:, i] = (up - down) / (2.0 * STEP)
            h = np.diag(1.0 / variance) + slopes.T @ slopes / error
            total += float(found.fun) + float(np.log(variance).sum()) + float(np.linalg.slogdet(h)[1])
        return total

    def fit(self, begin: Floats) -> OptimizeResult:
        """The least of it, by BFGS from a vector."""
        # Modes are known to some 1e-6: the objective's own differences must not be smaller than what that leaves.
        options: Any = {"gtol": 1e-2, "finite_diff_rel_step": 1e-3}
        return minimize(self, begin, method="BFGS", jac="3-point", options=options)


def _twice_u(eta: Floats, course: Course, one: Levels, place: Floats, variance: Floats, error: float) -> float:
    away = one.values - course(np.exp(place + eta), one.hours)
    return float((away @ away) / error + len(away) * np.log(error) + (eta * eta / variance).sum())
