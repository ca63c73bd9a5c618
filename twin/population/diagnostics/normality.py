"""Whether residuals that should be standard normal are: their quantiles, and tests of mean, variance and shape.

    mean 0: Student's t;    variance 1: chi-squared;    shape: Shapiro & Wilk 1965 (Biometrika 52:591)

as in the tests of the npde package (Comets et al. 2008); the p of all three together is three times the least
(Bonferroni). They take values to be independent of one another, which NPDE are under a right model, CWRES as far as it
is linear, and IWRES are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats

MOST = 5000
"""Values of which the shape is tested; of more an evenly spread part."""


class Normality(NamedTuple):
    """Of n values: mean, variance, and p of each test; NaN where there are too few for one."""

    values: int
    mean: float
    mean_p: float
    variance: float
    variance_p: float
    shape_p: float

    @property
    def p(self) -> float:
        """Of all three together."""
        known = [p for p in (self.mean_p, self.variance_p, self.shape_p) if np.isfinite(p)]
        return min(1.0, len(known) * min(known)) if known else float("nan")


def normality(residuals: Floats) -> Normality:
    """Of residuals (n,); what is no number is left out."""
    x = residuals[np.isfinite(residuals)]
    n = len(x)
    if n < 3 or np.ptp(x) == 0.0:
        return Normality(n, float(x.mean()) if n else np.nan, *[float("nan")] * 4)
    from scipy.stats import shapiro  # most of a second to load: only for who tests

    mean, variance = float(x.mean()), float(x.var(ddof=1))
    t = mean / np.sqrt(variance / n)
    by_mean = 2.0 * float(special.stdtr(n - 1, -abs(t)))
    below = float(special.chdtr(n - 1, (n - 1) * variance))
    by_variance = min(1.0, 2.0 * min(below, 1.0 - below))
    part = np.sort(x)[np.linspace(0, n - 1, min(n, MOST)).astype(int)]
    return Normality(n, mean, by_mean, variance, by_variance, float(shapiro(part).pvalue))


def quantiles(residuals: Floats) -> tuple[Floats, Floats]:
    """Standard normal quantiles (n,), and the residuals in order; what is no number is left out."""
    x = np.sort(residuals[np.isfinite(residuals)])
    return special.ndtri((np.arange(len(x)) + 0.5) / max(1, len(x))), x
