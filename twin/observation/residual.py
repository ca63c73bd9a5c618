"""How a measured value scatters around what a particle predicts.

For prediction f and measured y, on the scale h that the error is written for,

    h(y) = h(f) + s(f) z,     h = identity, log (``log_...``) or the Box-Cox transform (y^L - 1)/L (``box_cox``),

which is log where L = 0, with z standard normal, Student-t(df), or either with a share of outliers that lie
``widening`` times as far. On the natural scale

    proportional   s = p f            combined, by variance   s = sqrt(a^2 + (p f)^2)
    additive       s = a              combined, by SD         s = a + p f
    power          s = p f^e, alone or combined with a
    deviation      s = p g(f), alone or combined with a; g is a formula (`twin.observation.deviation`)

on the logarithm

    log_additive   s = a              log_combined            s = sqrt(b^2 + (a/f)^2), a in the output's unit

and on the Box-Cox scale s = a. A value known only to lie below or above a limit weighs the probability of lying there
(M3 method, Beal 2001). A Box-Cox normal reaches below h(0) where L > 0, and beyond h(inf) where L < 0; that little
probability is a measurement of 0, or of a value without end.

Replicates, measurements of one output at one instant with correlation r, share a part of their residual:

    z_k = sqrt(r) u + sqrt(1 - r) e_k,        u, e_k standard normal,

so that a replicate given the earlier ones is normal around their mean, and a mixture of normals, one for each node of
a Gauss-Hermite rule in u, where some of the earlier ones are known only by a limit.

A value beside others of the same instant, of outputs whose residuals correlate with its own, is normal given theirs
(`twin.observation.residual_correlation`). Beside one that is as good as impossible it counts by itself: a level that
was mistyped, or of a drug that was never recorded as given, says nothing of how assays of this sample err.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec, GivenSpec, OutlierSpec
from twin.observation.deviation import shape
from twin.observation.observation import MeasuredValue

SMALLEST = 1e-12
"""Predictions of positive quantities are not taken below this (in the output's unit): log and scale stay finite."""

FAINTEST = 1e-300
"""The same of a quantity whose logarithm alone is asked for."""

FARTHEST = 140.0
"""Residuals beyond this, in units of their scale, are of values that are as good as impossible (e^-9800)."""

GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0

NODES, NODE_WEIGHTS = (part.copy() for part in np.polynomial.hermite_e.hermegauss(24))
NODE_WEIGHTS /= NODE_WEIGHTS.sum()
# Gauss-Hermite rule for a standard normal: the shared part of replicates known only by a limit.


def scale(error: ErrorSpec, predicted: Floats) -> Floats:
    """Residual scale s around predictions, on the error's own scale."""
    if error.even:
        return np.full_like(predicted, error.additive)
    positive = np.maximum(np.abs(predicted), SMALLEST)
    if error.logarithmic:
        return np.asarray(np.hypot(error.proportional, error.additive / positive))
    growing = error.proportional * _growth(error, positive)
    if error.additive == 0.0:
        return np.asarray(growing)
    if error.combination == "sd":
        return np.asarray(error.additive + growing)
    return np.asarray(np.hypot(error.additive, growing))


def _growth(error: ErrorSpec, positive: Floats) -> Floats:
    """What a proportional size is multiplied by."""
    if error.formula is not None:
        return shape(error.formula, positive)
    return positive if error.exponent == 1.0 else np.asarray(positive**error.exponent)


def transformed(error: ErrorSpec, value: float | Floats) -> Floats:
    """Values (any shape) on the error's own scale; -inf where a logarithm, or a Box-Cox transform, has none."""
    value = np.asarray(value, dtype=np.float64)
    if error.logarithmic:
        return np.where(value > 0, np.log(np.where(value > 0, value, 1.0)), -np.inf)
    if error.kind == "box_cox":
        assert error.box_cox is not None, "a Box-Cox error has its exponent"
        return np.where(value >= 0, box_cox(error.box_cox, np.maximum(value, 0.0)), -np.inf)
    return value


def untransformed(error: ErrorSpec, value: Floats) -> Floats:
    """Inverse of `transformed`; what lies under a Box-Cox scale is 0, and what lies beyond it infinite."""
    if error.logarithmic:
        return np.asarray(np.exp(value))
    if error.kind == "box_cox":
        assert error.box_cox is not None, "a Box-Cox error has its exponent"
        if error.box_cox == 0.0:
            return np.asarray(np.exp(value))
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(np.log1p(np.maximum(error.box_cox * value, -1.0)) / error.box_cox))
    return value


