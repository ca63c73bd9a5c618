"""The objective of first-order conditional estimation, with its gradient, patient by patient.

FOCE with interaction (``focei``) and without (``foce``), as NONMEM counts them: -2 log likelihood without n log(2 pi).
An `Evaluation` holds for every patient the objective, the mode with its covariance, and the score (its derivative by
the vector of `twin.population.theta`), and is where the next one begins: modes are first moved along their own
derivative, so that they are found in a step or two.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers, each_row
from twin.model.measured.error import ErrorSpec
from twin.population import residuals, stencil
from twin.population.cohort import Cohort
from twin.population.joint import terms as joint
from twin.population.joint.instants import Instants
from twin.population.joint.terms import Pairs, Spread
from twin.population.mixture.mixing import HARDLY, mixed, together
from twin.population.modes.curvatures import factors_of, inverse_of, log_det_of, solved_beside
from twin.population.modes.descent import SETTLED, Look, descend, descend_again, scattered
from twin.population.modes.seen import By, Derive, Seen, Stand
from twin.population.residuals import SIZE_STEP, Terms
from twin.population.theta import FitError, effect_names
from twin.population.values import Penalty, Population, scales

Method = Literal["focei", "foce", "fo", "laplace"]

FEW = 5
"""Columns of z up to which all second derivatives are looked at on the way to a mode: they cost nothing there, since
so many points fit into a group of lanes."""

ABOUT = 2.0
"""Standard deviations of its posterior that those are from a patient's mode who tell how finely it is stepped."""

FARTHEST = 1.0
"""A mode is moved along its derivative by this many standard deviations of the prior at the most."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The objective at one vector.

    Of a mixture ``ofv`` and ``score`` are of patients, whatever their class; what is of modes is of members
    (`twin.population.mixture`).

    Attributes:
        vector: (K,) where.
        ofv: (N,) of each patient.
        eta: (N, D) modes, columns of `twin.population.cohort.Cohort`.
        covariance: (N, D, D) inverse of H there.
        score: (N, K) d ofv / d vector.
        moves: (N, D, K) d eta / d vector.
        settled: (N,) whether the search of the mode settled; also of who hardly is of this class.
        remaining: (N,) squared length of the step that was left to the mode, in posterior standard deviations.
        prior: what a prior adds to the objective.
        posterior: (N, classes) how probable each class is given the values; ``None`` without classes.
        site: (N,) number of each patient's site, where sites differ: then patients of one are not independent, ``ofv``
            and ``score`` are each patient's part in what is of the site (of a score the first patient has what is of
            the site alone), and eta has the site's effect in it.
    """

    vector: Floats
    ofv: Floats
    eta: Floats
    covariance: Floats
    score: Floats
    moves: Floats
    settled: NDArray[np.bool_]
    remaining: Floats
    prior: Penalty | None = None
    posterior: Floats | None = None
    site: Integers | None = None

    @property
    def total(self) -> float:
        """The objective, with what the prior adds."""
        return float(self.ofv.sum()) + (0.0 if self.prior is None else self.prior.value)

    @property
    def gradient(self) -> Floats:
        """(K,) of the objective."""
        of_patients = np.asarray(self.score.sum(axis=0))
        return of_patients if self.prior is None else of_patients + self.prior.gradient

    @property
    def told(self) -> Floats:
        """(K, K) curvature of the objective that the scores tell of (`twin.population.search`), and the prior's."""
        return self._told(self.score)

    @property
    def independent(self) -> Floats:
        """Scores (n, K) of what is independent: of patients, or of sites where these differ."""
        if self.site is None:
            return self.score
        found = np.zeros((int(self.site.max(initial=-1)) + 1, self.score.shape[1]))
        np.add.at(found, self.site, self.score)
        return found

    @property
    def told_independently(self) -> Floats:
        """(K, K) as ``told``, by what is independent alone: of full rank only where there is enough of it."""
        return self._told(self.independent)

    def _told(self, score: Floats) -> Floats:
        of_data = np.asarray(0.5 * score.T @ score)
        return of_data if self.prior is None else of_data + self.prior.curvature


