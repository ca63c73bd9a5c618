"""Effects of sites, drawn given those of their patients: conjugate, so that nothing is proposed.

    b | psi ~ N(V E'P sum_i psi_i, V),      V = (P_b + n E'PE)^-1,

with psi = eta + E b, eta ~ N(0, P^-1) of the n patients of a site and b ~ N(0, P_b^-1) (`twin.population.sites.arrow`).
Of a mixture psi_i is that of the member who the patient is in a chain (`twin.population.sampling.classes`). Each site
has a stream of random numbers of its own, which is called by its first patient.
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
        centres: (N, C, D) E b of each patient's site, of a mixture of members.
        square: (q, q) what is expected of b b', mean over sites and chains.
    """

    b: Floats
    centres: Floats
    square: Floats


class SiteEffects:
    """Effects of the sites (n,) of a cohort's patients."""

    def __init__(self, cohort: Cohort, site: Integers, seed: int) -> None:
        self._site, self._above, self._occasions = np.repeat(site, cohort.classes), cohort.above, cohort.occasions
        self._size = np.bincount(site)
        self._streams = [generator(cohort.patients[i].key, seed, "site") for i in first_of(site)]

    def of_each(self, psi: Floats, populations: Sequence[Population], here: NDArray[np.bool_] | None = None) -> Drawn:
        """Given effects psi (N, C, D), of chains that have a population each; ``square`` is the mean of all."""
        parts = [
            self.drawn(psi[:, c : c + 1], one, None if here is None else here[:, c : c + 1])
            for c, one in enumerate(populations)
        ]
        b, centres = (
            np.concatenate(each, axis=1) for each in zip(*((one.b, one.centres) for one in parts), strict=True)
        )
        return Drawn(b, centres, np.asarray(np.mean([one.square for one in parts], axis=0)))

    def drawn(self, psi: Floats, population: Population, here: NDArray[np.bool_] | None = None) -> Drawn:
        """Given effects psi (N, C, D) of patients and sites together, of members who are ``here`` (N, C) alone."""
        psi = psi if here is None else np.where(here[:, :, None], psi, 0.0)
        reach = population.prior(self._occasions)[1] @ self._above
        inside = population.precision_isv + self._size[:, None, None] * (self._above.T @ reach)
        covariance = np.linalg.inv(inside)
        mean = np.einsum("sqr,scr->scq", covariance, by_site(psi @ reach, self._site))
        factor = np.linalg.cholesky(covariance)
        standard = np.stack([rng.standard_normal(mean.shape[1:]) for rng in self._streams])
        b = mean + np.einsum("sqr,scr->scq", factor, standard)
        square = covariance.mean(axis=0) + np.einsum("scq,scr->qr", mean, mean) / (mean.shape[0] * mean.shape[1])
        return Drawn(b, b[self._site] @ self._above.T, np.asarray(square))
