"""log p(values of a patient | effects): of any kind of value, for any number of draws.

A value that is normal around its prediction counts without log(2 pi) / 2, on the logarithm where its error is written
for that, as NONMEM counts it (`twin.population.objective`). What is known only by a limit counts by its probability
(method M3, Beal 2001, J Pharmacokinet Pharmacodyn 28:481), and a category, a count or an event by its own.

Values are weighed in parts: those of one output that are normal, those beyond limits, those that say the same, as a
yes does of any patient. What moves some predictions or the size of one error leaves other parts as they are, so that a
difference between two of such (`Density.change`) is worked out of those alone that differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, cast

import numpy as np

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.model.measured.error import ErrorSpec
from twin.model.spec import OutputSpec
from twin.observation import residual
from twin.observation.aggregate import Windows
from twin.observation.kinds import kind_of
from twin.observation.likelihood import log_likelihood
from twin.observation.observation import Observation
from twin.population.cohort import Cohort, runs_of
from twin.population.joint.instants import Instants
from twin.population.residuals import beside, has_density, held, held_values, iwres, log_density


@dataclass(frozen=True)
class Read:
    """What the likelihood reads of everybody at S points each.

    Attributes:
        parts: of each part of the values (T of them) predictions (T, S), or rows (R, T, S), or (moments, R, 1, S).
    """

    parts: tuple[Floats, ...]

    @property
    def points(self) -> int:
        """S."""
        return int(self.parts[0].shape[-1])

    def moved(self, along: Slopes, by: float) -> Read:
        """All of it, moved by so much along its slopes; parts that these leave alone are the same arrays."""
        each = zip(self.parts, along.parts, strict=True)
        return Read(tuple(one if slope is None else one + by * slope for one, slope in each))

    def slopes(self, down: Read, width: float) -> Slopes:
        """The slopes from ``down`` to here, which lie ``width`` apart."""
        each = zip(self.parts, down.parts, strict=True)
        with np.errstate(invalid="ignore"):  # of a draw that cannot be
            return Slopes(tuple(None if np.array_equal(up, low) else (up - low) / width for up, low in each))

    def bend(self, up: Read, down: Read, step: float) -> Slopes:
        """How slopes change from ``down`` over here to ``up``, which lie a ``step`` away on either side."""
        each = zip(self.parts, up.parts, down.parts, strict=True)
        with np.errstate(invalid="ignore"):  # of a draw that cannot be
            return Slopes(tuple(None if np.array_equal(a, b) else (a - 2.0 * mid + b) / step**2 for mid, a, b in each))

    def at(self, points: slice) -> Read:
        """What was read of some points."""
        return Read(tuple(np.ascontiguousarray(one[..., points]) for one in self.parts))


@dataclass(frozen=True)
class Slopes:
    """How what is read moves with a number; ``None`` of parts that it leaves alone."""

    parts: tuple[Floats | None, ...]


class _Part(Protocol):
    """Values (T,) of one output that are weighed in one call, those of a patient beside one another."""

    @property
    def output(self) -> int: ...

    @property
    def patient(self) -> Integers: ...

    def read(self, solved: Sequence[Floats]) -> Floats:
        """Of everybody's solutions (marks, O, S)."""

    def weighed(self, error: ErrorSpec, read: Floats) -> Floats:
        """Log density (T, S)."""


@dataclass(frozen=True)
class _Normal:
    """Those that are read alike: ``is`` the value, or all that is known is that it is beyond it.

    Predictions of values are `held`, and so is ``at``; those of limits are as they are. ``number`` is that of each
    value among its patient's, ``mark`` its row of the solution, and ``row`` that of what is predicted.
    """

    output: int
    known: Literal["is", "below", "above"]
    patient: Integers
    number: Integers
    mark: Integers
    at: Floats
    error: ErrorSpec
    row: int

    def read(self, solved: Sequence[Floats]) -> Floats:
        predicted = _of_marks(solved, self.patient, self.mark, self.row)
        return held(self.error, predicted) if self.known == "is" else predicted

    def weighed(self, error: ErrorSpec, read: Floats) -> Floats:
        at = self.at[:, None]
        if self.known == "is":
            return log_density(error, at, read)
        if self.known == "below":
            return residual.log_likelihood(error, 0.0, read, below=at)
        return residual.log_likelihood(error, 0.0, read, above=at)


@dataclass(frozen=True)
class _Windows:
    """Those that sum up readings of a wearable; of each (T,) it is told ``beside`` what is left out of its density."""

    output: int
    patient: Integers
    mark: Integers
    row: int
    windows: Windows
    beside: Floats

    def read(self, solved: Sequence[Floats]) -> Floats:
        return _of_marks(solved, self.patient, self.mark, self.row)

    def weighed(self, error: ErrorSpec, read: Floats) -> Floats:
        return self.windows.log_likelihood(error, read) + self.beside[:, None]