def box_cox(exponent: float, value: Floats) -> Floats:
    """(value^L - 1) / L of values from 0 on, to the last digits also where L is next to 0; of what overflowed inf."""
    with np.errstate(divide="ignore"):
        logarithm = np.log(value)
    if exponent == 0.0:
        return logarithm
    return np.where(np.isposinf(logarithm), np.inf, np.expm1(exponent * logarithm) / exponent)


def on_scale(error: ErrorSpec, values: Floats) -> Floats:
    """Values (any shape) on the error's own scale, where they are not taken below `SMALLEST`.

    Where they scatter alike on the logarithm nothing grows without end as they vanish: they are taken as they are, down
    to what has a logarithm.
    """
    if not error.transformed:
        return values
    return transformed(error, np.maximum(values, FAINTEST if error.kind == "log_additive" else SMALLEST))


def standardised(error: ErrorSpec, value: float | Floats, predicted: Floats) -> Floats:
    """The residual of ``value`` in units of its scale, per prediction; -inf for a non-positive value on a log scale.

    ``value`` is one number for all predictions, or an array that broadcasts with them, as (n, 1) with (n, N).
    """
    with np.errstate(invalid="ignore"):  # a prediction that overflowed has no residual, as NaN says
        return np.asarray((transformed(error, value) - on_scale(error, predicted)) / scale(error, predicted))


def log_likelihood(
    error: ErrorSpec,
    value: float | Floats,
    predicted: Floats,
    below: float | Floats | None = None,
    above: float | Floats | None = None,
    earlier: tuple[MeasuredValue, ...] = (),
    beside: Floats | None = None,
    stretch: float | Floats = 1.0,
) -> Floats:
    """Log density of a measured value given predictions (N,), or of ``y < below`` or ``y > above`` for a censored one.

    ``value`` or a limit may be an array that broadcasts with the predictions (see `standardised`). ``earlier`` are
    replicates already weighed, which a correlated one is conditional on; ``beside`` (k, N) are residuals of the others
    that the error is ``given``. A value that is itself known scatters ``stretch`` times as far.
    """
    law = _law(error, predicted, earlier, beside)
    if below is not None:
        return law.log_cdf(standardised(error, below, predicted))
    if above is not None:
        return law.log_sf(standardised(error, above, predicted))
    z = standardised(error, value, predicted) / stretch
    density = law.log_density(z) - np.log(scale(error, predicted) * stretch)
    if not error.transformed:
        return np.asarray(density)
    logarithm = np.log(np.where(np.greater(value, 0), value, 1.0))
    if error.box_cox is None:
        return np.asarray(density - logarithm)
    density = density - (1.0 - error.box_cox) * logarithm
    return np.where(np.greater(value, 0), density, law.log_cdf(z))


def cdf(
    error: ErrorSpec,
    value: float,
    predicted: Floats,
    earlier: tuple[MeasuredValue, ...] = (),
    beside: Floats | None = None,
) -> Floats:
    """Probability that a measurement falls at or below ``value``, per prediction (N,)."""
    return _law(error, predicted, earlier, beside).cdf(standardised(error, value, predicted))


def spread_out(error: ErrorSpec, predicted: Floats, points: int) -> Floats:
    """Measurements that predictions (N,) stand for: (N, points), one in each of ``points`` equal shares of probability.

    Where in its share differs from one prediction to the next, see `levels_of`.
    """
    return _scattered(error, predicted[:, None], _scatter(_Residual(error.df, error.outliers), len(predicted), points))


