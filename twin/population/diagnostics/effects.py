"""Effects of patients beside one another and beside covariates: what a model has not yet explained.

Effects are modes, which shrink to 0 where a patient's data say little: then all of this shows less than there is (Savic
& Karlsson 2009, AAPS J 11:558).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.model.spec import CovariateSpec
from twin.population.cohort import Cohort

FEW_LEVELS = 5
"""A covariate with no more values than this, all of them whole numbers, is taken to have categories."""


class Trend(NamedTuple):
    """The straight line of least squares, the correlation, and the p of none."""

    intercept: float
    slope: float
    correlation: float
    p: float


@dataclass(frozen=True)
class Covariate:
    """A characteristic of N patients, as it stood when their records began.

    Attributes:
        values: (N,) in ``unit``.
        levels: names and values of categories; none of a continuous one.
    """

    name: str
    unit: str
    values: Floats
    levels: tuple[tuple[str, float], ...]


def covariates_of(cohort: Cohort) -> tuple[Covariate, ...]:
    """Those of the model."""
    specs = cohort.kernel.model.covariates
    every = np.array([subject.timeline.covariates[0, : len(specs)] for subject in cohort.patients])
    every = every.reshape(len(cohort.patients), len(specs))
    return tuple(Covariate(s.name, s.unit, every[:, k], _levels(s, every[:, k])) for k, s in enumerate(specs))


def _levels(spec: CovariateSpec, values: Floats) -> tuple[tuple[str, float], ...]:
    present = np.unique(values)
    if spec.levels:
        return tuple((name, value) for name, value in spec.levels if value in present)
    if len(present) <= FEW_LEVELS and (present == np.round(present)).all():
        return tuple((f"{value:g}", float(value)) for value in present)
    return ()


def strata(covariate: Covariate) -> tuple[tuple[str, Floats], ...]:
    """Names of the groups that a covariate makes of patients, each with which of them (N,) are in it, as 0 or 1.

    Of a continuous one they are the halves below and above its median.
    """
    if covariate.levels:
        of = [(f"{covariate.name} {name}", covariate.values == value) for name, value in covariate.levels]
    else:
        middle = float(np.median(covariate.values))
        low = covariate.values <= middle
        of = [(f"{covariate.name} ≤ {middle:.4g}", low), (f"{covariate.name} > {middle:.4g}", ~low)]
    return tuple((name, which.astype(np.float64)) for name, which in of if which.any())


def trend(x: Floats, y: Floats) -> Trend:
    """Of pairs (n,); NaN where there are fewer than three, or either stands still."""
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if len(x) < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return Trend(*[float("nan")] * 4)
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    r = float(np.clip(dx @ dy / np.sqrt((dx @ dx) * (dy @ dy)), -1.0, 1.0))
    t = abs(r) * np.sqrt((len(x) - 2) / max(1.0 - r * r, 1e-300))
    return Trend(float(y.mean()) - slope * float(x.mean()), slope, r, 2.0 * float(special.stdtr(len(x) - 2, -t)))


def difference(groups: list[Floats]) -> float:
    """p that groups of values have one mean (analysis of variance, F); NaN where that cannot be told."""
    groups = [g[np.isfinite(g)] for g in groups]
    groups = [g for g in groups if len(g)]
    n, k = sum(map(len, groups)), len(groups)
    if k < 2 or n <= k:
        return float("nan")
    middle = np.concatenate(groups).mean()
    between = sum(len(g) * (g.mean() - middle) ** 2 for g in groups) / (k - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (n - k)
    return float(special.fdtrc(k - 1, n - k, between / within)) if within > 0.0 else float("nan")
