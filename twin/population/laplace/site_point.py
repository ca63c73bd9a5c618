"""The objectives at one vector where sites differ, as functions of psi = eta + E b.

What is predicted of a patient depends on psi alone, and given everybody's psi the likeliest effects of a site are a
weighted mean of those of its patients, so that b is no coordinate of its own here. H of a site with its patients is the
arrow of `twin.population.sites.arrow`, with what the method makes of each patient's values in place of u'':

    log det H = sum_i log det H_i + log det S,

so that what is derived from it by anything that a patient's data depend on is what it is without sites, with the
covariance of psi whatever b is in place of the inverse of H_i; by Omega that of psi - E b stands there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.population.laplace.bounded import Bounded
from twin.population.laplace.first_order import FirstOrderPoint
from twin.population.laplace.laplace import LaplaceObjective, LaplacePoint
from twin.population.modes.curvatures import inverse_of, log_det_of
from twin.population.modes.descent import Look
from twin.population.modes.seen import By, Seen, Stand
from twin.population.objective import Evaluation, Objective, Point
from twin.population.sites.arrow import Arrow, by_site, first_of
from twin.population.values import Population


@dataclass(frozen=True)
class SiteSeen(Seen):
    """What is seen where sites differ.

    Attributes:
        arrow: that H is; modes move as ``bent`` says.
        by_precision_isv, by_isv: (S, q, q) derivatives of log det H Omega_isv by the precision of the effects of sites
            where it is added, and by Omega_isv besides.
    """

    arrow: Arrow
    bent: Arrow
    by_precision_isv: Floats
    by_isv: Floats


class SitePoint(Point):
    """The objective by the information, as that of conditional estimation, or (`FirstOrderSitePoint`) of a line."""

    def __init__(self, objective: Objective, population: Population, precision: Floats) -> None:
        super().__init__(objective, population, precision)
        self.above = self.cohort.above
        self.site, self._size = self._sites()
        self._gathered = np.linalg.inv(
            self._size[:, None, None] * (self.above.T @ precision @ self.above) + population.precision("isv")
        )

    def _sites(self) -> tuple[Integers, Floats]:
        """Number (N,) of the site of each, and how many patients are in each site (S,)."""
        site = self.cohort.site
        assert site is not None, "the model has sites"
        return site, np.bincount(site).astype(np.float64)

    def conditional(self, psi: Floats) -> Floats:
        """The likeliest effects (S, q) of sites whose patients have these psi (N, D)."""
        found = by_site(psi @ (self.precision @ self.above), self.site)
        return np.asarray((self._gathered @ found[:, :, None])[:, :, 0])

    def given(self, b: Floats) -> Callable[[Integers, Floats], Look]:
        """What descents of patients see whose sites have effects b (S, q)."""
        return lambda which, psi: self.shifted(self.looks(which, psi), which, psi, b)

    def shifted(self, look: Look, which: Integers, psi: Floats, b: Floats) -> Look:
        """What is seen where the prior's mean is E b in place of 0."""
        mean = b[self.site[which]] @ self.above.T
        along = mean @ self.precision
        value = look.value - (along * psi).sum(axis=1) + 0.5 * (along * mean).sum(axis=1)
        return Look(value, look.gradient - along, look.information, look.curvature)

    def of_sites(self, of_patients: Floats, b: Floats) -> Floats:
        """U (S,) of sites with effects b (S, q), of what `shifted` has of their patients (N,)."""
        found = by_site(of_patients, self.site) + 0.5 * np.einsum("sq,qr,sr->s", b, self.population.precision("isv"), b)
        return np.asarray(found)

    def arrow(self, curvature: Floats) -> Arrow:
        """Of curvatures (N, D, D) of U of each patient."""
        return Arrow.of(inverse_of(curvature), self.precision, self.above, self.population.precision("isv"), self.site)

    def known(self, look: Look) -> Seen:
        arrow = self.arrow(look.information)
        whole, of_b = np.ascontiguousarray(arrow.of_patients), self.population.precision("isv")[None]
        by_omega = self.precision - self.precision @ arrow.within(self.above) @ self.precision
        return SiteSeen(
            look,
            look.information,
            whole,
            whole,
            by_omega,
            arrow,
            self.arrow(look.curvature),
            arrow.covariance,
            of_b,
        )

    def stand(self, eta: Floats, seen: Seen, log_det: float) -> Stand:
        assert isinstance(seen, SiteSeen), "it is of sites"
        population, b = self.population, self.conditional(eta)
        look = self.shifted(seen.look, np.arange(len(eta), dtype=np.int64), eta, b)
        nothing = np.zeros((len(b), len(population.precision("isv")), 1))  # the gradient by b, which is conditional
        step = seen.bent.solved(nothing, look.gradient[:, :, None])[1][:, :, 0]
        remaining = by_site((look.gradient * step).sum(axis=1), self.site)
        of_site = np.einsum("sq,qr,sr->s", b, population.precision("isv"), b) - remaining
        of_site += population.log_det("isv") + log_det_of(seen.arrow.schur)
        own = 2.0 * look.value + log_det + log_det_of(seen.h)
        return Stand(own + (of_site / self._size)[self.site], step, np.abs(remaining)[self.site])

    def finished(
        self, vector: Floats, eta: Floats, log_det: float, settled: NDArray[np.bool_], seen: Seen, t_z: Floats, by: By
    ) -> Evaluation:
        assert isinstance(seen, SiteSeen), "it is of sites"
        cohort, b = self.cohort, self.conditional(eta)
        ofv, newton, remaining = self.stand(eta, seen, log_det)
        above = self._by_covariances(by, vector, eta, b, seen)
        moves = -seen.bent.solved(above.u_e, by.u_e)[1]
        along = t_z[:, : cohort.effects]
        score = 2.0 * by.u + by.t + np.einsum("nd,ndk->nk", along, moves)
        # As a row of its own, so that squares of scores tell how sharply a site's numbers are known.
        score[first_of(self.site)] += 2.0 * above.u + above.t
        return Evaluation(
            vector.copy(), ofv - (along * newton).sum(axis=1), eta - newton, seen.covariance, score, moves,
            settled.copy(), remaining, cohort.theta.penalty(vector), site=self.site,
        )  # fmt: skip

    def _by_covariances(self, by: By, vector: Floats, psi: Floats, b: Floats, seen: SiteSeen) -> By:
        """Add derivatives by Omega, and by that of occasions; what b has of them, and those by Omega_isv, are returned:
        of U (S, K), of its gradient in b (S, q, K), and of log det Omega_isv H (S, K)."""
        apart = By(np.zeros_like(by.u), np.zeros_like(by.u_e), np.zeros_like(by.t))
        self._by_omega(apart, vector, psi - b[self.site] @ self.above.T, seen)
        for total, one in ((by.u, apart.u), (by.u_e, apart.u_e), (by.t, apart.t)):
            total += one
        nothing = np.zeros((len(b), by.u.shape[1]))
        above = By(nothing, -by_site(self.above.T @ apart.u_e, self.site), nothing.copy())
        precision = self.population.precision("isv")
        for at, change in self.cohort.theta.omega_slopes(vector, "isv").items():
            moved = -precision @ change @ precision
            along = b @ moved
            above.u[:, at] += 0.5 * (along * b).sum(axis=1)
            above.u_e[:, :, at] += along
            above.t[:, at] += np.einsum("sij,ij->s", seen.by_isv, change)
            above.t[:, at] += np.einsum("sij,ij->s", seen.by_precision_isv, moved)
        return above