def at_levels(
    error: ErrorSpec,
    predicted: Floats,
    levels: Floats,
    earlier: tuple[MeasuredValue, ...] = (),
    beside: Floats | None = None,
) -> Floats:
    """Measurements (N, P) at ``levels`` (N, P) of their distribution function, given predictions (N,)."""
    return _scattered(error, predicted[:, None], _law(error, predicted, earlier, beside).quantile(levels))


def _scattered(error: ErrorSpec, predicted: Floats, z: Floats) -> Floats:
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # of a prediction that overflowed nothing is measured, as NaN says
        return untransformed(error, on_scale(error, predicted) + scale(error, predicted) * z)


def regressed(given: GivenSpec, beside: Floats) -> tuple[Floats, Floats]:
    """Slopes (k, N) on residuals ``beside`` (k, N) and the standard deviation (N,) that is left: none and 1 where one
    of them is as good as impossible."""
    with np.errstate(invalid="ignore"):
        holds = (np.abs(beside) <= FARTHEST).all(axis=0)
    slope = np.reshape(given.slope, (-1,) + (1,) * (beside.ndim - 1))
    return np.where(holds, slope, 0.0), np.where(holds, given.sd, 1.0)


@functools.lru_cache(maxsize=16)
def levels_of(count: int, points: int) -> Floats:
    """Levels (count, points): for each of ``count`` predictions one in each of ``points`` equal shares of probability.

    Where in its share differs from one prediction to the next (by the golden ratio, which fills an interval evenly), so
    that predictions that are all alike still make a smooth distribution.
    """
    place = (0.5 + GOLDEN * np.arange(count)) % 1.0
    levels = np.asarray((np.arange(points) + place[:, None]) / points)
    levels.flags.writeable = False
    return levels


# --- laws of the standardised residual -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Residual:
    """z of a measurement that stands alone: normal or Student-t, perhaps with outliers. Symmetric around 0."""

    df: float | None
    outliers: OutlierSpec | None

    def log_density(self, z: Floats) -> Floats:
        usual = self._log_density(z)
        if self.outliers is None:
            return usual
        share, widening = self.outliers.share, self.outliers.widening
        far = self._log_density(z / widening) - np.log(widening)
        return np.asarray(np.logaddexp(np.log1p(-share) + usual, np.log(share) + far))

    def _log_density(self, z: Floats) -> Floats:
        with np.errstate(over="ignore"):  # so far away that its square overflows is impossible, as -inf says
            square = z * z
        if self.df is None:
            return np.asarray(-0.5 * square - 0.5 * np.log(2 * np.pi))
        df = self.df
        constant = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - 0.5 * np.log(df * np.pi)
        return np.asarray(constant - (df + 1) / 2 * np.log1p(square / df))

    def log_cdf(self, z: Floats) -> Floats:
        usual = self._log_cdf(z)
        if self.outliers is None:
            return usual
        share = self.outliers.share
        far = self._log_cdf(z / self.outliers.widening)
        return np.asarray(np.logaddexp(np.log1p(-share) + usual, np.log(share) + far))

    def _log_cdf(self, z: Floats) -> Floats:
        if self.df is None:
            return np.asarray(special.log_ndtr(z))
        from scipy import stats  # most of a second to load: only for models with heavy tails

        return np.asarray(stats.t.logcdf(z, self.df))

    def log_sf(self, z: Floats) -> Floats:
        return self.log_cdf(-z)

    def cdf(self, z: Floats) -> Floats:
        usual = self._cdf(z)
        if self.outliers is None:
            return usual
        share = self.outliers.share
        return np.asarray((1.0 - share) * usual + share * self._cdf(z / self.outliers.widening))

    def _cdf(self, z: Floats) -> Floats:
        return np.asarray(special.ndtr(z) if self.df is None else special.stdtr(self.df, z))

    def quantile(self, level: Floats) -> Floats:
        quantiles = special.ndtri(level) if self.df is None else special.stdtrit(self.df, level)
        usual = np.asarray(quantiles, dtype=np.float64)
        if self.outliers is None:
            return usual
        # Between the quantiles of its two parts; bisection halves that 60 times.
        far = usual * self.outliers.widening
        low: Floats = np.minimum(usual, far)
        high: Floats = np.maximum(usual, far)
        for _ in range(60):
            middle = 0.5 * (low + high)
            under = self.cdf(middle) < level
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray(0.5 * (low + high))