@dataclass(frozen=True)
class _Alike:
    """Others, each of which says what ``one`` does, of the outputs' specification ``of``: their rows of the solution
    are (T,) ``mark``, or (1, moments) of one that may have been drawn at several, and ``rows`` of each is read."""

    output: int
    of: OutputSpec
    one: Observation
    patient: Integers
    mark: Integers
    rows: list[int]

    def read(self, solved: Sequence[Floats]) -> Floats:
        if self.mark.ndim == 2:
            return np.ascontiguousarray(solved[self.patient[0]][self.mark[0]][:, self.rows, None])
        found = np.empty((len(self.rows), len(self.patient), solved[0].shape[-1]))
        for run in runs_of(self.patient):
            part = slice(run.begin, run.end)
            found[:, part] = solved[run.subject][self.mark[part, None], self.rows].swapaxes(0, 1)
        return found

    def weighed(self, error: ErrorSpec, read: Floats) -> Floats:
        output, flat = replace(self.of, error=error), read.reshape(*read.shape[:-2], -1)
        found = log_likelihood(output, self.one, flat).reshape(len(self.patient), read.shape[-1])
        return found + sum(beside(error, self.one)) if has_density(output, self.one) else found


class Density:
    """Densities of one cohort's values.

    Attributes:
        normal: values that count without log(2 pi) / 2.
        constant: what the density of values on their own scale adds to -2 log likelihood, besides that on logarithms.
    """

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self._outputs = cohort.kernel.model.outputs
        every = [(i, n, o) for i, subject in enumerate(cohort.subjects) for n, o in enumerate(subject.observations)]
        self._normal = self._normals([each for each in every if self._known(each[2])])
        summed = [each for each in every if each[2].readings is not None]
        others = [each for each in every if not self._known(each[2]) and each[2].readings is None]
        alike = [self._alike(some) for some in _alike(others)]
        self._parts: tuple[_Part, ...] = (*self._normal, *self._windows(summed), *alike)
        self._instants = Instants([subject.observations for subject in cohort.subjects], cohort.theta.start.errors)
        self._places = self._placed()
        of_patients = [(self._outputs[o.output], o) for subject in cohort.patients for o in subject.observations]
        left_out = [beside(output.error, o) for output, o in of_patients if has_density(output, o)]
        self.normal = len(left_out)
        self.constant = 2.0 * sum(own for _, own in left_out)

    def read(self, z: Floats, place: Floats) -> Read:
        """At points z (N, S, M) of everybody."""
        everybody = np.arange(len(self.cohort), dtype=np.int64)
        solved = self.cohort.rows(everybody, z, place)
        return Read(tuple(part.read(solved) for part in self._parts))

    def moved(self, read: Read, along: Slopes, by: Floats) -> Read:
        """What was read, moved along slopes by so much (N, S) of each patient's points."""
        each = zip(self._parts, read.parts, along.parts, strict=True)
        return Read(tuple(one if slope is None else one + by[part.patient] * slope for part, one, slope in each))

    def of(self, read: Read, errors: Sequence[ErrorSpec]) -> Floats:
        """log p(values | draw) (N, S) of everybody; -inf where a draw makes them impossible."""
        total = np.zeros((len(self.cohort), read.points))
        for part, rows in zip(self._parts, read.parts, strict=True):
            _add(total, part.patient, part.weighed(errors[part.output], rows))
        self._add_joint(total, read, errors)
        return np.where(np.isfinite(total), total, -np.inf)

    def change(self, up: Read, down: Read, errors: Sequence[ErrorSpec], errors_down: Sequence[ErrorSpec]) -> Floats:
        """How much more log p(values | draw) (N, S) is of what was read ``up``, with ``errors``, than ``down``."""
        if self._instants:
            return self.of(up, errors) - self.of(down, errors_down)
        total = np.zeros((len(self.cohort), up.points))
        for part, high, low in zip(self._parts, up.parts, down.parts, strict=True):
            error, other = errors[part.output], errors_down[part.output]
            if high is not low or error != other:
                with np.errstate(invalid="ignore"):  # a draw that cannot be, either way
                    _add(total, part.patient, part.weighed(error, high) - part.weighed(other, low))
        return total

    def _placed(self) -> Integers:
        """(T, 2) of all values the batch that each is in, and its place there; of one in none -1."""
        found = np.full((int(self.cohort.first[-1]), 2), -1, dtype=np.int64)
        for n, batch in enumerate(self._normal):
            if batch.known == "is":
                found[self.cohort.first[batch.patient] + batch.number] = np.stack(
                    [np.full(len(batch.at), n), np.arange(len(batch.at))], axis=1
                )
        return found

    def _add_joint(self, total: Floats, read: Read, errors: Sequence[ErrorSpec]) -> None:
        """Add what values have that were measured together and whose residuals correlate."""
        if not self._instants:
            return
        for group in self._instants.of(np.arange(len(self.cohort), dtype=np.int64), errors):
            z = np.empty((*group.members.shape, total.shape[1]))
            for k, places in enumerate(group.members.T):
                n, at = int(self._places[places[0], 0]), self._places[places, 1]
                batch, predicted = self._normal[n], read.parts[n][at]
                z[:, k] = iwres(errors[batch.output], batch.at[at][:, None], predicted)
            _add(total, group.patient, -group.adds(z))

    def _known(self, o: Observation) -> str:
        """How a value of a normal error that stands alone is known; empty for any other."""
        output = self._outputs[o.output]
        kind, error = kind_of(output), output.error
        alone = not (o.earlier or o.moments or o.readings is not None)
        if kind.discrete or kind.awaited or error.df is not None or error.outliers is not None or not alone:
            return ""
        if o.below is not None:
            return "below"
        if o.above is not None:
            return "above"
        return "" if error.transformed and o.value <= 0.0 else "is"

    def _normals(self, every: Sequence[tuple[int, int, Observation]]) -> tuple[_Normal, ...]:
        found = []
        for output, known in sorted({(o.output, self._known(o)) for *_, o in every}):
            mine = [(i, n, o) for i, n, o in every if (o.output, self._known(o)) == (output, known)]
            at = [o.value if known == "is" else o.below if known == "below" else o.above for *_, o in mine]
            value, error = np.array(at, dtype=np.float64), self._outputs[output].error
            found.append(
                _Normal(
                    output,
                    cast("Literal['is', 'below', 'above']", known),
                    np.array([i for i, *_ in mine], dtype=np.int64),
                    np.array([n for _, n, _ in mine], dtype=np.int64),
                    self._marks(mine),
                    held_values(error, value) if known == "is" else value,
                    error,
                    self.cohort.kernel.rows[output][0],
                )
            )
        return tuple(found)

    def _windows(self, every: Sequence[tuple[int, int, Observation]]) -> list[_Windows]:
        found = []
        for output in sorted({o.output for *_, o in every}):
            mine = [each for each in every if each[2].output == output]
            patients, row = np.array([i for i, *_ in mine], dtype=np.int64), self.cohort.kernel.rows[output][0]
            windows = Windows.of([o.readings for *_, o in mine if o.readings is not None])
            left_out = np.array([sum(beside(self._outputs[output].error, o)) for *_, o in mine])
            found.append(_Windows(output, patients, self._marks(mine), row, windows, left_out))
        return found

    def _alike(self, some: Sequence[tuple[int, int, Observation]]) -> _Alike:
        i, _, o = some[0]
        marks = np.searchsorted(self.cohort.subjects[i].marks, [o.moments]) if o.moments else self._marks(some)
        patients = np.array([i for i, *_ in some], dtype=np.int64)
        return _Alike(o.output, self._outputs[o.output], o, patients, marks, list(self.cohort.kernel.rows[o.output]))

    def _marks(self, every: Sequence[tuple[int, int, Observation]]) -> Integers:
        """(T,) of each value its row of the solution."""
        return np.array([self.cohort.subjects[i].mark[n] for i, n, _ in every], dtype=np.int64)


def _alike(every: Sequence[tuple[int, int, Observation]]) -> list[list[tuple[int, int, Observation]]]:
    """Values of patients, those together that say the same of what is predicted, as a yes does of any patient."""
    found: dict[object, list[tuple[int, int, Observation]]] = {}
    for place, (i, n, o) in enumerate(every):
        alone = not (o.earlier or o.moments)
        found.setdefault((o.output, o.value, o.below, o.above) if alone else place, []).append((i, n, o))
    return list(found.values())


def _of_marks(solved: Sequence[Floats], patient: Integers, mark: Integers, row: int) -> Floats:
    """A row (T, S) of solutions (marks, O, S) of patients (T,), sorted, at their marks (T,)."""
    found = np.empty((len(mark), solved[0].shape[-1]))
    for run in runs_of(patient):
        part = slice(run.begin, run.end)
        found[part] = solved[run.subject][mark[part], row]
    return found


@compiled
def _add(total, patient, terms):  # type: ignore[no-untyped-def]
    """Add the terms (T, S) of each value to its patient's."""
    for t in range(len(patient)):
        for s in range(terms.shape[1]):
            total[patient[t], s] += terms[t, s]
