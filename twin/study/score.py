"""How good one-step-ahead predictions were: the twin's beside the population's and the last value carried forward.

For every measured value y with a predictive median m, from each patient's second value of that output on,

    log error = | log(y / m) |,      covered = q05 <= y <= q95,

and the same log error with the population's median and with the patient's value before. The first value is left out,
since nothing can be carried forward to it. A count of 0 is scored as `ZERO_COUNT`; other values of 0 have no log error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

import numpy as np

from twin.arrays import Floats
from twin.events import Prediction, to_millis
from twin.observation.kinds.continuous import COUNT_UNITS

ZERO_COUNT = 0.025
"""What a count of 0 is scored as (10*9/L): the middle of what a laboratory that reports tenths rounds to 0."""


@dataclass(frozen=True)
class LogError:
    """Median and mean of absolute log errors; 0.1 is about 10 %."""

    median: float
    mean: float


@dataclass(frozen=True)
class Score:
    """Predictions of one output against the values that came.

    Attributes:
        output: the model output.
        patients: with a value of it.
        values: all measured values.
        n: scored values, from each patient's second on.
        without_logarithm: of these, left out of the log errors because they, or what should predict them, are 0.
        twin, population, last_value: log errors; ``None`` where nothing could be scored.
        coverage: share of the n scored values inside the twin's 90 % interval.
    """

    output: str
    patients: int
    values: int
    n: int
    without_logarithm: int
    twin: LogError | None
    population: LogError | None
    last_value: LogError | None
    coverage: float | None


def score(predictions: Iterable[Prediction]) -> tuple[Score, ...]:
    """Scores of each output, by its name; predictions may be of many patients, in any order."""
    by_output: dict[str, dict[str, list[Prediction]]] = {}
    for prediction in predictions:
        by_output.setdefault(prediction.output, {}).setdefault(prediction.patient_id, []).append(prediction)
    return tuple(_of_output(output, by_output[output]) for output in sorted(by_output))


def log_errors(predictions: Iterable[Prediction]) -> dict[str, Floats]:
    """By output, the absolute log errors (m, 3) of the twin, the population and the last value, for one patient.

    Rows are the values from the second on, in order of time, but those that have no logarithm.
    """
    by_output: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        by_output.setdefault(prediction.output, []).append(prediction)
    found = {}
    for output, made in by_output.items():
        rows = np.array([_row(before, now) for before, now in pairwise(_in_order(made))]).reshape(-1, 4)
        usable = rows[(rows > 0).all(axis=1)]
        found[output] = np.abs(np.log(usable[:, :1] / usable[:, 1:]))
    return found


def _of_output(output: str, by_patient: dict[str, list[Prediction]]) -> Score:
    pairs: list[tuple[Prediction, Prediction]] = []
    for patient in sorted(by_patient):
        pairs += pairwise(_in_order(by_patient[patient]))
    errors = [log_errors(by_patient[patient])[output] for patient in sorted(by_patient)]
    usable = np.concatenate(errors)
    twin, population, last_value = (_log_error(column.tolist()) for column in usable.T)
    covered = [now.q05 <= substitute(now) <= now.q95 for _, now in pairs]
    return Score(
        output,
        patients=len(by_patient),
        values=sum(map(len, by_patient.values())),
        n=len(pairs),
        without_logarithm=len(pairs) - len(usable),
        twin=twin,
        population=population,
        last_value=last_value,
        coverage=fmean(covered) if covered else None,
    )


def _in_order(predictions: Iterable[Prediction]) -> list[Prediction]:
    return sorted(predictions, key=lambda made: (to_millis(made.time), made.event_id))


def _row(before: Prediction, now: Prediction) -> tuple[float, float, float, float]:
    """The value, and what the twin, the population and the value before predict."""
    return substitute(now), now.median, now.population_median, substitute(before)


def substitute(prediction: Prediction) -> float:
    """The measured value as it is scored: a count of 0 as `ZERO_COUNT`, all else as it is."""
    return ZERO_COUNT if prediction.observed == 0 and prediction.unit in COUNT_UNITS else prediction.observed


def _log_error(errors: Sequence[float]) -> LogError | None:
    return LogError(median(errors), fmean(errors)) if errors else None
