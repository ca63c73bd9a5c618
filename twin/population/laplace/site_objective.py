"""First-order conditional estimation with effects of sites: b of a site is integrated over with all its patients.

    OFV_site = 2 U + log det Omega_isv + n log det Omega + log det H,

U and H being those of `twin.population.sites.arrow`, H with the information of FOCE-I in place of u''. So it is FOCE-I
of the site as one subject with q + n D effects, as NONMEM's $LEVEL has it; coordinates are psi = eta + E b, which what
is predicted of a patient depends on alone. Given b patients are searched one by one (`twin.population.modes`), and b
takes Newton steps that they follow.

What is derived from log det H by anything that a patient's data depend on is that of FOCE-I, with the covariance of psi
whatever b is in place of the inverse of H_i; by Omega that of psi - E b stands there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.population import stencil
from twin.population.cohort import Cohort
from twin.population.modes import SETTLED, Look, descend, scattered
from twin.population.objective import (
    By,
    Evaluation,
    Method,
    Objective,
    Point,
    Seen,
    inverse_of,
    log_det_of,
    moved_along,
)
from twin.population.sites.arrow import Arrow, by_site, first_of
from twin.population.theta import FitError
from twin.population.values import Population

EXACT = 1e-9
"""What may remain, as `SETTLED`, of a mode that had to be searched: each round squares it, near to the mode."""

MOST_ROUNDS = 30
"""Times that patients are searched given the effects of their sites, and these moved."""


class SiteObjective(Objective):
    """The objective of a cohort whose model has sites.

    Attributes:
        site: (N,) number of each patient's site.
        above: (D, q) E, which columns of the effects those of the site add to.

    Raises:
        FitError: another method than FOCE-I and FOCE.
    """

    def __init__(self, cohort: Cohort, method: Method) -> None:
        if method not in ("focei", "foce"):
            raise FitError(f"method {method} does not go with [sites]; fit by focei, foce, imp, saem or bayes")
        super().__init__(cohort, method)
        assert cohort.site is not None, "the model has sites"
        self.site = cohort.site
        self.above = cohort.above

    def _check(self) -> None:
        try:
            super()._check()
        except FitError as error:
            why = str(error).removesuffix("; use method laplace")
            raise FitError(
                f"{why}, and where the model has [sites] no method weighs that; leave isv out of it, or these values"
            ) from None

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        cohort = self.cohort
        population = cohort.theta.unpack(vector)
        covariance, precision, _ = population.prior(cohort.occasions)
        point, count = SitePoint(self, population, precision), len(cohort)
        psi = np.zeros((count, cohort.effects)) if last is None else moved_along(last, vector, covariance)
        b, settled = point.conditional(psi), np.ones(count, dtype=np.bool_)
        if thorough or last is None:
            starts = np.concatenate([psi[:, None], np.repeat(scattered(covariance)[None], count, axis=0)], axis=1)
            which = np.repeat(np.arange(count, dtype=np.int64), starts.shape[1])
            found = descend(point.given(b), precision, which, starts.reshape(len(which), -1))
            psi, settled = found.eta, found.settled
            b = point.conditional(psi)
        limit = EXACT if thorough or last is None else SETTLED
        return self._settled(point, vector, psi, b, settled, limit)

    def near(self, vector: Floats, psi: Floats) -> Evaluation:
        """Evaluate at a vector (K,) whose modes are searched from psi (N, D)."""
        population = self.cohort.theta.unpack(vector)
        point = SitePoint(self, population, population.prior(self.cohort.occasions)[1])
        settled = np.ones(len(psi), dtype=np.bool_)
        return self._settled(point, vector, psi, point.conditional(psi), settled, SETTLED)

    def _settled(
        self, point: SitePoint, vector: Floats, psi: Floats, b: Floats, settled: NDArray[np.bool_], limit: float
    ) -> Evaluation:
        """The evaluation where no more than ``limit`` remains to the modes, going on from psi (N, D) and b (S, q)."""
        precision, log_det = point.precision, point.population.prior(self.cohort.occasions)[2]
        seen = point.seen(vector, psi, b, log_det, settled)
        for _ in range(MOST_ROUNDS):
            if (seen.remaining <= limit).all():
                break
            far = np.flatnonzero(~(seen.remaining <= SETTLED))
            psi, b = point.stepped(psi, b) if len(far) else (seen.eta, point.conditional(seen.eta))
            if len(far):
                found = descend(point.given(b), precision, far, psi[far])
                psi[far], settled[far] = found.eta, found.settled
            limit = EXACT
            seen = point.seen(vector, psi, b, log_det, settled)
        return seen


@dataclass(frozen=True)
class _BySite:
    """Derivatives by each number: of U (S, K), of its gradient in b (S, q, K), and of log det Omega_isv H (S, K)."""

    u: Floats
    u_b: Floats
    t: Floats


class SitePoint(Point):
    """The objective at one vector, as a function of psi and b."""

    objective: SiteObjective

    def __init__(self, objective: SiteObjective, population: Population, precision: Floats) -> None:
        super().__init__(objective, population, precision)
        self.site, self.above = objective.site, objective.above
        self.size = np.bincount(self.site).astype(np.float64)

    def conditional(self, psi: Floats) -> Floats:
        """The likeliest effects (S, q) of sites whose patients have these psi (N, D)."""
        reach = self.precision @ self.above
        inside = self.size[:, None, None] * (self.above.T @ reach) + self.population.precision_isv
        return np.asarray(np.linalg.solve(inside, by_site(psi @ reach, self.site)[:, :, None])[:, :, 0])

    def given(self, b: Floats) -> _Given:
        """What descents see of U whose sites have effects b (S, q)."""
        return _Given(self, b)

    def stepped(self, psi: Floats, b: Floats) -> tuple[Floats, Floats]:
        """psi and b after a Newton step of b, by the information, that patients follow to first order."""
        everybody = np.arange(len(psi), dtype=np.int64)
        look = self.given(b)(everybody, psi)
        arrow = self._arrow(look.information)
        step_b, step = arrow.solved(self._slope(psi, b)[:, :, None], look.gradient[:, :, None])
        return psi - step[:, :, 0], b - step_b[:, :, 0]

    def shifted(self, look: Look, which: Integers, psi: Floats, b: Floats) -> Look:
        """What is seen where the prior's mean is E b in place of 0."""
        mean = b[self.site[which]] @ self.above.T
        along = mean @ self.precision
        value = look.value - (along * psi).sum(axis=1) + 0.5 * (along * mean).sum(axis=1)
        return Look(value, look.gradient - along, look.information, look.curvature)

    def _slope(self, psi: Floats, b: Floats) -> Floats:
        """Gradient (S, q) of U by b."""
        away = psi - b[self.site] @ self.above.T
        return b @ self.population.precision_isv - by_site(away @ self.precision @ self.above, self.site)

    def _arrow(self, curvature: Floats) -> Arrow:
        return Arrow.of(inverse_of(curvature), self.precision, self.above, self.population.precision_isv, self.site)

    def seen(self, vector: Floats, psi: Floats, b: Floats, log_det: float, settled: NDArray[np.bool_]) -> Evaluation:
        """The objective and its derivatives at modes psi (N, D) and b (S, q), or very near to them."""
        cohort, d = self.cohort, self.cohort.effects
        everybody = np.arange(len(cohort), dtype=np.int64)
        look, found, slope, bend = self._seen(everybody, psi, mixed=True)
        look = self.shifted(look, everybody, psi, b)
        arrow = self._arrow(look.information)
        whole = np.ascontiguousarray(arrow.of_patients)
        u_z, u_ez, t_z = stencil.outer(cohort.first, whole, found.u_f, found.u_ff, found.w, found.w_f, slope, bend)
        by = By(u_z @ cohort.directions.T, u_ez @ cohort.directions.T, t_z @ cohort.directions.T)
        self._by_errors(by, found, whole, slope)
        if self.objective.method == "foce":
            self._by_typical_residual(by, found, whole, slope)
        above = self._by_covariances(by, vector, psi, b, Seen(look, look.information, arrow.within(self.above), t_z))
        above.t[:] += self._by_isv(above, vector, b, arrow)
        bent = self._arrow(look.curvature)
        slope_b = self._slope(psi, b)
        newton_b, newton = (x[:, :, 0] for x in bent.solved(slope_b[:, :, None], look.gradient[:, :, None]))
        moves = -bent.solved(above.u_b, by.u_e)[1]
        remaining = by_site((look.gradient * newton).sum(axis=1), self.site) + (slope_b * newton_b).sum(axis=1)
        along = t_z[:, :d]
        own = 2.0 * look.value + log_det + log_det_of(look.information) - (along * newton).sum(axis=1)
        of_site = np.einsum("sq,qr,sr->s", b, self.population.precision_isv, b) - remaining
        of_site += self.population.log_det_isv + log_det_of(arrow.schur)
        score = 2.0 * by.u + by.t + np.einsum("nd,ndk->nk", along, moves)
        # As a row of its own, so that squares of scores tell how sharply a site's numbers are known.
        score[first_of(self.site)] += 2.0 * above.u + above.t
        return Evaluation(
            vector.copy(),
            own + (of_site / self.size)[self.site],
            psi - newton,
            whole,
            score,
            moves,
            settled.copy(),
            np.abs(remaining)[self.site],
            cohort.theta.penalty(vector),
            site=self.site,
        )

    def _by_covariances(self, by: By, vector: Floats, psi: Floats, b: Floats, seen: Seen) -> _BySite:
        """Add derivatives by Omega, and by that of occasions; those that b has of them are returned."""
        apart = By(np.zeros_like(by.u), np.zeros_like(by.u_e), np.zeros_like(by.t))
        self._by_omega(apart, vector, psi - b[self.site] @ self.above.T, seen)
        for total, one in ((by.u, apart.u), (by.u_e, apart.u_e), (by.t, apart.t)):
            total += one
        u_b = -by_site(self.above.T @ apart.u_e, self.site)
        nothing = np.zeros((len(b), by.u.shape[1]))
        return _BySite(nothing, u_b, nothing.copy())

    def _by_isv(self, above: _BySite, vector: Floats, b: Floats, arrow: Arrow) -> Floats:
        """Add derivatives by the entries of Omega_isv to U and its gradient; those (S, K) of the determinants."""
        precision, found = self.population.precision_isv, np.zeros_like(above.t)
        for at, change in self.cohort.theta.omega_slopes(vector, "isv").items():
            moved = -precision @ change @ precision
            along = b @ moved
            above.u[:, at] += 0.5 * (along * b).sum(axis=1)
            above.u_b[:, :, at] += along
            found[:, at] = (precision * change).sum() + np.einsum("sij,ij->s", arrow.covariance, moved)
        return found


@dataclass(frozen=True)
class _Given:
    """U of patients with the effects of their sites held."""

    point: SitePoint
    b: Floats

    def __call__(self, which: Integers, psi: Floats) -> Look:
        return self.point.shifted(self.point.looks(which, psi), which, psi, self.b)
