"""The likelihood of a patient's values given its effects eta, whatever its occasions add to these.

    p(y | eta) = int p(y | eta, kappa) N(kappa; 0, Omega_iov) dkappa
               ~ 1/S sum_s p(y | eta, kappa_s) N(kappa_s; 0, Omega_iov) / q(kappa_s | eta)

with draws about what Laplace's approximation of both together, with means m and covariance C, says of kappa where eta
is known,

    kappa_s = m_k + G (eta - m_e) + s L z_s,     G = C_ke C_ee^-1,     L L' = C_kk - G C_ek,     z_s ~ N(0, 1),

and a spread s above 1. Draws go along with eta and stand still otherwise, so that this is a smooth function of eta: of
values that are linear and normal its error is the same everywhere. Occasions that no datum has met count as 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.randomness import even_points, generator

DRAWS = 256
"""Of the effects of a patient's occasions, evenly spread."""

WIDER = 0.8
"""By which the spread of draws of two effects is above 1; of n by the root of 2 / n of it. Points are where the
likelihood is greatest, and so where that of a patient would be overstated: draws as wide as what is believed, which
miss what is farther out, overstate it by a tenth and more."""

AT_ONCE = 2**18
"""Draws of all patients and points that are solved in one go."""


class _Occasions(NamedTuple):
    """What draws are made about: means (N, d) of eta and (N, n) of kappas, G (N, n, d), factors s L (N, n, n), 0 of
    kappas that nothing has met, standard draws z (N, S, n), and log N(kappa) - log q but for the square of kappa
    (N, S)."""

    eta: Floats
    kappa: Floats
    along: Floats
    factor: Floats
    standard: Floats
    log: Floats


class Given:
    """p(y_i | eta) of a cohort's patients at the numbers that it begins with.

    Args:
        cohort: of one class and without sites.
        seed: of the draws.
    """

    def __init__(self, cohort: Cohort, seed: int) -> None:
        self.density, self._population = Density(cohort), cohort.theta.start
        self._cohort, self._size = cohort, len(self._population.omega)
        self._occasions = self._about(seed) if len(self._population.omega_iov) else None

    def log_likelihood(self, eta: Floats) -> Floats:
        """(N, K) log p(y_i | eta_k) of points (K, d)."""
        if self._occasions is None:
            z = np.zeros((len(self._cohort), len(eta), self._cohort.size))
            z[:, :, : self._size] = eta
            return self._read(z)
        most = max(1, AT_ONCE // (DRAWS * len(self._cohort)))
        parts = [self._averaged(eta[begin : begin + most], self._occasions) for begin in range(0, len(eta), most)]
        return np.concatenate(parts, axis=1)

    def _averaged(self, eta: Floats, about: _Occasions) -> Floats:
        centre = about.kappa[:, None] + np.einsum("nkd,npd->npk", about.along, eta - about.eta[:, None])
        count, points, o = len(self._cohort), len(eta), len(self._population.omega_iov)
        kappa = centre[:, :, None] + np.einsum("nkj,nsj->nsk", about.factor, about.standard)[:, None]
        z = np.zeros((count, points, DRAWS, self._cohort.size))
        z[..., : self._size] = eta[None, :, None]
        z[..., self._size : self._size + kappa.shape[3]] = kappa
        each = self._read(z.reshape(count, points * DRAWS, -1)).reshape(count, points, DRAWS)
        of_occasion = kappa.reshape(count, points, DRAWS, -1, o)
        square = np.einsum(
            "npsak,kl,npsal->nps", of_occasion, self._population.precision("iov"), of_occasion, optimize=True
        )
        return np.asarray(special.logsumexp(each - 0.5 * square + about.log[:, None], axis=2) - np.log(DRAWS))

    def _read(self, z: Floats) -> Floats:
        return self.density.of(self.density.read(z, self._population.place), self._population.errors)

    def _about(self, seed: int) -> _Occasions:
        cohort, population, d = self._cohort, self._population, self._size
        around = first_proposals(self.density, cohort.theta.pack(population))
        o, count = len(population.omega_iov), len(cohort)
        n = o * len(cohort.parts["iov"])
        kappa, along, factor = np.zeros((count, n)), np.zeros((count, n, d)), np.zeros((count, n, n))
        standard, log = np.zeros((count, DRAWS, n)), np.zeros((count, DRAWS))
        for i, (subject, covariance) in enumerate(zip(cohort.subjects, around.covariance, strict=True)):
            met = o * len(subject.occasions)
            if not met:
                continue
            inside = slice(d, d + met)
            kappa[i, :met] = around.mean[i, inside]
            along[i, :met] = np.linalg.solve(covariance[:d, :d], covariance[:d, inside]).T
            own = covariance[inside, inside] - along[i, :met] @ covariance[:d, inside]
            factor[i, :met, :met] = (1.0 + WIDER * np.sqrt(2.0 / met)) * np.linalg.cholesky(own)
            points = even_points(generator(subject.key, seed, "occasions of support points"), DRAWS, met)
            standard[i, :, :met] = special.ndtri(points)
            log[i] = 0.5 * (standard[i] ** 2).sum(axis=1) + np.log(np.diag(factor[i])[:met]).sum()
            log[i] -= 0.5 * len(subject.occasions) * population.log_det("iov")
        return _Occasions(around.mean[:, :d], kappa, along, factor, standard, log)
