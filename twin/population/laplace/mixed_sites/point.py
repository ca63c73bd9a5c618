"""The objectives at one vector, as functions of the effects of sites and of their patients in every class.

Derivatives by any number are those of members (`twin.population.objective.Point.derived`): of the determinants of their
H, weighed by how probable it is that they are who they are, and of S, to which each adds what its H leaves of b.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.arrays import Floats, Integers
from twin.population.laplace.bounded import Bounded
from twin.population.laplace.first_order import FirstOrderPoint
from twin.population.laplace.flat import FLAT
from twin.population.laplace.laplace import LaplaceObjective, LaplacePoint
from twin.population.laplace.mixed_sites.standing import Moved, Response, Standing
from twin.population.laplace.site_point import SitePoint
from twin.population.mixture.mixing import mixed, together
from twin.population.modes.curvatures import inverse_of, log_det_of
from twin.population.modes.descent import Look
from twin.population.modes.seen import By, Seen
from twin.population.objective import Evaluation, Objective
from twin.population.sites.arrow import by_site, first_of
from twin.population.sites.nodes import about
from twin.population.values import Population

IMPOSSIBLE = 1e200
"""The objective of a member whose values cannot be, where there has to be a number."""


class MixedSitePoint(SitePoint):
    """By the information, as that of conditional estimation, or (`FirstOrderMixedSitePoint`) of a line."""

    flat = FLAT

    def __init__(self, objective: Objective, population: Population, precision: Floats) -> None:
        super().__init__(objective, population, precision)
        self._reach, self._log_det = precision @ self.above, population.prior(self.cohort.parts)[2]
        self._factor_isv = np.asarray(np.linalg.cholesky(population.omega_isv))

    def _sites(self) -> tuple[Integers, Floats]:
        """Of members; each of a patient who is alone is a site."""
        site, classes = self.cohort.site, self.cohort.classes
        assert site is not None, "the model has sites"
        self._alone = np.repeat(np.bincount(site)[site] == 1, classes)
        names = np.where(self._alone, len(site) + np.arange(len(self._alone)), np.repeat(site, classes))
        number = np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)
        return number, by_site(np.where(self._alone, 1.0, 1.0 / classes), number)

    def likely(self, psi: Floats, posterior: Floats) -> Floats:
        """The likeliest effects (sites, q) of sites whose members have these psi (N, D) and are as probable (n, K)."""
        weight = np.where(self._alone, 1.0, posterior.reshape(-1))
        return self.conditional(weight[:, None] * psi)

    def made(self, look: Look) -> Bounded:
        """What the method makes of what is seen: H, with log det Omega H and its derivative."""
        h = look.information
        inverse = np.ascontiguousarray(inverse_of(h))
        return Bounded(h, look.curvature, h, log_det_of(h) + self._log_det, inverse, inverse, np.ones_like(h))

    def stands(self, psi: Floats, b: Floats, look: Look | None = None) -> Standing:
        """How everybody stands at psi (N, D) and b (sites, q)."""
        everybody = np.arange(len(psi), dtype=np.int64)
        seen = self.shifted(self.looks(everybody, psi) if look is None else look, everybody, psi, b)
        possible = np.isfinite(seen.value) & np.isfinite(seen.gradient).all(axis=1)
        possible &= np.isfinite(seen.curvature).all(axis=(1, 2)) & np.isfinite(seen.information).all(axis=(1, 2))
        seen = _possible(seen, possible, self.precision)
        made = self.made(seen)
        seen = replace(seen, curvature=made.convex)
        short = (seen.gradient * (inverse_of(seen.curvature) @ seen.gradient[:, :, None])[:, :, 0]).sum(axis=1)
        of_members = 2.0 * seen.value - short + made.log_det
        posterior = mixed(-0.5 * of_members, self.population.shares).posterior
        schur = self._schur(psi, posterior, made)
        of_site = Bounded.of(schur, self._factor_isv, self.flat)
        of_b = self.population.precision("isv")
        with_b = (np.einsum("sq,qr,sr->s", b, of_b, b) + of_site.log_det)[self.site]
        found = mixed(-0.5 * (of_members + np.where(self._alone, with_b, 0.0)), self.population.shares)
        return Standing(
            psi, b, self.site, self.above, seen, made, of_members, found, self._alone, schur, of_site, of_b,
            self._reach, possible,
        )  # fmt: skip

    def _schur(self, psi: Floats, posterior: Floats, made: Bounded) -> Floats:
        """S (sites, q, q)."""
        apart = (psi - np.repeat(together(psi, posterior), posterior.shape[1], axis=0)) @ self._reach
        apart[self._alone] = 0.0
        weight = np.where(self._alone, 1.0, posterior.reshape(-1))
        told = self._reach.T @ inverse_of(made.h) @ self._reach + apart[:, :, None] * apart[:, None, :]
        each = weight[:, None, None] * (self.above.T @ self._reach - told)
        return by_site(each, self.site) + self.population.precision("isv")

    def of_each(self, here: Standing) -> Floats:
        """The objective (sites,) where everybody stands."""
        classes = self.cohort.classes
        own = np.where(self._alone, here.of_members, np.repeat(-2.0 * here.mixed.log / classes, classes))
        return by_site(own, self.site) + self._with_b(here)

    def _with_b(self, here: Standing) -> Floats:
        """What b adds to the objective (sites,)."""
        along = np.einsum("sq,qr,sr->s", here.b, here.of_b, here.b)
        return np.asarray(along + here.of_site.log_det)

    def evaluated(self, vector: Floats, psi: Floats, b: Floats, settled: NDArray[np.bool_]) -> Evaluation:
        """The objective and its derivatives at modes psi (N, D) and b (sites, q), or very near to them."""
        look, derive = self.derived(psi)
        here, d = self.stands(psi, b, look), psi.shape[1]
        along, by = derive(here.made.slope)
        by_data, by_omega = self._of_schur(here)
        along_schur, of_schur = derive(by_data)
        apart, apart_schur = (By(np.zeros_like(by.u), np.zeros_like(by.u_e), np.zeros_like(by.t)) for _ in range(2))
        own_by_omega = self.precision @ here.made.slope @ (here.made.curvature - self.precision)
        self._by_omega(apart, vector, here.away, _with(here, own_by_omega))
        self._by_omega(apart_schur, vector, here.away, _with(here, by_omega))
        possible = here.possible
        moved = self._moved(vector, here, by, apart, possible)
        along, along_schur = (np.where(possible[:, None], each[:, :d], 0.0) for each in (along, along_schur))
        found = here.responses(moved, along)
        of_members = moved.of_members + np.einsum("nd,ndk->nk", along, found.psi)
        score = together(of_members - 2.0 * moved.log_share, here.mixed.posterior)
        own = np.where(possible[:, None], of_schur.t + apart_schur.t, 0.0)
        score += self._by_schur(here, along_schur, np.column_stack([own, np.zeros(len(own))]), found)
        score[:, :-1] += self._of_sites(here, self._by_isv(here, vector))
        return self._evaluation(vector, here, score, found, settled)

    def _evaluation(
        self, vector: Floats, here: Standing, score: Floats, found: Response, settled: NDArray[np.bool_]
    ) -> Evaluation:
        """Of scores (n, K + 1) and responses whose last column is the step that was left to the modes."""
        step_b, each = found.b[:, :, -1], self._with_b(here)
        short = np.where(by_site(self._alone.astype(np.float64), self.site) > 0.0, 0.0, each)
        short -= (step_b * here.balance).sum(axis=1)
        own = inverse_of(here.made.h)
        reach = own @ self._reach
        return Evaluation(
            vector.copy(),
            -2.0 * here.mixed.log + score[:, -1] + self._spread(here, short),
            here.psi + found.psi[:, :, -1],
            own + reach @ inverse_of(here.of_site.h)[self.site] @ reach.swapaxes(1, 2),
            score[:, :-1],
            found.psi[:, :, :-1],
            settled | here.hardly,
            here.remains(step_b),
            self.cohort.theta.penalty(vector),
            self._whatever_b(here),
            self.cohort.site,
        )

    def _whatever_b(self, here: Standing) -> Floats:
        """How probable each class is (n, K) whatever b is, which is normal about its mode: its objective there is that
        of a parabola in b, of who is alone what each class comes to."""
        spread = inverse_of(here.of_site.h)
        if not np.isfinite(spread).all():
            return here.mixed.posterior
        nodes, log_weight = about(np.zeros_like(here.b), spread)
        log_weight = log_weight - 0.5 * np.einsum("smq,sqr,smr->sm", nodes, here.of_site.h, nodes)
        at, bend = nodes[self.site], self._reach.T @ (self.above - inverse_of(here.made.h) @ self._reach)
        log = np.einsum("nmq,nq->nm", at, here.away @ self._reach) - 0.5 * np.einsum("nmq,nqr,nmr->nm", at, bend, at)
        of_members = np.where(np.isfinite(here.of_members), here.of_members, IMPOSSIBLE)
        log = (log - 0.5 * of_members[:, None]).reshape(*here.mixed.posterior.shape, -1)
        each = special.softmax(log + np.log(self.population.shares)[:, None], axis=1)
        weight = special.softmax(log_weight, axis=1)[self.site[:: self.cohort.classes]]
        alone = self._alone[:: self.cohort.classes, None]
        return np.asarray(np.where(alone, here.mixed.posterior, np.einsum("nkm,nm->nk", each, weight)))

    def _spread(self, here: Standing, of_sites: Floats) -> Floats:
        """What sites have (sites,), as parts (n,) of their patients; of who is alone weighed by the classes."""
        part = (of_sites / self._size)[self.site] * np.where(self._alone, here.mixed.posterior.reshape(-1), 1.0)
        each = np.where(self._alone, part, part / self.cohort.classes)
        return np.asarray(each.reshape(-1, self.cohort.classes).sum(axis=1))

    def _of_sites(self, here: Standing, of_sites: Floats) -> Floats:
        """What sites have (sites, K), as of their first patients (n, K); of who is alone weighed by the classes."""
        first = first_of(self.site)
        weight = np.where(self._alone, here.mixed.posterior.reshape(-1), 1.0)[first]
        found = np.zeros((len(here.mixed.log), of_sites.shape[1]))
        np.add.at(found, first // self.cohort.classes, weight[:, None] * of_sites)
        return found

    def _moved(self, vector: Floats, here: Standing, by: By, apart: By, possible: NDArray[np.bool_]) -> Moved:
        """What moves by each number, and last by the step that is left to the modes."""
        theta, classes = self.cohort.theta, self.cohort.classes
        u_e = np.concatenate([by.u_e + apart.u_e, here.look.gradient[:, :, None]], axis=2)
        of_members = np.column_stack([2.0 * (by.u + apart.u) + by.t + apart.t, np.zeros(len(here.psi))])
        log_share = np.zeros_like(of_members)
        for number, at in enumerate(theta.shares):
            log_share[:, at] = (np.arange(len(here.psi)) % classes == number) - self.population.shares[number]
        pulled = here.weight[:, None, None] * (self.above.T @ np.where(possible[:, None, None], apart.u_e, 0.0))
        balance = np.concatenate([by_site(pulled, self.site), here.balance[:, :, None]], axis=2)
        for at, precision in self._precisions_isv(vector).items():
            balance[:, :, at] -= here.b @ precision
        usable = possible[:, None]
        return Moved(np.where(usable[:, None], u_e, 0.0), np.where(usable, of_members, 0.0), log_share, balance)

    def _precisions_isv(self, vector: Floats) -> dict[int, Floats]:
        """How P_b (q, q) moves by each number of Omega_isv, by its place in the vector."""
        precision = self.population.precision("isv")
        slopes = self.cohort.theta.omega_slopes(vector, "isv")
        return {at: -precision @ change @ precision for at, change in slopes.items()}

    def _by_isv(self, here: Standing, vector: Floats) -> Floats:
        """What is of sites alone, (sites, K): derivatives of b' P_b b, and of log det Omega_isv S with members' part
        held."""
        found, slope = np.zeros((len(here.b), len(vector))), here.of_site.slope
        for at, moved in self._precisions_isv(vector).items():
            change = self.cohort.theta.omega_slopes(vector, "isv")[at]
            found[:, at] = ((here.b @ moved) * here.b).sum(axis=1) + np.einsum("sij,ij->s", slope, moved)
            found[:, at] += np.einsum("sij,ij->s", here.of_b @ slope @ here.schur, change)
        return found

    def _of_schur(self, here: Standing) -> tuple[Floats, Floats]:
        """Derivatives (N, D, D) of log det S by what each member's data add to H, and by Omega."""
        made, p, slope = here.made, self.precision, here.of_site.slope[self.site]
        along = inverse_of(made.h) @ self._reach
        of_h = along @ slope @ along.swapaxes(1, 2)
        by_data = made.by_curvature(of_h)
        away = along - self.above
        apart = here.apart
        other = ((apart @ self._reach)[:, None] @ slope)[:, 0] @ self.above.T
        between = apart[:, :, None] * other[:, None] + other[:, :, None] * apart[:, None]
        within = by_data - of_h + away @ slope @ away.swapaxes(1, 2) - between
        by_omega = p @ (by_data @ made.curvature - of_h @ made.h) - p @ within @ p
        weight = here.weight[:, None, None]
        return np.ascontiguousarray(weight * by_data), weight * by_omega

    def _by_schur(self, here: Standing, along: Floats, own: Floats, found: Response) -> Floats:
        """Derivatives (n, K) of log det S by what is patients': their ``own`` (N, K), with modes held, those ``along``
        psi (N, D), and by how probable classes are."""
        slope = here.of_site.slope[self.site]
        apart = here.apart @ self._reach
        turned = (slope @ apart[:, :, None])[:, :, 0]
        along = along - 2.0 * here.weight[:, None] * (turned @ self._reach.T)
        told = self._reach.T @ inverse_of(here.made.h) @ self._reach
        gives = np.einsum("nij,nij->n", slope, told) + (turned * apart).sum(axis=1)
        each = own + np.einsum("nd,ndk->nk", along, found.psi) - gives[:, None] * found.posterior
        each *= np.where(self._alone, here.mixed.posterior.reshape(-1), 1.0)[:, None]
        return np.asarray(each.reshape(-1, self.cohort.classes, each.shape[1]).sum(axis=1))


class FirstOrderMixedSitePoint(MixedSitePoint, FirstOrderPoint):
    """Of a line at psi = 0 in each class."""


class LaplaceMixedSitePoint(MixedSitePoint, LaplacePoint):
    """By Laplace's method, of any kind of value."""

    def __init__(self, objective: LaplaceObjective, population: Population, precision: Floats) -> None:
        super().__init__(objective, population, precision)
        self.flat = objective.flat

    def made(self, look: Look) -> Bounded:
        return self._bounded(look.curvature)


def _possible(look: Look, which: NDArray[np.bool_], precision: Floats) -> Look:
    """What is seen, of members whose values are impossible with the prior in place of what is no number."""
    one, every = which[:, None], which[:, None, None]
    return Look(
        np.where(which, look.value, np.inf),
        np.where(one, look.gradient, 0.0),
        np.where(every, look.information, precision),
        np.where(every, look.curvature, precision),
    )


def _with(here: Standing, by_omega: Floats) -> Seen:
    """What derivatives by Omega (N, D, D) are to be worked out of."""
    return Seen(here.look, here.made.h, here.made.slope, here.made.slope, by_omega)
