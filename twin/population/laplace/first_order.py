"""The first-order objective (NONMEM's METHOD=0): in place of the model stands a straight line at eta = 0.

With f0, R and the slopes G of the predictions all at eta = 0, values are normal with mean f0, so that

    V = R + G Omega G',        OFV = log det V + (y - f0)' V^-1 (y - f0)
                                   = 2 U + log det Omega + log det H,

    U = sum ((y - f0 - G eta)^2 / R + log R) / 2 + eta' P eta / 2  at its least,      H = P + sum G G' / R:

the objective of conditional estimation without interaction (`twin.population.objective`) of the line, whose mode is
found by one step. It costs one solve, and is biased where effects are large or values scatter much by them, since a
curve is no line (Beal & Sheiner 1982, Crit Rev Biomed Eng 8:195; Wang 2007, J Pharmacokinet Pharmacodyn 34:575). How
far the line is from the model at what patients are like is told by `bent`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers, each_row
from twin.population import stencil
from twin.population.cohort import Cohort
from twin.population.joint.terms import Pairs
from twin.population.modes.curvatures import inverse_of
from twin.population.modes.descent import Look
from twin.population.modes.seen import By, Derive
from twin.population.objective import Evaluation, Objective, Point
from twin.population.residuals import Terms, on_line, placed, variance
from twin.population.values import Population

BENT = 0.1
"""A line that is this many residual standard deviations from the model biases what is estimated: on published data by
about a standard error at 0.1 to 0.2, by four and more beyond 0.5 (docs/population.md)."""


class FirstOrderObjective(Objective):
    """The first-order objective of one cohort.

    An `Evaluation` of it has the modes of the line: for what is known of patients take those of conditional estimation.

    Raises:
        FitError: a value that is not normal around its prediction.
    """

    def __init__(self, cohort: Cohort) -> None:
        super().__init__(cohort, "fo")

    def __call__(
        self,
        vector: Floats,
        last: Evaluation | None = None,  # noqa: ARG002 (a step from anywhere ends at the mode: nothing is searched)
        *,
        thorough: bool = False,  # noqa: ARG002
    ) -> Evaluation:
        cohort = self.cohort
        population = cohort.theta.unpack(vector)
        _, precision, log_det = population.prior(cohort.parts)
        nobody, settled = np.zeros((len(cohort), cohort.effects)), np.ones(len(cohort), dtype=np.bool_)
        return self.point(population, precision).evaluation(vector, nobody, log_det, settled)

    def point(self, population: Population, precision: Floats) -> Point:
        return FirstOrderPoint(self, population, precision)

    def bent(self, modes: Evaluation) -> float:
        """How far the line is from the model at modes, in residual standard deviations: root mean square of values."""
        population = self.cohort.theta.unpack(modes.vector)
        point = FirstOrderPoint(self, population, population.prior(self.cohort.parts)[1])
        everybody = np.arange(len(self.cohort), dtype=np.int64)
        model, line = self.predictions(everybody, self.z(modes.eta)[:, None], population)[:, 0], point.line(modes.eta)
        ratio = np.full(len(line), np.nan)
        for number in np.unique(self._output):
            error, of = population.errors[number], self._output == number
            apart = placed(error, model[of]) - on_line(error, line[of], point.typical[of])
            ratio[of] = apart / np.sqrt(variance(error, point.typical[of]))
        usable = np.isfinite(ratio)
        return float(np.sqrt(np.mean(ratio[usable] ** 2))) if usable.any() else float("nan")


class FirstOrderPoint(Point):
    """The first-order objective at one vector.

    Attributes:
        typical: (T,) f0 of all values.
    """

    def __init__(self, objective: FirstOrderObjective, population: Population, precision: Floats) -> None:
        super().__init__(objective, population, precision)
        cohort = self.cohort
        typical = objective.z(np.zeros((len(cohort), cohort.effects)))
        everybody = np.arange(len(cohort), dtype=np.int64)
        self._at_zero = objective.predictions(
            everybody, stencil.points(typical, self.h, cohort.effects, True), population
        )
        self.typical = np.ascontiguousarray(self._at_zero[:, 0])
        self._slope = stencil.slopes(self._at_zero, self.h)
        self._bend = stencil.bends(self._at_zero, self.h, cohort.effects)

    def line(self, eta: Floats) -> Floats:
        """f0 + G eta (T,) of all values, at eta (N, D)."""
        d = self.cohort.effects
        return np.asarray(self.typical + (self._slope[:, :d] * self._of_values(eta)).sum(axis=1))

    def looks(self, which: Integers, eta: Floats) -> Look:
        at = self.cohort.of_observations(which)
        along = np.repeat(eta, np.diff(self.cohort.first)[which], axis=0)
        f = self.typical[at] + (self._slope[at, : self.cohort.effects] * along).sum(axis=1)
        return self._look(self.cohort.offsets(which), eta, self._terms(which, f), self._slope[at])

    def evaluation(self, vector: Floats, eta: Floats, log_det: float, settled: NDArray[np.bool_]) -> Evaluation:
        # U is a parabola: a step from anywhere ends at its least.
        everybody = np.arange(len(self.cohort), dtype=np.int64)
        mode = self._least(self.looks(everybody, np.zeros_like(eta)))
        return super().evaluation(vector, mode, log_det, settled)

    def derived(self, eta: Floats) -> tuple[Look, Derive]:
        cohort, slope, bend = self.cohort, self._slope, self._bend
        found = self._terms(np.arange(len(cohort), dtype=np.int64), self.line(eta))

        def derive(inverse: Floats) -> tuple[Floats, By]:
            terms = (found.u_f, found.u_ff, found.w, found.w_f)
            u_z, u_ez, t_z = stencil.outer(cohort.first, inverse, *terms, slope, bend)
            ways = cohort.directions.T
            by = By(each_row(u_z, ways), u_ez @ ways, each_row(t_z, ways))
            self._by_moved_slopes(by, found, inverse, eta)
            self._by_errors(by, found, inverse, slope)
            self._by_typical_residual(by, found, Pairs.none(), inverse, slope)
            # No derivative of H by eta: the line is straight.
            return np.zeros_like(t_z), by

        return self._look(cohort.first, eta, found, slope), derive

    def _least(self, begin: Look) -> Floats:
        """Where U (N, D) is least, of what is seen at 0."""
        return np.asarray(-np.einsum("nij,nj->ni", inverse_of(begin.information), begin.gradient))

    def _by_moved_slopes(self, by: By, found: Terms, inverse: Floats, mode: Floats) -> None:
        """Add derivatives by typical values through G eta: the line turns with them."""
        turned = np.einsum("td,tdm->tm", self._of_values(mode), self._bend) @ self.cohort.directions.T
        for at in np.flatnonzero(self.cohort.directions.any(axis=1)).tolist():
            along = np.ascontiguousarray(turned[:, at])
            change = (found.u_f * along, found.u_ff * along, np.zeros_like(along))
            by.add(at, stencil.by_number(self.cohort.first, inverse, *change, self._slope))

    def _terms(self, which: Integers, f: Floats) -> Terms:
        return self.objective.terms(which, self.population.errors, f, self._residual_at(which))[0]

    def _look(self, first: Integers, eta: Floats, found: Terms, slope: Floats) -> Look:
        z, none = self.objective.z(eta), np.empty((0, 0, 0))
        return Look(*stencil.inner(first, z, self.precision, found.u, found.u_f, found.u_ff, found.w, slope, none))

    def _of_values(self, eta: Floats) -> Floats:
        """Of eta (N, D) of patients that of each of their values (T, D)."""
        return np.repeat(eta, np.diff(self.cohort.first), axis=0)
