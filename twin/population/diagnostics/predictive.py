"""The predictive checks of a cohort: of each output, in all patients or in groups, of what it can be checked by.

| output | percentiles | with prediction correction | shares |
|---|---|---|---|
| measured | of values; beyond a limit they stand at it, simulated or not | the same | beyond each limit |
| count of many values | of values | - | - |
| category, count of few values | - | - | of each value |
| awaited event | - | - | - |

An event has no check: when it is looked for depends on whether it has happened. A limit is that of a value itself where
it is known by one, else the one that most values of its output are known by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.clock import UNIT_MS
from twin.observation.kinds import kind_of
from twin.population.cohort import Cohort
from twin.population.diagnostics.vpc import PredictiveCheck, Share, predictive_check, share_check

SETS = 500
"""Simulated sets of a check."""

FEW_VALUES = 8
"""Whole numbers are checked by the share of each, up to so many."""


@dataclass(frozen=True)
class Measured:
    """All T values of a cohort.

    Attributes:
        patient, output: (T,) whose, and of what.
        time: (T,) since the start of the record, in the model's time unit.
        value: (T,) in the output's unit; the limit of one that is known only by it.
        side: (T,) -1 of what lies below its limit, 1 above, else 0.
    """

    patient: Integers
    output: Integers
    time: Floats
    value: Floats
    side: Integers

    @classmethod
    def of(cls, cohort: Cohort) -> Measured:
        """The values of a cohort."""
        hour = UNIT_MS[cohort.kernel.model.time_unit]
        rows = [
            (
                i,
                o.output,
                (o.time - subject.timeline.start) / hour,
                o.below if o.below is not None else o.value if o.above is None else o.above,
                int(o.above is not None) - int(o.below is not None),
            )
            for i, subject in enumerate(cohort.subjects)
            for o in subject.observations
        ]
        patient, output, time, value, side = zip(*rows, strict=True)
        return cls(
            np.array(patient, dtype=np.int64),
            np.array(output, dtype=np.int64),
            np.array(time, dtype=np.float64),
            np.array(value, dtype=np.float64),
            np.array(side, dtype=np.int64),
        )


@dataclass(frozen=True)
class Check:
    """The predictive check of an output in a group of patients.

    Attributes:
        output: number of the output; ``group`` is empty of all patients.
        plain, corrected: of percentiles; ``None`` where there is none.
        shares: by what is shared, as ``below 0.1`` or ``2``.
    """

    output: int
    group: str
    plain: PredictiveCheck | None
    corrected: PredictiveCheck | None
    shares: tuple[tuple[str, tuple[Share, ...]], ...]


def checks(
    cohort: Cohort,
    measured: Measured,
    pred: Floats,
    simulated: Floats,
    groups: tuple[tuple[str, Floats], ...] = (),
) -> tuple[Check, ...]:
    """Of every output that can be checked.

    Args:
        pred: (T,) PRED; ``simulated`` (K, T) values in place of the measured ones.
        groups: of patients, by name, with which of them (N,) are in it; none for all together.
    """
    usable = simulated[np.isfinite(simulated).all(axis=1)][:SETS]
    groups = groups or (("", np.ones(len(cohort))),)
    found = []
    for number, output in enumerate(cohort.kernel.model.outputs):
        if kind_of(output).awaited or not len(usable):
            continue
        for name, which in groups:
            of = np.flatnonzero((measured.output == number) & (which[measured.patient] > 0))
            if len(of):
                found.append(_check(cohort, number, name, _part(measured, of), pred[of], usable[:, of]))
    return tuple(found)


def _part(measured: Measured, of: NDArray[np.intp]) -> Measured:
    return Measured(measured.patient[of], measured.output[of], measured.time[of], measured.value[of], measured.side[of])


def _check(cohort: Cohort, number: int, group: str, m: Measured, pred: Floats, simulated: Floats) -> Check:
    if kind_of(cohort.kernel.model.outputs[number]).discrete:
        every = np.unique(np.concatenate([m.value, np.unique(simulated)]))
        if len(every) > FEW_VALUES:
            return Check(number, group, predictive_check(m.time, m.value, pred, simulated, corrected=False), None, ())
        shares = [(f"{v:g}", share_check(m.time, m.value == v, simulated == v)) for v in every]
        return Check(number, group, None, None, tuple(shares))
    shares, limits = [], (np.full(len(m.value), -np.inf), np.full(len(m.value), np.inf))
    for side, word in ((-1, "below"), (1, "above")):
        known = m.side == side
        if not known.any():
            continue
        own = usual_limits(m.value, known, side)
        limits[side > 0][:] = own
        beyond = simulated < own if side < 0 else simulated > own
        values, counts = np.unique(m.value[known], return_counts=True)
        said = f"{word} {values[counts.argmax()]:.4g}" if len(values) == 1 else f"{word} the limit"
        shares.append((said, share_check(m.time, known, beyond)))
    known_by = limits if shares else None
    plain, corrected = (
        predictive_check(m.time, m.value, pred, simulated, corrected=one, limits=known_by) for one in (False, True)
    )
    return Check(number, group, plain, corrected, tuple(shares))


def limits_of(measured: Measured) -> tuple[Floats, Floats]:
    """Lower and upper limits (T,) that values would have been known by beyond them; infinite where there is none."""
    found = np.full((2, len(measured.value)), np.inf)
    found[0] = -np.inf
    for number in np.unique(measured.output):
        of = measured.output == number
        for row, side in enumerate((-1, 1)):
            known = measured.side[of] == side
            if known.any():
                found[row, of] = usual_limits(measured.value[of], known, side)
    return found[0], found[1]


def usual_limits(values: Floats, known: NDArray[np.bool_], side: int) -> Floats:
    """The limit (n,) of each of an output's values on a side, of which some are ``known`` only by it."""
    every, counts = np.unique(values[known], return_counts=True)
    usual = every[counts.argmax()]
    # A value that was told although it lies beyond the usual limit came of a laboratory with another.
    others = np.minimum(values, usual) if side < 0 else np.maximum(values, usual)
    return np.where(known, values, others)