class FirstOrderSitePoint(SitePoint, FirstOrderPoint):
    """The first-order objective, of a line at psi = 0."""

    def _least(self, begin: Look) -> Floats:
        arrow = self.arrow(begin.information)
        nothing = np.zeros((len(arrow.schur), self.above.shape[1], 1))
        return np.asarray(-arrow.solved(nothing, begin.gradient[:, :, None])[1][:, :, 0])


class LaplaceSitePoint(SitePoint, LaplacePoint):
    """Laplace's objective; where U'' is flat, that of a patient given b is bounded, and then that of b (`Bounded`)."""

    def __init__(self, objective: LaplaceObjective, population: Population, precision: Floats) -> None:
        super().__init__(objective, population, precision)
        self._factor_isv = np.asarray(np.linalg.cholesky(population.omega_isv))

    def known(self, look: Look) -> Seen:
        bounded = self._bounded(look.curvature)
        arrow = self.arrow(bounded.h)
        of_site = self._bounded_site(arrow.schur)
        taken = arrow.where(of_site.h)
        made = taken.along @ of_site.slope[self.site] @ taken.along.swapaxes(1, 2)
        by_data = bounded.by_curvature(made)
        away = taken.along - self.above
        within = away @ of_site.slope[self.site] @ away.swapaxes(1, 2)
        by_prior = (bounded.slope + by_data) @ bounded.curvature - made @ bounded.h
        bent = self.arrow(bounded.convex)
        return SiteSeen(
            replace(look, curvature=bounded.convex),
            bounded.h,
            taken.of_patients,
            bounded.slope + by_data,
            self.precision @ by_prior - self.precision @ (bounded.slope + by_data - made + within) @ self.precision,
            taken,
            bent.where(self._bounded_site(bent.schur).convex),
            of_site.slope,
            self.population.precision("isv") @ of_site.slope @ arrow.schur,
        )

    def _bounded_site(self, schur: Floats) -> Bounded:
        return Bounded.of(schur, self._factor_isv, self._flat)
