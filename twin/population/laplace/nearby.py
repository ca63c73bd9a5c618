"""First-order conditional estimation about an evaluation, without solving anything more.

The objective of a patient depends on data by predictions f around its mode alone, and on the numbers of the population
otherwise in closed form. So what is predicted around the modes of an evaluation is solved once more a little way along
each column of z, either way, and between them taken to be straight:

    f(z* + d) = f(z*) + sum_c d_c df/dz_c,       d = d eta + (what the typical values moved by),

f being that of all points around a row (`twin.population.stencil`), so that its first and second derivatives go along.
What follows is exact to first order in d: of the objective's gradient the derivative by every number, with modes that
move as they do (`Evaluation.moves`). That costs 2 M evaluations of the predictions for M columns, and no search of any
mode, where differences of the gradient cost two searches a number: of 46 numbers and 8 effects 16 in place of 92.
"""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats, Integers
from twin.population import stencil
from twin.population.objective import Evaluation, Objective
from twin.population.values import Population

ALONG = 4.0
"""Displacement of a column of z, in those of `twin.population.stencil`."""


class NearbyObjective(Objective):
    """The objective of a cohort by FOCE-I near to an evaluation of it.

    Attributes:
        here: the evaluation.
    """

    def __init__(self, objective: Objective, here: Evaluation) -> None:
        assert objective.method == "focei", "other methods predict elsewhere too"
        super().__init__(objective.cohort)
        self.here = here
        cohort, population = objective.cohort, objective.cohort.theta.unpack(here.vector)
        self._h, self._z = objective.displacement(population), objective.z(here.eta)
        everybody = np.arange(len(cohort), dtype=np.int64)

        def around(z: Floats) -> Floats:
            return objective.predictions(everybody, stencil.points(z, self._h, cohort.effects, True), population)

        self._f, slopes = around(self._z), list[Floats]()
        for column, step in enumerate((ALONG * self._h).tolist()):
            moved = np.zeros(cohort.size)
            moved[column] = step
            slopes.append((around(self._z + moved) - around(self._z - moved)) / (2.0 * step))
        self._slopes = np.array(slopes)
        self._vector = here.vector

    def displacement(self, population: Population) -> Floats:  # noqa: ARG002
        """As where the predictions are known."""
        return self._h

    def predictions(self, which: Integers, z: Floats, population: Population) -> Floats:  # noqa: ARG002
        """Of everybody, around points near to the modes; what the numbers moved by is known of the vector."""
        moved = z[:, 0] - self._z + (self._vector - self.here.vector) @ self.cohort.directions
        of_values = np.repeat(moved, np.diff(self.cohort.first), axis=0)
        return np.ascontiguousarray(self._f + np.einsum("tm,mts->ts", of_values, self._slopes))

    def moved(self, step: Floats) -> Evaluation:
        """The evaluation at a step (K,) from here, as modes move."""
        self._vector = self.here.vector + step
        population = self.cohort.theta.unpack(self._vector)
        _, precision, log_det = population.prior(self.cohort.parts)
        eta = self.here.eta + self.here.moves @ step
        return self.point(population, precision).evaluation(self._vector, eta, log_det, self.here.settled)
