"""log p(values of a patient | effects): of any kind of value, for any number of draws.

A value that is normal around its prediction counts without log(2 pi) / 2, on the scale that its error is written for,
as NONMEM counts it (`twin.population.objective`). What is known only by a limit counts by its probability (method M3,
Beal 2001, J Pharmacokinet Pharmacodyn 28:481), and a category, a count or an event by its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.model.measured.error import ErrorSpec
from twin.observation import residual
from twin.observation.kinds import kind_of
from twin.observation.likelihood import log_likelihood
from twin.observation.observation import Observation
from twin.observation.residual import transformed
from twin.population.cohort import Cohort
from twin.population.joint.instants import Instants
from twin.population.residuals import beside, has_density, iwres, log_density, on_error_scale


@dataclass(frozen=True)
class Read:
    """What the likelihood reads of everybody at S points each.

    Attributes:
        batches: of each batch of values that are read alike, predictions (T, S).
        other: of each other value its rows (R, S), or (moments, R, S).
    """

    batches: tuple[Floats, ...]
    other: tuple[Floats, ...]

    def moved(self, along: Read, by: float) -> Read:
        """All of it, moved by so much along its slopes."""
        return self._with(along, lambda one, slope: one + by * slope)

    def slope(self, down: Read, width: float) -> Read:
        """The slope from ``down`` to here, which lie ``width`` apart."""
        return self._with(down, lambda up, low: (up - low) / width)

    def _with(self, that: Read, make: Callable[[Floats, Floats], Floats]) -> Read:
        return Read(
            tuple(make(a, b) for a, b in zip(self.batches, that.batches, strict=True)),
            tuple(make(a, b) for a, b in zip(self.other, that.other, strict=True)),
        )


@dataclass(frozen=True)
class _Batch:
    """Values (T,) of one output that are read alike: ``is`` the value, or all that is known is that it is beyond it.

    Predictions of values stand on the scale of the error, with ``at`` there too; those of limits do not.
    """

    output: int
    known: Literal["is", "below", "above"]
    patient: Integers
    number: Integers
    at: Floats


class Density:
    """Densities of one cohort's values.

    Attributes:
        normal: values that count without log(2 pi) / 2.
        constant: what the density of values on their own scale adds to -2 log likelihood, besides that on the scale of
            their errors.
    """

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self._outputs = cohort.kernel.model.outputs
        every = [(i, n, o) for i, subject in enumerate(cohort.subjects) for n, o in enumerate(subject.observations)]
        self._batches = self._batched([each for each in every if self._known(each[2])])
        self._alike = _alike([(i, o) for i, _, o in every if not self._known(o)])
        self._other = [one for some in self._alike for one in some]
        self._instants = Instants([subject.observations for subject in cohort.subjects], cohort.theta.start.errors)
        self._places = self._placed()
        of_patients = [(self._outputs[o.output], o) for subject in cohort.patients for o in subject.observations]
        left_out = [beside(output.error, o) for output, o in of_patients if has_density(output, o)]
        self.normal = len(left_out)
        self.constant = 2.0 * sum(own for _, own in left_out)

    def read(self, z: Floats, place: Floats) -> Read:
        """At points z (N, S, M) of everybody."""
        cohort = self.cohort
        everybody = np.arange(len(cohort), dtype=np.int64)
        solved = cohort.rows(everybody, z, place)
        rows, batches, other = cohort.kernel.rows, [], []
        for batch in self._batches:
            predicted = np.empty((len(batch.at), z.shape[1]))
            for t, (i, n) in enumerate(zip(batch.patient.tolist(), batch.number.tolist(), strict=True)):
                predicted[t] = solved[i][cohort.subjects[i].mark[n], rows[batch.output][0]]
            error = self._outputs[batch.output].error
            batches.append(on_error_scale(error, predicted) if batch.known == "is" else predicted)
        for i, o in self._other:
            at = np.searchsorted(cohort.subjects[i].marks, o.moments or o.millis)
            other.append(np.ascontiguousarray(solved[i][at][..., list(rows[o.output]), :]))
        return Read(tuple(batches), tuple(other))

    def of(self, read: Read, errors: Sequence[ErrorSpec]) -> Floats:
        """log p(values | draw) (N, S) of everybody; -inf where a draw makes them impossible."""
        points = (*read.batches, *read.other)[0].shape[-1]
        total = np.zeros((len(self.cohort), points))
        for batch, predicted in zip(self._batches, read.batches, strict=True):
            _add(total, batch.patient, _density(batch, errors[batch.output], predicted))
        self._add_joint(total, read, errors)
        begin = 0
        for some in self._alike:
            (_, o), patients = some[0], np.array([i for i, _ in some], dtype=np.int64)
            rows, begin = read.other[begin : begin + len(some)], begin + len(some)
            output = replace(self._outputs[o.output], error=errors[o.output])
            found = log_likelihood(output, o, rows[0] if len(some) == 1 else np.concatenate(rows, axis=-1))
            if has_density(output, o):
                found = found + sum(beside(errors[o.output], o))
            _add(total, patients, found.reshape(len(some), points))
        return np.where(np.isfinite(total), total, -np.inf)

    def _placed(self) -> Integers:
        """(T, 2) of all values the batch that each is in, and its place there; of one in none -1."""
        found = np.full((int(self.cohort.first[-1]), 2), -1, dtype=np.int64)
        for n, batch in enumerate(self._batches):
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
                batch, predicted = self._batches[n], read.batches[n][at]
                z[:, k] = iwres(errors[batch.output], batch.at[at][:, None], predicted)
            _add(total, group.patient, -group.adds(z))

    def _known(self, o: Observation) -> str:
        """How a value of a normal error that stands alone is known; empty for any other."""
        output = self._outputs[o.output]
        kind, error = kind_of(output), output.error
        alone = not (o.earlier or o.moments or o.error is not None)
        if kind.discrete or kind.awaited or error.df is not None or error.outliers is not None or not alone:
            return ""
        if o.below is not None:
            return "below"
        if o.above is not None:
            return "above"
        return "" if error.transformed and o.value <= 0.0 else "is"

    def _batched(self, every: Sequence[tuple[int, int, Observation]]) -> list[_Batch]:
        found = []
        for output, known in sorted({(o.output, self._known(o)) for *_, o in every}):
            mine = [(i, n, o) for i, n, o in every if (o.output, self._known(o)) == (output, known)]
            at = [o.value if known == "is" else o.below if known == "below" else o.above for *_, o in mine]
            value = np.array(at, dtype=np.float64)
            found.append(
                _Batch(
                    output,
                    cast("Literal['is', 'below', 'above']", known),
                    np.array([i for i, *_ in mine], dtype=np.int64),
                    np.array([n for _, n, _ in mine], dtype=np.int64),
                    transformed(self._outputs[output].error, value) if known == "is" else value,
                )
            )
        return found


def _alike(every: Sequence[tuple[int, Observation]]) -> list[list[tuple[int, Observation]]]:
    """Values of patients, those together that say the same of what is predicted, as a yes does of any patient."""
    found: dict[object, list[tuple[int, Observation]]] = {}
    for n, (i, o) in enumerate(every):
        alone = not (o.earlier or o.moments or o.error is not None)
        found.setdefault((o.output, o.value, o.below, o.above) if alone else n, []).append((i, o))
    return list(found.values())


def _density(batch: _Batch, error: ErrorSpec, predicted: Floats) -> Floats:
    at = batch.at[:, None]
    if batch.known == "is":
        return log_density(error, at, predicted)
    if batch.known == "below":
        return residual.log_likelihood(error, 0.0, predicted, below=at)
    return residual.log_likelihood(error, 0.0, predicted, above=at)


@compiled
def _add(total, patient, terms):  # type: ignore[no-untyped-def]
    """Add the terms (T, S) of each value to its patient's."""
    for t in range(len(patient)):
        for s in range(terms.shape[1]):
            total[patient[t], s] += terms[t, s]
