"""The objective at many vectors near to an evaluation, its value alone: resampling asks for thousands of them.

A typical value moves what is predicted as z does (`twin.population.cohort.Cohort.directions`), so that a patient's
points of all vectors are solved in one call. Each vector has modes of its own: they begin moved along from those of the
evaluation, and go on by Newton steps until next to nothing remains, all vectors beside one another. Whose curvature is
no minimum's on the way, or who has not arrived after `MOST_STEPS`, is searched alone as any vector is; and so are all
whose equations are stepped, for these cost what they are stepped, and each person has a pace of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats, Integers
from twin.population.laplace.first_order import FirstOrderObjective
from twin.population.mixture.mixing import mixed
from twin.population.objective import Evaluation, Objective, Point, moved_along

TOGETHER = 32
"""Vectors that are solved side by side."""

MOST_STEPS = 6

EXACT = 1e-8
"""What may remain to a mode: the square of a step, in posterior standard deviations."""


@dataclass
class _Vector:
    """Where one vector stands: ``psi`` (N, D) where modes are looked for, ``moved`` (M,) what its typical values move z
    by, its objective once it is ``found``, and whether it is to be searched ``alone``."""

    vector: Floats
    point: Point
    psi: Floats
    moved: Floats
    log_det: float
    found: float = np.nan
    alone: bool = False

    @property
    def going(self) -> bool:
        """Whether its modes are still looked for."""
        return not self.alone and np.isnan(self.found)

    def step(self, read: Floats) -> None:
        """Go on from what was read where it stands."""
        cohort, point = self.point.cohort, self.point
        look = point.looks_at(np.arange(len(cohort), dtype=np.int64), self.psi, read)
        seen = point.known(look)
        stand = point.stand(self.psi, seen, self.log_det)
        usable = np.isfinite(stand.ofv).all() and np.isfinite(stand.step).all()
        self.alone = not (usable and np.linalg.eigvalsh(seen.look.curvature).min(initial=np.inf) > 0.0)
        if self.alone:
            return
        if stand.remaining.max(initial=0.0) > EXACT:
            self.psi = self.psi - stand.step
            return
        ofv, penalty = stand.ofv, cohort.theta.penalty(self.vector)
        if cohort.classes > 1:
            ofv = -2.0 * mixed(-0.5 * ofv, point.population.shares).log
        self.found = float(ofv.sum()) + (0.0 if penalty is None else penalty.value)


def totals(objective: Objective, here: Evaluation, vectors: Floats) -> Floats:
    """The objective (M,) of everybody at vectors (M, K); NaN where an Omega is singular to rounding."""
    found = np.empty(len(vectors))
    for begin in range(0, len(vectors), TOGETHER):
        some = vectors[begin : begin + TOGETHER]
        found[begin : begin + len(some)] = _totals(objective, here, some)
    return found


def _totals(objective: Objective, here: Evaluation, vectors: Floats) -> Floats:
    each = [_begun(objective, here, vector) for vector in vectors]
    for _ in range(MOST_STEPS):
        if not (going := [one for one in each if one is not None and one.going]):
            break
        for one, read in zip(going, _read(objective, here, going), strict=True):
            one.step(read)
    return np.array([one.found if one is not None and not np.isnan(one.found) else _alone(objective, here, vector)
                     for one, vector in zip(each, vectors, strict=True)])  # fmt: skip


def _begun(objective: Objective, here: Evaluation, vector: Floats) -> _Vector | None:
    """A vector that begins; ``None`` where it is to be searched alone."""
    cohort, theta = objective.cohort, objective.cohort.theta
    if isinstance(objective, FirstOrderObjective) or not cohort.effects or cohort.kernel.stepped:
        return None
    try:
        population = theta.unpack(vector)
        covariance, precision, log_det = population.prior(cohort.parts)
        point = objective.point(population, precision)
    except np.linalg.LinAlgError:
        return None
    moved = (vector - here.vector) @ cohort.directions
    return _Vector(vector, point, moved_along(here, vector, covariance), moved, log_det)


def _read(objective: Objective, here: Evaluation, going: list[_Vector]) -> list[Floats]:
    """What is read (T, ...) around where each of some vectors stands."""
    cohort, count = objective.cohort, len(going)
    population = cohort.theta.unpack(here.vector)
    base = objective.point(population, population.prior(cohort.parts)[1])
    points = np.stack([one.point.around(one.psi) + one.moved for one in going], axis=1)
    which = np.repeat(np.arange(len(cohort), dtype=np.int64), count)
    read = base.read(which, np.ascontiguousarray(points.reshape(len(which), *points.shape[2:])))
    return [np.ascontiguousarray(read[_rows(cohort.first, count, k)]) for k in range(count)]


def _rows(first: Integers, count: int, number: int) -> Integers:
    """Of values (count T,), of each patient those of one vector after those of another, the ones (T,) of one."""
    sizes = np.diff(first)
    return np.asarray(np.arange(first[-1]) + np.repeat((count - 1) * first[:-1] + number * sizes, sizes))


def _alone(objective: Objective, here: Evaluation, vector: Floats) -> float:
    try:
        return objective(vector, here).total
    except np.linalg.LinAlgError:
        return float("nan")
