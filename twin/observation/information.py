"""How much a measured value says about what predicts it: expected (Fisher) information, observation by observation.

Every observation is given *coordinates* u_q, functions of the prediction, and *weights* w_q such that its expected
information about eta is

    sum_q  w_q u_q' u_q'^T,        u_q' = d u_q / d eta.

With prediction f, taken to the scale h that the error is written for, and residual variance R there
(`twin.observation.residual`), and with the rows that a kind of output reads (`twin.observation.kinds`):

| observation | coordinates | weights |
|---|---|---|
| normal | h(f), log R | 1 / R, 1 / 2 |
| Student-t | h(f), log R | (df + 1) / (df + 3) / R, df / (2 (df + 3)) |
| with outliers | h(f), log R | E score^2 / R, E (z score + 1)^2 / 4, by quadrature |
| count with mean m and variance R | m | 1 / R |
| category, probabilities p_k | p_0, p_1, ... | 1 / p_0, 1 / p_1, ... |
| event or look, hazard integrated to H | H | 1 / H |
| known only by a limit L, z = (h(L) - h(f)) / sqrt(R) | z | p(z)^2 / (P(z) (1 - P(z))) |

A replicate is given the information it would have alone. A normal value beside others of the same instant has what all
together have of it more than the others alone. With residuals of correlation C, scales s and a = (1, -slope) / sd
(`twin.observation.residual_correlation`), that is

    sum_ij  a_i a_j / (s_i s_j) h_i' h_j'^T  +  (d_i0 + a_i a_j C_ij) / 4  l_i' l_j'^T,      l = log R,

with d_i0 = 1 of the value itself: f'^T R^-1 f' + tr(R^-1 R' R^-1 R') / 2 of R = s C s, in parts. Its first sum has
h_i + h_j as coordinates too, since 2 x y = (x + y)^2 - x^2 - y^2; weights may be negative there, the sum never is.

The first row is the sum of f'f'^T/R and R'R'^T/(2 R^2), the information of first-order conditional estimation with
interaction (Lindstrom & Bates 1990; Wang 2007, J Pharmacokinet Pharmacodyn 34:575); the second is that of Lange et al.
(1989, J Am Stat Assoc 84:881). The last is that of the yes or no which a censored value is.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec, GivenSpec
from twin.observation.residual import log_likelihood, on_scale, scale, standardised


def coordinates(error: ErrorSpec, predicted: Floats) -> tuple[Floats, Floats]:
    """Coordinates and weights (Q, ..., N) of measured values with predictions (..., N)."""
    variance = scale(error, predicted) ** 2
    about_place, about_spread = _about(_unit(error))
    if error.even:
        return on_scale(error, predicted)[None], (about_place / variance)[None]
    return (
        np.stack([on_scale(error, predicted), np.log(variance)]),
        np.stack([about_place / variance, np.full_like(variance, about_spread)]),
    )


def coordinates_beside(error: ErrorSpec, given: GivenSpec, predicted: Floats) -> tuple[Floats, Floats]:
    """Coordinates and weights (Q, ..., N) of values beside those of k others, with predictions (1 + k, ..., N)."""
    errors = (error, *given.errors)
    scales = np.array([scale(one, f) for one, f in zip(errors, predicted, strict=True)])
    place = np.array([on_scale(one, f) for one, f in zip(errors, predicted, strict=True)])
    # Of one size, so that neither is lost in a sum with another in a smaller unit.
    with np.errstate(invalid="ignore"):
        size = np.nanmax(
            np.where(np.isfinite(place), np.abs(place), 1e-12), axis=tuple(range(1, place.ndim)), keepdims=True
        )
    place = place / size
    a = np.array([1.0, *(-slope for slope in given.slope)]) / given.sd
    tilted = np.reshape(a, (-1,) + (1,) * (place.ndim - 1)) * size / scales
    pairs = list(itertools.combinations(range(len(errors)), 2))
    across = {pair: tilted[pair[0]] * tilted[pair[1]] for pair in pairs}
    alone = [tilted[i] ** 2 - sum(each for pair, each in across.items() if i in pair) for i in range(len(errors))]
    coordinates = [*place, *(place[i] + place[j] for i, j in pairs)]
    weights = [*alone, *across.values()]
    if not all(one.even for one in errors):
        spreads = 0.25 * np.outer(a, a) * np.array(given.correlation)
        spreads[0, 0] += 0.25
        values, vectors = np.linalg.eigh(spreads)
        logs = 2.0 * np.log(scales)
        coordinates += [np.tensordot(vector, logs, axes=1) for vector in vectors.T]
        weights += [np.full_like(place[0], value) for value in values]
    return np.stack(coordinates), np.stack(weights)


def censored_coordinates(error: ErrorSpec, limit: float | Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Coordinates and weights (1, ..., N) of values known only to lie on one side of ``limit``."""
    z = standardised(error, limit, predicted)
    unit, nowhere = _unit(error), np.zeros_like(z)
    below, above = log_likelihood(unit, 0.0, nowhere, below=z), log_likelihood(unit, 0.0, nowhere, above=z)
    with np.errstate(invalid="ignore"):
        weight = np.exp(2.0 * log_likelihood(unit, z, nowhere) - below - above)
    # Endlessly far from its limit a value tells nothing: there all three are minus infinity.
    return z[None], np.where(np.isinf(z), 0.0, weight)[None]


def _unit(error: ErrorSpec) -> ErrorSpec:
    """The law of the standardised residual, as the error of a value about 0."""
    return ErrorSpec("additive", 1.0, 0.0, error.df, None, None, outliers=error.outliers)


@functools.lru_cache(maxsize=64)
def _about(unit: ErrorSpec) -> tuple[float, float]:
    """Information of a standardised residual about its place, and about the logarithm of its variance."""
    if unit.outliers is None and unit.df is None:
        return 1.0, 0.5
    if unit.outliers is None and unit.df is not None:
        return (unit.df + 1) / (unit.df + 3), 0.5 * unit.df / (unit.df + 3)
    z = np.sinh(np.linspace(-12.0, 12.0, 20_001))
    log_density = log_likelihood(unit, z, np.zeros_like(z))
    score = np.gradient(log_density, z)
    density = np.exp(log_density)
    place, spread = density * score**2, 0.25 * density * (z * score + 1.0) ** 2
    return float(np.trapezoid(place, z)), float(np.trapezoid(spread, z))
