"""Laplace's approximation of the likelihood, of any kind of value.

    OFV = 2 U + log det Omega + log det U'',

with U'' by second differences of the log-likelihood, bounded where it is flat (`Bounded`), and the derivatives of
U'' by differences of it: along z, and by the sizes of errors with the predictions held. On the way to a mode
U'' is followed where it is convex, and the expected information (`twin.observation.information`) where it is not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twin.arrays import Floats, Integers, each_row
from twin.observation.aggregate import stretches
from twin.population import stencil
from twin.population.cohort import Cohort
from twin.population.laplace.bounded import Bounded
from twin.population.laplace.flat import FLAT
from twin.population.laplace.weighed import Values, Weighed
from twin.population.modes.curvatures import inverse_of
from twin.population.modes.descent import Look
from twin.population.modes.seen import By, Derive, Seen
from twin.population.objective import Evaluation, Objective, Point
from twin.population.residuals import SIZE_STEP
from twin.population.theta import FitError
from twin.population.values import Population

ALONG = 6.0
"""Displacement of z for derivatives of U'', in those of `twin.population.stencil`."""


class LaplaceObjective(Objective):
    """The objective of one cohort by Laplace's method.

    Args:
        flat: precision, in units of the prior's, from which on U'' is taken as it is (`Bounded`).

    Raises:
        FitError: values whose time is uncertain.
    """

    def __init__(self, cohort: Cohort, flat: float = FLAT) -> None:
        super().__init__(cohort, "laplace")
        self.flat = flat
        self.values = Values(self.cohort)
        self.constant = self.values.constant

    def _check(self) -> None:
        for subject in self.cohort.subjects:
            for o in subject.observations:
                if o.moments:
                    name = self.cohort.kernel.model.outputs[o.output].name
                    raise FitError(
                        f"method laplace: {name} has draw times with an SD (patient {subject.id}); leave them out"
                    )

    def iwres(self, here: Evaluation) -> Floats:
        """As of conditional estimation; NaN of what is not a measured value with a density."""
        every = [o for subject in self.cohort.subjects for o in subject.observations]
        stretch = stretches(self.cohort.theta.unpack(here.vector).errors, every)
        return np.where(self.values.dense, super().iwres(here) / stretch, np.nan)

    def point(self, population: Population, precision: Floats) -> Point:
        return LaplacePoint(self, population, precision)


class LaplacePoint(Point):
    """Laplace's objective at one vector, as a function of the effects."""

    def __init__(self, objective: LaplaceObjective, population: Population, precision: Floats) -> None:
        super().__init__(objective, population, precision)
        self._values, self._flat = objective.values, objective.flat
        self._factor = np.asarray(np.linalg.cholesky(self.covariance))

    def around(self, eta: Floats) -> Floats:
        return np.asarray(stencil.points(self.objective.z(eta), self.h, self.cohort.effects, True))

    def read(self, which: Integers, points: Floats) -> Floats:
        return self._values.rows(which, points, self.population.place)

    def looks_at(self, which: Integers, eta: Floats, read: Floats) -> Look:
        return self._look(which, self.objective.z(eta), self._weighed(which, read))

    def _weighed(self, which: Integers, rows: Floats) -> Weighed:
        return self._values.weighed(which, rows, self.population.errors)

    def _sums(self, which: Integers, loss: Floats) -> Floats:
        """(K, S) of the values of each patient."""
        found, first = np.zeros((len(which), loss.shape[1])), self.cohort.offsets(which)
        some = np.flatnonzero(np.diff(first) > 0)
        found[some] = np.add.reduceat(loss, first[some], axis=0)
        return found

    def _look(self, which: Integers, z: Floats, weighed: Weighed) -> Look:
        d, loss = self.cohort.effects, self._sums(which, weighed.loss)
        along = each_row(z[:, :d], self.precision)
        with np.errstate(invalid="ignore"):
            value = loss[:, 0] + 0.5 * (along * z[:, :d]).sum(axis=1)
            gradient = stencil.slopes(loss, self.h)[:, :d] + along
            curvature = stencil.bends(loss, self.h, d)[:, :, :d] + self.precision
        return Look(value, gradient, self._information(which, z, weighed), np.ascontiguousarray(curvature))

    def _information(self, which: Integers, z: Floats, weighed: Weighed) -> Floats:
        count, width, points = weighed.coordinates.shape
        slope = stencil.slopes(weighed.coordinates.reshape(count * width, points), self.h)
        weight, nothing = weighed.weights.reshape(-1), np.zeros(count * width)
        first = self.cohort.offsets(which) * width
        return np.asarray(
            stencil.inner(first, z, self.precision, nothing, nothing, nothing, weight, slope, np.empty((0, 0, 0)))[2]
        )

    def derived(self, eta: Floats) -> tuple[Look, Derive]:
        cohort, d = self.cohort, self.cohort.effects
        everybody, z = np.arange(len(cohort), dtype=np.int64), self.objective.z(eta)
        rows = self.read(everybody, self.around(eta))
        weighed = self._weighed(everybody, rows)
        look, loss = self._look(everybody, z, weighed), self._sums(everybody, weighed.loss)
        u_z, u_ez, along = stencil.slopes(loss, self.h), stencil.bends(loss, self.h, d), self._along(everybody, z)

        def derive(inverse: Floats) -> tuple[Floats, By]:
            t_z, ways = np.asarray(np.einsum("nij,nmij->nm", inverse, along)), cohort.directions.T
            by = By(each_row(u_z, ways), u_ez @ ways, each_row(t_z, ways))
            self._by_sizes(by, everybody, rows, inverse)
            return t_z, by

        return look, derive

    def known(self, look: Look) -> Seen:
        """What makes H of what is seen at the modes: U'', as far as it is not flat."""
        bounded = self._bounded(look.curvature)
        by_omega = self.precision @ bounded.slope @ (bounded.curvature - self.precision)
        # The mode moves as U'' itself says.
        look = replace(look, curvature=bounded.convex)
        return Seen(look, bounded.h, inverse_of(bounded.h), bounded.slope, by_omega)

    def _bounded(self, curvature: Floats) -> Bounded:
        return Bounded.of(curvature, self._factor, self._flat)

    def _along(self, which: Integers, z: Floats) -> Floats:
        """Derivatives (N, M, D, D) of U'' by z."""
        m, d = z.shape[1], self.cohort.effects
        step = ALONG * self.h
        there = np.repeat(z[:, None], 2 * m, axis=1)
        for c in range(m):
            there[:, c, c] += step[c]
            there[:, m + c, c] -= step[c]
        around = stencil.points(there.reshape(-1, m), self.h, d, True)
        points = around.shape[1]
        rows = self.read(which, around.reshape(len(z), 2 * m * points, m))
        loss = self._sums(which, self._weighed(which, rows).loss).reshape(len(z) * 2 * m, points)
        with np.errstate(invalid="ignore"):  # of values that nothing makes possible
            curvature = stencil.bends(loss, self.h, d)[:, :, :d].reshape(len(z), 2 * m, d, d)
            return np.asarray((curvature[:, :m] - curvature[:, m:]) / (2.0 * step[:, None, None]))

    def _by_sizes(self, by: By, which: Integers, rows: Floats, inverse: Floats) -> None:
        """Add derivatives by the free sizes of the errors."""
        theta, d = self.cohort.theta, self.cohort.effects
        for at in theta.scatter:
            sides = []
            for side in (1.0, -1.0):
                moved = theta.moved_errors(self.population.errors, at, side * SIZE_STEP)
                sides.append(self._sums(which, self._values.weighed(which, rows, moved).loss))
            with np.errstate(invalid="ignore"):  # of values that nothing makes possible
                change = (sides[0] - sides[1]) / (2.0 * SIZE_STEP)
            bend = stencil.bends(change, self.h, d)[:, :, :d]
            trace = np.einsum("nij,nij->n", inverse, bend)
            by.add(at, (change[:, 0], stencil.slopes(change, self.h)[:, :d], trace))
