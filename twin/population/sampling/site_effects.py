"""Effects of sites, drawn given those of their patients: conjugate, so that nothing is proposed.

    b | psi ~ N(V sum_i E'P_i psi_i, V),      V = (P_b + sum_i E'P_i E)^-1,

with psi = eta + E b, eta ~ N(0, P^-1) of the patients of a site and b ~ N(0, P_b^-1) (`twin.population.sites.arrow`).
P_i has the rows and columns of P that the data of patient i have met (`twin.population.means.met`), which are blocks:
of a mixture those of the class that the patient is of, so that an effect which it does not read tells nothing of b, and
is to be drawn anew once b is. Each site has a stream of random numbers of its own, which is called by its first
patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.sites.arrow import by_site, first_of
from twin.population.values import Population
from twin.randomness import generator


class Drawn(NamedTuple):
    """What was drawn of C chains.

    Attributes:
        b: (n, C, q) effects of each site.
        centres: (N, C, D) E b of each patient's site, of a mixture of each member.
        square: (q, q) what is expected of b b', mean over sites and chains.
    """

    b: Floats
    centres: Floats
    square: Floats


class Told(NamedTuple):
    """What individuals tell of the effects of sites.

    Attributes:
        reach: (N, D, q) P_i E.
        covariance: (n, C, q, q) V of each site.
        site: (N,) whose each patient, or member, is.
    """

    reach: Floats
    covariance: Floats
    site: Integers


class SiteEffects:
    """Effects of the sites (n,) of a cohort's patients, of whose effects the data have met those that are ``active``
    (N, D)."""

    def __init__(self, cohort: Cohort, site: Integers, active: NDArray[np.bool_], seed: int) -> None:
        self._above, self._parts = cohort.above, cohort.parts
        self._site, self._active = np.repeat(site, cohort.classes), active.astype(np.float64)
        self._streams = [generator(cohort.patients[i].key, seed, "site") for i in first_of(site)]

    def of_each(self, psi: Floats, populations: Sequence[Population], here: NDArray[np.bool_]) -> Drawn:
        """As `drawn`, of chains that have a population each; ``square`` is the mean of all."""
        parts = [self.drawn(psi[:, c : c + 1], one, here[:, c : c + 1]) for c, one in enumerate(populations)]
        b, centres = (
            np.concatenate(each, axis=1) for each in zip(*((one.b, one.centres) for one in parts), strict=True)
        )
        return Drawn(b, centres, np.asarray(np.mean([one.square for one in parts], axis=0)))

    def drawn(self, psi: Floats, population: Population, here: NDArray[np.bool_]) -> Drawn:
        """Given effects psi (N, C, D) of patients and sites together, of members who are ``here`` (N, C)."""
        told = self.told(population, here)
        pull = np.where(here[:, :, None], np.einsum("ncd,ndq->ncq", psi, told.reach), 0.0)
        mean = np.einsum("scqr,scr->scq", told.covariance, by_site(pull, self._site))
        standard = np.stack([rng.standard_normal(mean.shape[1:]) for rng in self._streams])
        b = mean + np.einsum("scqr,scr->scq", np.linalg.cholesky(told.covariance), standard)
        each = np.einsum("scq,scr->qr", mean, mean) / (mean.shape[0] * mean.shape[1])
        return Drawn(b, b[self._site] @ self._above.T, np.asarray(told.covariance.mean(axis=(0, 1)) + each))

    def told(self, population: Population, here: NDArray[np.bool_]) -> Told:
        """What psi tells, of members who are ``here`` (N, C)."""
        precision = population.prior(self._parts)[1]
        reach = (self._active[:, :, None] * precision) @ self._above
        of_each = np.swapaxes(self._active[:, :, None] * self._above, 1, 2) @ reach
        counted = np.where(here[:, :, None, None], of_each[:, None], 0.0)
        covariance = np.asarray(np.linalg.inv(population.precision("isv") + by_site(counted, self._site)))
        return Told(reach, covariance, self._site)