class Objective:
    """The objective of one cohort by one method.

    Attributes:
        constant: what the density of values on their own scale adds, where an error is written for logarithms; the
            objective here is that of the values as the error has them, as NONMEM's is of LOG(DV).

    Raises:
        FitError: a value that only Laplace's method can weigh, or that its error cannot have.
    """

    def __init__(self, cohort: Cohort, method: Method = "focei") -> None:
        self.cohort = copy.copy(cohort)  # whose patients are stepped as they need where the search is
        self._begun = cohort.subjects
        self.method = method
        self._check()
        self.instants = Instants([subject.observations for subject in cohort.subjects], cohort.theta.start.errors)
        if self.instants and method == "fo":
            raise FitError("method fo: residuals of outputs correlate, which it cannot weigh; fit by focei")
        every = [o for subject in cohort.subjects for o in subject.observations]
        self._output = np.array([o.output for o in every], dtype=np.int64)
        self._y = np.array([o.value for o in every], dtype=np.float64)
        self.constant = 0.0
        for number in np.unique(self._output):
            of, error = self._output == number, cohort.theta.start.errors[number]
            self.constant += residuals.density_on_own_scale(error, self._y[of])
            self._y[of] = residuals.held_values(error, self._y[of])
        self.constant /= cohort.classes
        self._scales = scales(cohort.kernel.model)

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        """Evaluate at a vector (K,).

        Args:
            last: where modes were; their search begins there, moved along.
            thorough: also search from 0 and along the axes, and step each patient as finely from then on as it needs
                about its mode, as is right for the first and the last evaluation.
        """
        cohort = self.cohort
        if last is None:
            cohort.subjects = self._begun
        population = cohort.theta.unpack(vector)
        covariance, precision, log_det = population.prior(cohort.parts)
        point = self.point(population, precision)
        settled = np.ones(len(cohort), dtype=np.bool_)
        eta = np.zeros((len(cohort), cohort.effects)) if last is None else moved_along(last, vector, covariance)
        if cohort.effects and (thorough or last is None):
            starts = np.concatenate(
                [eta[:, None], np.repeat(scattered(covariance, cohort.axes)[None], len(eta), axis=0)], axis=1
            )
            starts = starts[:, 1:] if last is None else starts
            which = np.repeat(np.arange(len(cohort), dtype=np.int64), starts.shape[1])
            found = descend(point.looks, precision, which, starts.reshape(len(which), -1))
            found = descend_again(point.looks, precision, found.eta) if cohort.kernel.late else found
            eta, settled = found.eta, found.settled
        seen = _settled(point, vector, eta, log_det, settled)
        if thorough and cohort.kernel.stepped:
            factor = factors_of(seen.covariance)
            cohort.subjects = cohort.paced_around(seen.eta, factor, ABOUT, population.place)
            seen = _settled(point, vector, seen.eta, log_det, seen.settled)
        return seen

    def point(self, population: Population, precision: Floats) -> Point:
        """The objective at one population, as a function of the effects; ``precision`` is that of their prior."""
        return Point(self, population, precision)

    def iwres(self, here: Evaluation) -> Floats:
        """Individual weighted residuals (T,) of all values, of a mixture those of members, at the modes of an
        evaluation."""
        everybody = np.arange(len(self.cohort), dtype=np.int64)
        population = self.cohort.theta.unpack(here.vector)
        f = self.predictions(everybody, self.z(here.eta)[:, None], population)[:, 0]
        found = np.empty(len(f))
        for number in np.unique(self._output):
            of = self._output == number
            found[of] = residuals.iwres(population.errors[number], self._y[of], f[of])
        return found

    def _check(self) -> None:
        """Refuse values that the method cannot weigh."""
        residuals.refuse_unusual(self.cohort, self.method)

    def z(self, eta: Floats) -> Floats:
        """Rows (K, M) of eta (K, D) without any shift."""
        return np.hstack([eta, np.zeros((len(eta), self.cohort.size - eta.shape[1]))])

    def displacement(self, population: Population) -> Floats:
        """(M,) of the columns of z: of a parameter that is not on a logarithmic scale, in proportion to its size."""
        model = self.cohort.kernel.model
        names = [p.name for p in model.parameters]
        variance = np.zeros(len(population.place))
        variance[len(names) :] = 1.0  # shapes: what one does hangs on the effects, not on its size
        for level in ("omega", "iov", "drift"):
            for name, one in zip(effect_names(model, level), np.diag(population.covariance(level)), strict=True):
                variance[names.index(name)] += one
        size = np.ones(len(population.place))
        for i, scale in enumerate(self._scales):
            if scale == "identity":
                size[i] = max(abs(population.place[i]), float(np.sqrt(variance[i]))) or 1.0
        return stencil.H * self.cohort.columns.by_column(size)

    def predictions(self, which: Integers, z: Floats, population: Population) -> Floats:
        """(T, S) at points z (K, S, M), as they are `held`."""
        found = self.cohort.predictions(which, z, population.place)
        if any(error.logarithmic for error in population.errors):
            output = self._output[self.cohort.of_observations(which)]
            for number in np.unique(output):
                found[output == number] = residuals.held(population.errors[number], found[output == number])
        return found

    def terms(self, which: Integers, errors: Sequence[ErrorSpec], f: Floats, f0: Floats | None) -> tuple[Terms, Pairs]:
        """Of values (T,) of some patients, and of pairs measured together."""
        alone = self._alone(which, errors, f, f0)
        if not (groups := self.instants.of(which, errors)):
            return alone, Pairs.none()
        at = self.cohort.of_observations(which)
        scatter, apart = np.empty((len(Spread._fields), len(at))), np.empty(len(at))
        for number in np.unique(self._output[at]):
            error, of = errors[number], self._output[at] == number
            around = residuals.spread(error, f[of] if f0 is None else f0[of])
            scatter[:, of] = *around, *residuals.bend_of_scale(error, f[of])
            apart[of] = residuals.away(error, self._y[at][of], f[of])
        return joint.joined(alone, groups, apart, Spread(*scatter), interaction=f0 is None)

    def _alone(self, which: Integers, errors: Sequence[ErrorSpec], f: Floats, f0: Floats | None) -> Terms:
        at = self.cohort.of_observations(which)
        output, y, line = self._output[at], self._y[at], self.method == "fo"
        present = np.unique(output)
        if len(present) == 1:
            return residuals.terms(errors[present[0]], y, f, f0, line=line)
        columns = np.empty((len(Terms._fields), len(at)))
        for number in present:
            of = output == number
            columns[:, of] = residuals.terms(errors[number], y[of], f[of], None if f0 is None else f0[of], line=line)
        return Terms(*columns)


