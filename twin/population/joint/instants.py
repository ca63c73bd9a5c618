"""Which values of a cohort were measured together, and what their correlation adds to log p(values | effects).

Values of one patient at one instant, of outputs whose residuals correlate, have residuals z in units of their scale
that are normal with correlation C, so that beside what they count for alone they add

    -(z' M z + log det C) / 2,      M = C^-1 - 1.

Which those are, `twin.observation.observation` knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats, Integers
from twin.model.measured.error import ErrorSpec
from twin.observation.observation import Observation, measured_together
from twin.observation.residual_correlation import correlation_of


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
        by_outputs: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
        for i, each in enumerate(values):
            for members in measured_together(each, errors):
                outputs = tuple(each[n].output for n in members)
                by_outputs.setdefault(outputs, []).append((i, [int(self.first[i]) + n for n in members]))
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