@dataclass(frozen=True, slots=True)
class _Conditional:
    """z of a value given earlier ones: normals of one ``sd``, or (N,), at ``centre`` (K, N) with ``weight`` (K, N)."""

    weight: Floats
    centre: Floats
    sd: float | Floats

    def log_density(self, z: Floats) -> Floats:
        apart = (z - self.centre) / self.sd
        return self._mixed(-0.5 * apart * apart - np.log(self.sd) - 0.5 * np.log(2 * np.pi))

    def log_cdf(self, z: Floats) -> Floats:
        return self._mixed(special.log_ndtr((z - self.centre) / self.sd))

    def cdf(self, z: Floats) -> Floats:
        return np.asarray((self.weight * special.ndtr((z - self.centre) / self.sd)).sum(axis=0))

    def log_sf(self, z: Floats) -> Floats:
        return self._mixed(special.log_ndtr(-(z - self.centre) / self.sd))

    def quantile(self, level: Floats) -> Floats:
        """Stratified over the mixture: a level (N, points) falls on one normal, and on a level within it."""
        upto = np.cumsum(self.weight, axis=0)[:, :, None]
        at = np.minimum((upto <= level).sum(axis=0), len(self.weight) - 1)
        rows = np.arange(level.shape[0])[:, None]
        weight = np.maximum(self.weight[at, rows], 1e-300)
        inner = (level - (upto[at, rows, 0] - weight)) / weight
        sd = np.reshape(self.sd, (-1, 1))
        return np.asarray(self.centre[at, rows] + sd * special.ndtri(np.clip(inner, 1e-12, 1 - 1e-12)))

    def _mixed(self, log_value: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(special.logsumexp(np.log(self.weight) + log_value, axis=0))


def _law(
    error: ErrorSpec, predicted: Floats, earlier: tuple[MeasuredValue, ...], beside: Floats | None
) -> _Residual | _Conditional:
    if beside is not None:
        assert error.given is not None, "an error beside others has their law"
        slope, sd = regressed(error.given, beside)
        centre = (slope * np.where(slope == 0.0, 0.0, beside)).sum(axis=0)
        return _Conditional(np.ones_like(centre)[None], centre[None], sd)
    r = error.replicate_correlation
    if r is None or not earlier:
        return _Residual(error.df, error.outliers)
    exact = [standardised(error, m.value, predicted) for m in earlier if m.limit is None]
    precision = 1.0 + len(exact) * r / (1.0 - r)
    centre = np.sqrt(r) / (1.0 - r) * np.sum(exact, axis=0) / precision if exact else np.zeros_like(predicted)
    censored = [m for m in earlier if m.limit is not None]
    if not censored:
        return _Conditional(np.ones((1, len(predicted))), np.sqrt(r) * centre[None], np.sqrt(1.0 - r + r / precision))
    shared = centre + NODES[:, None] / np.sqrt(precision)
    weight = np.repeat(np.log(NODE_WEIGHTS)[:, None], len(predicted), axis=1)
    for measured in censored:
        assert measured.limit is not None
        side = 1.0 if measured.below is not None else -1.0
        z = standardised(error, measured.limit, predicted)
        weight = weight + special.log_ndtr(side * (z - np.sqrt(r) * shared) / np.sqrt(1.0 - r))
    return _Conditional(special.softmax(weight, axis=0), np.sqrt(r) * shared, np.sqrt(1.0 - r))


@functools.lru_cache(maxsize=16)
def _scatter(law: _Residual, count: int, points: int) -> Floats:
    """Standardised residuals of `spread_out`; they depend on the size of the cloud alone."""
    z = law.quantile(levels_of(count, points))
    z.flags.writeable = False
    return z
