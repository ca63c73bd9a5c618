"""Which values of a cohort were measured together, and what their correlation adds to log p(values | effects).

Values of one patient at one instant, of outputs whose residuals correlate, have residuals z in units of their scale
that are normal with correlation C, so that beside what they count for alone they add

    -(z' M z + log det C) / 2,      M = C^-1 - 1.

Replicates pair in the order in which they were measured. What is known only by a limit counts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.arrays import Floats, Integers
from twin.model.measured.error import ErrorSpec
from twin.observation.observation import Observation
from twin.observation.residual_correlation import correlation_of, pattern_of


class Kind(NamedTuple):
    """Groups of values of the same outputs: ``members`` (n, k) among all values, of patients ``subject`` (n,)."""

    outputs: tuple[int, ...]
    subject: Integers
    members: Integers


class Group(NamedTuple):
    """Groups of values of some patients: their places (n, k) among these patients' values and of these patients (n,),
    with C and M (k, k)."""

    members: Integers
    patient: Integers
    correlation: Floats
    beside: Floats

    @property
    def log_det(self) -> float:
        """Of C."""
        return float(np.linalg.slogdet(self.correlation)[1])

    def adds(self, z: Floats) -> Floats:
        """(n, ...) to minus log-likelihood, for residuals z (n, k, ...)."""
        along = np.einsum("ij,nj...->ni...", self.beside, z)
        return np.asarray(0.5 * ((z * along).sum(axis=1) + self.log_det))


class Instants:
    """Groups of all values of some patients.

    Args:
        values: of each patient, in order.
        errors: of the outputs.
    """

    def __init__(self, values: Sequence[Sequence[Observation]], errors: Sequence[ErrorSpec]) -> None:
        self.first = np.concatenate([[0], np.cumsum([len(each) for each in values])]).astype(np.int64)
        block = _blocks(pattern_of(errors))
        together: dict[tuple[int, int, int, int], list[tuple[int, int]]] = {}
        for i, each in enumerate(values):
            for n, o in enumerate(each):
                if block[o.output] >= 0 and _stands(o, errors[o.output]):
                    key = (i, o.millis, block[o.output], o.number)
                    together.setdefault(key, []).append((o.output, int(self.first[i]) + n))
        by_outputs: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
        for (i, *_), members in together.items():
            if len(members) > 1:
                members.sort()
                outputs = tuple(output for output, _ in members)
                by_outputs.setdefault(outputs, []).append((i, [place for _, place in members]))
        self.kinds = tuple(
            Kind(outputs, np.array([i for i, _ in groups]), np.array([places for _, places in groups]))
            for outputs, groups in sorted(by_outputs.items())
        )

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def of(self, which: Integers, errors: Sequence[ErrorSpec]) -> list[Group]:
        """The groups of patients ``which`` (K,), where some may stand repeatedly."""
        if not self.kinds:
            return []
        full, sizes = correlation_of(errors), np.diff(self.first)[which]
        offset = np.concatenate([[0], np.cumsum(sizes)])[:-1]
        found = []
        for kind in self.kinds:
            begin = np.searchsorted(kind.subject, which)
            count = np.searchsorted(kind.subject, which, side="right") - begin
            patient = np.repeat(np.arange(len(which)), count)
            rows = np.arange(len(patient)) - np.repeat(np.cumsum(count) - count - begin, count)
            places = kind.members[rows] + (offset - self.first[which])[patient][:, None]
            correlation = full[np.ix_(kind.outputs, kind.outputs)]
            beside = np.linalg.inv(correlation) - np.eye(len(correlation))
            found.append(Group(places, patient, correlation, beside))
        return found


def levels_together(instants: Instants, patient: int, errors: Sequence[ErrorSpec], levels: Floats) -> Floats:
    """Levels (n, K) at which a patient's values are drawn, as those of residuals that correlate.

    Args:
        levels: drawn independently, uniform from 0 to 1; those of values that stand alone stay.
    """
    found = levels.copy()
    for group in instants.of(np.array([patient], dtype=np.int64), errors):
        factor = np.linalg.cholesky(group.correlation)
        for places in group.members:
            found[places] = special.ndtr(factor @ special.ndtri(levels[places]))
    return found


def _stands(o: Observation, error: ErrorSpec) -> bool:
    """Whether a value is normal around its prediction, on the scale of its error."""
    known = o.below is None and o.above is None and not o.moments and o.error is None
    return known and not (error.transformed and o.value <= 0.0)


def _blocks(pattern: NDArray[np.bool_]) -> list[int]:
    """Of each output the first one that it correlates with, at once or through others; -1 of one that stands alone."""
    reach = pattern.copy()
    for _ in range(len(reach)):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return [int(np.flatnonzero(row)[0]) if row.sum() > 1 else -1 for row in reach]