class Point:
    """The objective at one vector, as a function of the effects."""

    def __init__(self, objective: Objective, population: Population, precision: Floats) -> None:
        self.objective = objective
        self.cohort = objective.cohort
        self.population = population
        self.precision = precision
        self.covariance = population.prior(self.cohort.parts)[0]
        self.h = objective.displacement(population)
        self._mixed = self.cohort.size <= FEW
        self._at_zero = np.empty((0, 0))
        if objective.method == "foce":
            typical = objective.z(np.zeros((len(self.cohort), self.cohort.effects)))
            around = stencil.points(typical, self.h, self.cohort.effects, False)
            everybody = np.arange(len(self.cohort), dtype=np.int64)
            self._at_zero = objective.predictions(everybody, around, population)

    def looks(self, which: Integers, eta: Floats) -> Look:
        """What descents of patients ``which`` (K,) see at eta (K, D)."""
        return self.looks_at(which, eta, self.read(which, self.around(eta)))

    def around(self, eta: Floats) -> Floats:
        """The points (K, S, M) that are read to look at eta (K, D)."""
        return np.asarray(stencil.points(self.objective.z(eta), self.h, self.cohort.effects, self._mixed))

    def read(self, which: Integers, points: Floats) -> Floats:
        """What is read (T, S), or (T, R, S), of the values of patients ``which`` (K,) at points (K, S, M)."""
        return self.objective.predictions(which, points, self.population)

    def looks_at(self, which: Integers, eta: Floats, read: Floats) -> Look:
        """What is seen of what was read `around` eta (K, D)."""
        return self._seen(which, eta, read, mixed=self._mixed)[0]

    def _seen(
        self, which: Integers, eta: Floats, f: Floats, *, mixed: bool
    ) -> tuple[Look, Terms, Pairs, Floats, Floats]:
        objective, cohort, z = self.objective, self.cohort, self.objective.z(eta)
        found, pairs = objective.terms(which, self.population.errors, f[:, 0], self._residual_at(which))
        slope = stencil.slopes(f, self.h)
        bend = stencil.bends(f, self.h, cohort.effects) if mixed else np.empty((0, 0, 0))
        first = cohort.offsets(which)
        look = Look(*stencil.inner(first, z, self.precision, found.u, found.u_f, found.u_ff, found.w, slope, bend))
        joint.inner(*pairs[:5], slope, look.information, look.curvature)
        return look, found, pairs, slope, bend

    def _residual_at(self, which: Integers) -> Floats | None:
        """Predictions (T,) at eta = 0, where the residual variance is taken there."""
        if self.objective.method not in ("foce", "fo"):
            return None
        return np.ascontiguousarray(self._at_zero[self.cohort.of_observations(which), 0])

    def evaluation(self, vector: Floats, eta: Floats, log_det: float, settled: NDArray[np.bool_]) -> Evaluation:
        """The objective and its derivatives, of everybody, at modes eta (N, D) or very near to them."""
        look, derive = self.derived(eta)
        seen = self.known(look)
        return self.finished(vector, eta, log_det, settled, seen, *derive(seen.by_data))

    def derived(self, eta: Floats) -> tuple[Look, Derive]:
        """What everybody sees at eta (N, D), and what derivatives there come to."""
        cohort, everybody = self.cohort, np.arange(len(self.cohort), dtype=np.int64)
        f = self.read(everybody, stencil.points(self.objective.z(eta), self.h, cohort.effects, True))
        look, found, pairs, slope, bend = self._seen(everybody, eta, f, mixed=True)

        def derive(inverse: Floats) -> tuple[Floats, By]:
            terms = (found.u_f, found.u_ff, found.w, found.w_f)
            u_z, u_ez, t_z = stencil.outer(cohort.first, inverse, *terms, slope, bend)
            joint.outer(*pairs[:7], inverse, slope, bend, u_ez, t_z)
            # By each number, eta held: of U, of its gradient in eta, and of log det H.
            ways = cohort.directions.T
            by = By(each_row(u_z, ways), u_ez @ ways, each_row(t_z, ways))
            self._by_errors(by, found, inverse, slope)
            if self.objective.method == "foce":
                self._by_typical_residual(by, found, pairs, inverse, slope)
            return t_z, by

        return look, derive

    def known(self, look: Look) -> Seen:
        """What makes H of what is seen at the modes: the information."""
        inverse = np.ascontiguousarray(inverse_of(look.information))
        beside = look.information - self.precision
        by_omega = solved_beside(self.covariance, beside, beside, turned=True)
        return Seen(look, look.information, inverse, inverse, by_omega)

    def stand(self, eta: Floats, seen: Seen, log_det: float) -> Stand:  # noqa: ARG002 (of sites it matters where)
        """How everybody stands at eta (N, D), with ``log_det`` that of the prior's covariance."""
        look, beside = seen.look, seen.look.curvature - self.precision
        step = solved_beside(self.covariance, beside, self.covariance @ look.gradient[:, :, None])[:, :, 0]
        remaining = (look.gradient * step).sum(axis=1)
        # At the mode itself, which is a small step away, U is less by half of what remains.
        ofv = 2.0 * look.value - remaining + log_det + log_det_of(seen.h)
        return Stand(ofv, step, np.abs(remaining))

    def finished(
        self, vector: Floats, eta: Floats, log_det: float, settled: NDArray[np.bool_], seen: Seen, t_z: Floats, by: By
    ) -> Evaluation:
        """The evaluation that all derivatives make, with those (N, M) of log det H by z; those by Omega are added to
        ``by``."""
        d, beside = self.cohort.effects, seen.look.curvature - self.precision
        ofv, newton, remaining = self.stand(eta, seen, log_det)
        # Derivatives of U are those at the mode itself too. Where Omega is next to singular the little that is left to
        # it is much in units of Omega, so that what Omega adds is taken there.
        by.u[:] -= np.einsum("nd,ndk->nk", newton, by.u_e)
        self._by_omega(by, vector, eta - newton, seen)
        moves = -solved_beside(self.covariance, beside, self.covariance @ by.u_e)
        along = t_z[:, :d]
        # The objective at the mode itself, which is a small step away: exact to second order.
        ofv = ofv - (along * newton).sum(axis=1)
        score = 2.0 * by.u + by.t + np.einsum("nd,ndk->nk", along, moves)
        found = Evaluation(
            vector.copy(), ofv, eta - newton, seen.covariance, score, moves, settled.copy(), remaining,
            self.cohort.theta.penalty(vector),
        )  # fmt: skip
        return found if self.cohort.classes == 1 else self._whatever_class(found)

    def _whatever_class(self, members: Evaluation) -> Evaluation:
        """An evaluation of members with objective and score of patients."""
        shares = self.population.shares
        found = mixed(-0.5 * members.ofv, shares)
        score = together(members.score, found.posterior)
        score[:, self.cohort.theta.shares] = -2.0 * (found.posterior - shares)[:, : len(self.cohort.theta.shares)]
        settled = members.settled | (found.posterior.reshape(-1) < HARDLY)
        return replace(members, ofv=-2.0 * found.log, score=score, settled=settled, posterior=found.posterior)

    def _by_errors(self, by: By, found: Terms, inverse: Floats, slope: Floats) -> None:
        """Add derivatives by the free sizes of the errors."""
        cohort, errors = self.cohort, list(self.population.errors)
        everybody = np.arange(len(cohort), dtype=np.int64)
        f, f0 = found.f, self._residual_at(everybody)
        for at in cohort.theta.scatter:
            (up, up_pairs), (down, down_pairs) = (
                self.objective.terms(everybody, cohort.theta.moved_errors(errors, at, side * SIZE_STEP), f, f0)
                for side in (1.0, -1.0)
            )
            change = [(a - b) / (2.0 * SIZE_STEP) for a, b in zip(up[:5], down[:5], strict=True)]
            u, u_e, t = stencil.by_number(cohort.first, inverse, change[0], change[1], change[3], slope)
            joint.by_number(*up_pairs[:3], (up_pairs.w - down_pairs.w) / (2.0 * SIZE_STEP), inverse, slope, t)
            by.add(at, (u, u_e, t))

    def _by_typical_residual(self, by: By, found: Terms, pairs: Pairs, inverse: Floats, slope: Floats) -> None:
        """Add derivatives by typical values through residual variances that are taken at eta = 0."""
        moved = stencil.slopes(self._at_zero, self.h) @ self.cohort.directions.T
        for at in np.flatnonzero(self.cohort.directions.any(axis=1)).tolist():
            along = np.ascontiguousarray(moved[:, at])
            u_f0 = found.u_f0 * along
            np.add.at(u_f0, pairs.a, pairs.u_0a * along[pairs.b])
            np.add.at(u_f0, pairs.b, pairs.u_0b * along[pairs.a])
            u, u_e, t = stencil.by_number(self.cohort.first, inverse, found.u_0 * along, u_f0, found.w_0 * along, slope)
            w_0 = pairs.w_0a * along[pairs.a] + pairs.w_0b * along[pairs.b]
            joint.by_number(*pairs[:3], w_0, inverse, slope, t)
            by.add(at, (u, u_e, t))

    def _by_omega(self, by: By, vector: Floats, eta: Floats, seen: Seen) -> None:
        """Add derivatives by the entries of Omega: of eta' P eta / 2, log det Omega and P in H."""
        theta, population = self.cohort.theta, self.population
        for level, parts in self.cohort.parts.items():
            precision = population.precision(level)
            forces = [each_row(eta[:, part], precision) for part in parts]
            for at, change in theta.omega_slopes(vector, level).items():
                for part, force in zip(parts, forces, strict=True):
                    # In this order: P is large where Omega is next to singular, and eta' P is not.
                    along = each_row(force, change)
                    by.u[:, at] -= 0.5 * (along * force).sum(axis=1)
                    by.u_e[:, part, at] -= each_row(along, precision)
                    by.t[:, at] += np.einsum("nij,ij->n", seen.by_omega[:, part, part], change)


def _settled(point: Point, vector: Floats, eta: Floats, log_det: float, settled: NDArray[np.bool_]) -> Evaluation:
    """The evaluation whose modes are searched from eta (N, D) where these are not next to them."""
    seen = point.evaluation(vector, eta, log_det, settled)
    far = np.flatnonzero(~(seen.remaining <= SETTLED))
    if len(far):
        eta, settled = eta.copy(), settled.copy()
        found = descend(point.looks, point.precision, far, eta[far])
        eta[far], settled[far] = found.eta, found.settled
        seen = point.evaluation(vector, eta, log_det, settled)
    return seen


def moved_along(last: Evaluation, vector: Floats, covariance: Floats) -> Floats:
    """Modes (N, D) of another vector, from those of the last."""
    step = last.moves @ (vector - last.vector)
    length = np.sqrt((step * step / np.diag(covariance)).sum(axis=1)) if step.shape[1] else np.zeros(len(step))
    factor = np.where(np.isfinite(length), np.minimum(1.0, FARTHEST / np.maximum(length, 1e-300)), 0.0)
    return np.asarray(last.eta + factor[:, None] * np.nan_to_num(step))
