"""Objectives with effects of sites: b of a site is integrated over with all its patients.

    OFV_site = 2 U + log det Omega_isv + n log det Omega + log det H,

U and H being those of `twin.population.sites.arrow`, H with what the method makes of u'': so it is the method's of the
site as one subject with q + n D effects, as NONMEM's $LEVEL has it. Patients are first searched one by one given b
(`twin.population.modes`), then moved with all of their site by Newton steps of the arrow, which cost no more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.population.laplace.first_order import FirstOrderObjective
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.laplace.site_modes import together
from twin.population.laplace.site_point import FirstOrderSitePoint, LaplaceSitePoint, SitePoint
from twin.population.modes.descent import SETTLED, descend, scattered
from twin.population.objective import Evaluation, Objective, Point, moved_along
from twin.population.sites.arrow import by_site
from twin.population.values import Population

EXACT = 1e-9
"""What may remain, as `SETTLED`, of a mode that had to be searched: each step squares it, near to the mode."""

FAR, NEARLY = 0.05, 1e-6
"""Modes that are moved along by more than this many standard deviations of the prior are searched before anything else
is worked out there, until so much remains, as `SETTLED`: the evaluation makes the step that is left."""

MOST_ROUNDS = 10
"""Times that sites are searched whose modes are still far."""


class SiteObjective(Objective):
    """What objectives of a cohort whose model has sites have in common: the search of modes."""

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        cohort = self.cohort
        population = cohort.theta.unpack(vector)
        covariance, precision, _ = population.prior(cohort.parts)
        point, count = self.site_point(population, precision), len(cohort)
        psi = np.zeros((count, cohort.effects)) if last is None else moved_along(last, vector, covariance)
        settled = np.ones(count, dtype=np.bool_)
        if thorough or last is None:
            starts = np.concatenate(
                [psi[:, None], np.repeat(scattered(covariance, cohort.axes)[None], count, axis=0)], axis=1
            )
            which = np.repeat(np.arange(count, dtype=np.int64), starts.shape[1])
            found = descend(point.given(point.conditional(psi)), precision, which, starts.reshape(len(which), -1))
            psi, settled = found.eta, found.settled
            return self._settled(point, vector, psi, settled, EXACT)
        if _longest(psi - last.eta, precision) > FAR:
            psi = together(point, psi, np.ones(int(point.site.max()) + 1, dtype=np.bool_), NEARLY)
        return self._settled(point, vector, psi, settled, SETTLED)

    def near(self, vector: Floats, psi: Floats) -> Evaluation:
        """Evaluate at a vector (K,) whose modes are searched from psi (N, D)."""
        population = self.cohort.theta.unpack(vector)
        point = self.site_point(population, population.prior(self.cohort.parts)[1])
        return self._settled(point, vector, psi, np.ones(len(psi), dtype=np.bool_), SETTLED)

    def site_point(self, population: Population, precision: Floats) -> SitePoint:
        """As `point`."""
        return SitePoint(self, population, precision)

    def point(self, population: Population, precision: Floats) -> Point:
        return self.site_point(population, precision)

    def _settled(
        self, point: SitePoint, vector: Floats, psi: Floats, settled: NDArray[np.bool_], limit: float
    ) -> Evaluation:
        """The evaluation where no more than ``limit`` remains to the modes, going on from psi (N, D)."""
        log_det = point.population.prior(self.cohort.parts)[2]
        seen = point.evaluation(vector, psi, log_det, settled)
        for number in range(MOST_ROUNDS):
            far = ~(seen.remaining <= limit)
            if not far.any():
                return seen
            if number:
                found = descend(point.given(point.conditional(psi)), point.precision, np.flatnonzero(far), psi[far])
                psi[far], settled[far] = found.eta, found.settled
            psi = together(point, psi, by_site(far.astype(float), point.site) > 0.0, 0.1 * EXACT)
            limit = EXACT
            seen = point.evaluation(vector, psi, log_det, settled)
        return replace(seen, settled=seen.settled & (seen.remaining <= SETTLED))


class LaplaceSiteObjective(SiteObjective, LaplaceObjective):
    """Laplace's method, of any kind of value."""

    def site_point(self, population: Population, precision: Floats) -> SitePoint:
        return LaplaceSitePoint(self, population, precision)


class FirstOrderSiteObjective(FirstOrderObjective):
    """The first-order objective, the likelihood itself of a line: one step is to the modes."""

    def point(self, population: Population, precision: Floats) -> Point:
        return FirstOrderSitePoint(self, population, precision)


def _longest(step: Floats, precision: Floats) -> float:
    """Of steps (N, D) in standard deviations of the prior."""
    return float(np.sqrt(np.einsum("ni,ij,nj->n", step, precision, step).max(initial=0.0)))
