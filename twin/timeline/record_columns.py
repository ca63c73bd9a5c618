"""Hidden columns beside the covariates: functions of the patient's record as step functions of time.

`twin.model.record_functions` says what each function means; here it is worked out from what was given and measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twin.clock import DAY_MS, HOUR_MS
from twin.model.record_functions import parts_of, resting
from twin.timeline.delivery import Delivered
from twin.timeline.pumps.steps import Steps

MeasuredHistory = Sequence[tuple[int, int, float]]
"""Measured values in event-time order: (ms, number of the output, value)."""


def with_record(
    columns: Sequence[str],
    outputs: Sequence[str],
    unit: int,
    start: int,
    given: Mapping[str, Delivered],
    measured: MeasuredHistory,
    epoch: NDArray[np.int64],
    covariates: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Covariate epochs (E,), ms, and values (E, C) with the hidden columns laid beside them, (E',) and (E', C + H).

    ``outputs`` are the model's, ``unit`` the milliseconds of its unit of time.
    """
    if not columns:
        return epoch, covariates
    courses = [_course(column, outputs, unit, start, given, measured) for column in columns]
    every = np.unique(np.concatenate([epoch, *(np.array([m for m, _ in c], dtype=np.int64) for c in courses)]))
    rows = np.empty((len(every), covariates.shape[1] + len(columns)))
    rows[:, : covariates.shape[1]] = covariates[np.searchsorted(epoch, every, side="right") - 1]
    for j, (column, course) in enumerate(zip(columns, courses, strict=True), start=covariates.shape[1]):
        values = np.array([resting(column) if column != "clock" else 0.0, *(value for _, value in course)])
        rows[:, j] = values[np.searchsorted(np.array([m for m, _ in course], dtype=np.int64), every, side="right")]
    new = np.ones(len(every), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return every[new], rows[new]


def _course(
    column: str,
    outputs: Sequence[str],
    unit: int,
    start: int,
    given: Mapping[str, Delivered],
    measured: MeasuredHistory,
) -> list[tuple[int, float]]:
    """A hidden column over time: (from ms, value), distinct times, sorted."""
    function, word, number = parts_of(column)
    if function == "clock":
        return [(int(np.iinfo(np.int64).min), (start % DAY_MS) / HOUR_MS)]
    if function == "previous":
        output = outputs.index(word)
        # A value at the very start is seen from the next millisecond: the patient begins without it.
        return _last_of_instant((max(m, start + 1), value) for m, o, value in measured if o == output)
    drug = given.get(word, Delivered())
    begins = drug.begins()
    if function == "since":
        return [(m, (m - start) / unit) for m in begins[:1]]
    if function == "tad":
        return _last_of_instant((m, (m - start) / unit) for m in begins)
    if function == "after":
        return [(m + round(number * unit), 1.0) for m in begins[:1]]
    if function == "span":
        return _last_of_instant((m, (m - begins[0]) / unit) for m in begins)
    if function == "count":
        return _last_of_instant((m, float(i)) for i, m in enumerate(begins, start=1))
    amounts = drug.amounts()
    if function == "dose":
        return [(m, sum(amount for at, amount in amounts if at == m)) for m in sorted({m for m, _ in amounts})]
    return _daily(sorted([*amounts, *drug.implied()]))


def _daily(amounts: Steps) -> list[tuple[int, float]]:
    found, first = [], 0
    for m in sorted({at + later for at, _ in amounts for later in (0, DAY_MS)}):
        while first < len(amounts) and amounts[first][0] + DAY_MS <= m:
            first += 1
        total = 0.0
        for at, amount in amounts[first:]:
            if at > m:
                break
            total += amount
        found.append((m, total))
    return found


def _last_of_instant(steps: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    return list(dict(steps).items())
