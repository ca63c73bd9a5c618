"""The posterior mode of eta and its Laplace covariance: the empirical Bayes estimate people know.

    mode = argmin  U(eta) = - log p(data | eta) + eta' omega^-1 eta / 2,      covariance = (d2U / d eta2)^-1.

Derivatives are central differences, taken in one solve: all displaced points of a gradient or a Hessian are particles
of one cloud.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from twin.kernel import Floats

GRADIENT_STEP = 1e-4
"""Displacement of a first difference: error h^2 U''' / 6 against rounding 1e-16 U / h."""

HESSIAN_STEP = 5e-3
"""Displacement of a second difference."""


@dataclass(frozen=True)
class Mode:
    """Posterior mode (d,), covariance (d, d), minus log posterior there (without constants), and whether it settled."""

    eta: Floats
    covariance: Floats
    objective: float
    converged: bool


def find_mode(objective: Callable[[Floats], Floats], start: Floats) -> Mode:
    """Minimise ``objective`` (maps eta (N, d) to U (N,)) from ``start`` (d,) by BFGS and take the curvature there."""
    dimension = len(start)
    if not dimension:
        return Mode(start, np.zeros((0, 0)), float(objective(start[None])[0]), True)
    displaced = GRADIENT_STEP * np.vstack([np.zeros(dimension), np.eye(dimension), -np.eye(dimension)])

    def value_and_gradient(eta: Floats) -> tuple[float, Floats]:
        value = objective(eta + displaced)
        return float(value[0]), (value[1 : dimension + 1] - value[dimension + 1 :]) / (2 * GRADIENT_STEP)

    found = optimize.minimize(value_and_gradient, start, jac=True, method="BFGS", options={"gtol": 1e-4})
    eta = np.asarray(found.x)
    _, gradient = value_and_gradient(eta)
    covariance: Floats = np.linalg.inv(_positive(hessian(objective, eta))).astype(np.float64)
    # BFGS stops on loss of precision near a mode that is flat to rounding: judge by the step still to be made.
    settled = float(gradient @ covariance @ gradient) < 0.05**2
    return Mode(eta, covariance, float(found.fun), settled)


def hessian(objective: Callable[[Floats], Floats], eta: Floats) -> Floats:
    """Second derivatives (d, d) of ``objective`` at eta (d,) by central differences, in one call."""
    dimension = len(eta)
    pairs = [(i, j) for i in range(dimension) for j in range(i + 1)]
    unit = HESSIAN_STEP * np.eye(dimension)
    points = [eta + s * unit[i] + t * unit[j] for i, j in pairs for s in (1, -1) for t in (1, -1)]
    value = objective(np.array(points)).reshape(len(pairs), 4)
    result = np.zeros((dimension, dimension))
    for (i, j), (pp, pm, mp, mm) in zip(pairs, value, strict=True):
        result[i, j] = result[j, i] = (pp - pm - mp + mm) / (4 * HESSIAN_STEP**2)
    return result


def _positive(matrix: Floats) -> Floats:
    """The nearest usable curvature: eigenvalues that noise made flat or negative are lifted to a small positive one."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 1e-6 * max(1.0, float(values.max())))) @ vectors.T)
