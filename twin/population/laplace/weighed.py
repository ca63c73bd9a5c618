"""Minus log-likelihood of every value of many patients at many points, values that are alike weighed in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats, Integers
from twin.model.measured.error import ErrorSpec
from twin.model.spec import OutputSpec
from twin.observation.aggregate import Windows
from twin.observation.kind import OutputKind
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation
from twin.observation.residual import standardised
from twin.population.cohort import Cohort, runs_of
from twin.population.joint.instants import Group, Instants
from twin.population.residuals import beside, has_density

REMEMBERED = 4
"""Sets of patients whose values stay sorted out."""


class Weighed(NamedTuple):
    """Of T values at S points.

    Attributes:
        loss: (T, S) minus log-likelihood; of values that are normal or nearly so without log(2 pi) / 2, on the
            logarithm where their error is written for that.
        coordinates, weights: (T, Q, S), (T, Q): their information (`twin.observation.information`) at the first point.
    """

    loss: Floats
    coordinates: Floats
    weights: Floats


class Values:
    """All values of a cohort.

    Attributes:
        constant: what densities on the values' own scale add to the objective.
        dense: (T,) which of all values have a density.
    """

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self._of_subject = [subject.observations for subject in cohort.subjects]
        outputs = cohort.kernel.model.outputs
        every = [(outputs[o.output], o) for values in self._of_subject for o in values]
        self.dense = np.array([has_density(*each) for each in every])
        left_out = [beside(output.error, o) if has_density(output, o) else (0.0, 0.0) for output, o in every]
        self._beside = np.array([sum(one) for one in left_out])
        self.constant = 2.0 * sum(own for _, own in left_out) / cohort.classes
        width = max(len(rows) for rows in cohort.kernel.rows)
        self._rows = np.array([[*rows, *[rows[0]] * (width - len(rows))] for rows in cohort.kernel.rows])
        self.instants = Instants(self._of_subject, cohort.theta.start.errors)
        self._sorted: dict[bytes, tuple[Observation, ...]] = {}

    def rows(self, which: Integers, z: Floats, place: Floats) -> Floats:
        """What likelihoods read (T, R, S) at points z (K, S, M) of patients ``which`` (K,)."""
        found, points = [], z.shape[1]
        for run, out in zip(runs_of(which), self.cohort.rows(which, z, place), strict=True):
            subject = self.cohort.subjects[run.subject]
            read = out[subject.mark[:, None], self._rows[subject.output]]
            read = read.reshape(len(subject.mark), read.shape[1], -1, points)
            found.append(np.moveaxis(read, 2, 0).reshape(-1, read.shape[1], points))
        return np.ascontiguousarray(np.concatenate(found))

    def weighed(self, which: Integers, rows: Floats, errors: Sequence[ErrorSpec]) -> Weighed:
        """The values of patients ``which``, from what `rows` gave for them."""
        every, outputs = self._numbered(which), self.cohort.kernel.model.outputs
        count, points = len(every), rows.shape[2]
        loss = np.empty((count, points))
        found: list[tuple[Integers, Floats, Floats]] = []
        by_output: dict[int, list[Observation]] = {}
        for o in every:
            by_output.setdefault(o.output, []).append(o)
        for number, observations in by_output.items():
            output = replace(outputs[number], error=errors[number])
            kind, read = kind_of(output), rows[:, : len(self.cohort.kernel.rows[number])]
            together: set[int] = set()
            summed = [(o.number, o.readings) for o in observations if o.readings is not None]
            if summed:
                at, windows = np.array([n for n, _ in summed], dtype=np.int64), Windows.of([one for _, one in summed])
                loss[at] = -windows.log_likelihood(errors[number], read[at, 0])
                found.append((at, *windows.information(errors[number], read[at, 0])))
            observations = [o for o in observations if o.readings is None]
            for batch in kind.batches(output, observations):
                at = np.array([o.number for o in batch.observations], dtype=np.int64)
                likely, place, weight = batch.weigh(read[at])
                loss[at] = -likely
                found.append((at, place, weight))
                together |= set(at.tolist())
            alike: dict[tuple[object, ...], list[Observation]] = {}
            for o in observations:
                if o.number not in together:
                    alike.setdefault((o.value, o.below, o.above, o.earlier), []).append(o)
            for group in alike.values():
                at = np.array([o.number for o in group], dtype=np.int64)
                likely, place, weight = _of_alike(kind, output, group[0], read[at])
                loss[at] = -likely
                found.append((at, place, weight))
        loss -= self._beside[self.cohort.of_observations(which), None]
        for joint in self.instants.of(which, errors):
            loss[joint.members[:, 0]] += joint.adds(self._residuals(every, joint, rows, errors))
        widest = max(len(place) for _, place, _ in found)
        coordinates, weights = np.zeros((count, widest, points)), np.zeros((count, widest))
        for at, place, weight in found:
            coordinates[at, : len(place)] = np.moveaxis(place, 0, 1)
            weights[at, : len(place)] = weight[:, :, 0].T
        usable = np.isfinite(weights) & np.isfinite(coordinates).all(axis=2)
        coordinates[~usable] = 0.0
        return Weighed(np.where(np.isfinite(loss), loss, np.inf), coordinates, np.where(usable, weights, 0.0))

    def _residuals(
        self, every: Sequence[Observation], group: Group, rows: Floats, errors: Sequence[ErrorSpec]
    ) -> Floats:
        """Residuals (n, k, S) of values that were measured together, in units of their scale."""
        found = np.empty((*group.members.shape, rows.shape[2]))
        for k, places in enumerate(group.members.T):
            values = np.array([every[place].value for place in places.tolist()])
            found[:, k] = standardised(errors[every[places[0]].output], values[:, None], rows[places, 0])
        return found

    def _numbered(self, which: Integers) -> tuple[Observation, ...]:
        """The values of some patients, each with its place among them as its number."""
        key = which.tobytes()
        if key not in self._sorted:
            every = (o for i in which for o in self._of_subject[i])
            self._sorted[key] = tuple(replace(o, number=n) for n, o in enumerate(every))
            if len(self._sorted) > REMEMBERED:
                self._sorted.pop(next(iter(self._sorted)))
        return self._sorted[key]


def _of_alike(kind: OutputKind, output: OutputSpec, one: Observation, read: Floats) -> tuple[Floats, Floats, Floats]:
    """Log-likelihoods (n, S), coordinates and weights (Q, n, S) of n values that are all as ``one``, of (n, R, S)."""
    count, rows, points = read.shape
    flat = np.moveaxis(read, 1, 0).reshape(rows, count * points)
    place, weight = kind.information(output, flat)
    likely = kind.log_likelihood(output, one, flat)
    return (
        likely.reshape(count, points),
        place.reshape(-1, count, points),
        np.broadcast_to(weight, place.shape).reshape(-1, count, points),
    )
