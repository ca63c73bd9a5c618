"""Patients of one site, who have something in common: taken out of what is learnt of them, and left out together.

What the data say of an effect of patient i in site s is y_i = f(x_i) + b_s + e_i, with

    e_i ~ N(0, O / w_i),    b_s ~ N(0, O / c),

so that of residuals r = y - f the site's part is believed to be, over its patients, and all are missed by

    b_s = sum w r / (c + sum w),        r' V^-1 r = sum_i w_i r_i (r_i - b_s) / O,

with V the covariance of all residuals. Boosting goes down this in place of squares (Sigrist 2022, J Mach Learn Res
23:232). Who is alone is a site, and where nothing is common c is infinite: then these are squares.

Whole sites are left out, not patients: what is learnt is for patients of sites that nobody has seen, and a covariate
that hardly differs within a site tells which site it is, by which others of the site would be foretold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.covariates.characteristics import CovariateError
from twin.randomness import generator

FEWEST_SITES = 3
"""Sites below which none can be left out of those that others are chosen by."""


class Alike(NamedTuple):
    """Of N patients the ``site`` (N,), numbers from 0 on, and c: how firmly effects of sites are ``held`` at 0."""

    site: Integers
    held: float

    @classmethod
    def alone(cls, count: int) -> Alike:
        """Patients who have nothing in common."""
        return cls(np.arange(count), np.inf)

    def of(self, which: NDArray[np.bool_]) -> Alike:
        """Of some patients."""
        return Alike(self.site[which], self.held)

    def own(self, residual: Floats, weight: Floats) -> Floats:
        """(N,) residuals less what is common to each one's site."""
        total, mass = (np.bincount(self.site, weights=one) for one in (weight * residual, weight))
        return np.asarray(residual - (total / (self.held + mass))[self.site])

    def missed(self, residual: Floats, weight: Floats) -> float:
        """r' V^-1 r, in units of 1/O."""
        return float((weight * residual * self.own(residual, weight)).sum())

    def mean(self, y: Floats, weight: Floats) -> float:
        """The constant by which values (N,) are missed least."""
        mass = (weight * self.own(np.ones(len(y)), weight)).sum()
        return float((weight * self.own(y, weight)).sum() / mass)

    def dealt(self, y: Floats, weight: Floats, order: Integers) -> Floats:
        """Values (N,) as good as these where no covariate does anything: V^1/2 e with e = V^-1/2 (y - mean) dealt out
        among patients in this ``order``."""
        white = self._by_power(y - self.mean(y, weight), weight, -0.5)
        return self._by_power(white[order], weight, 0.5)

    def _by_power(self, residual: Floats, weight: Floats, power: float) -> Floats:
        """(N,) V^power r."""
        found = np.empty(len(residual))
        for one in np.unique(self.site):
            inside = np.flatnonzero(self.site == one)
            sizes, axes = np.linalg.eigh(np.diag(1.0 / weight[inside]) + 1.0 / self.held)
            found[inside] = axes @ (sizes**power * (axes.T @ residual[inside]))
        return found


def folds_of(site: Integers, folds: int, seed: int) -> Integers:
    """(N,) fold of each patient, as even as can be with whole sites (N,) in each; some are empty of fewer sites."""
    names, at = np.unique(site, return_inverse=True)
    size, filled = np.bincount(at), np.zeros(folds)
    found = np.empty(len(names), dtype=np.int64)
    for one in generator("covariates", seed, "folds", folds).permutation(len(names)):
        found[one] = filled.argmin()
        filled[found[one]] += size[one]
    return np.asarray(found[at])


def check_sites(site: Integers) -> None:
    """Refuse too few sites.

    Raises:
        CovariateError: there are fewer than `FEWEST_SITES`.
    """
    if (count := len(np.unique(site))) < FEWEST_SITES:
        raise CovariateError(
            f"{count} sites are too few to leave whole ones out; {FEWEST_SITES} at least, or leave isv and [sites] out"
            " of the model file and make the site a covariate"
        )
