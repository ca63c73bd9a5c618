"""How well a model describes a set of patients, in figures with their uncertainty.

Every figure is of one output over all patients; its 90 % interval is by bootstrap over patients (Efron 1979), who are
independent of one another as their values are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.randomness import generator
from twin.study.examination import Examined
from twin.study.score import log_errors

COVERAGE = (0.5, 0.8, 0.9, 0.95)

RESAMPLED = 1000


@dataclass(frozen=True)
class Measure:
    """A figure and its 90 % interval; NaN where there is nothing to make it of."""

    name: str
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, name: str, value: float, drawn: Floats) -> Measure:
        """With its interval by what was ``drawn``, as far as that is a number."""
        known = drawn[np.isfinite(drawn)]
        low, high = np.quantile(known, (0.05, 0.95)).tolist() if len(known) else (np.nan, np.nan)
        return cls(name, value, low, high)


def share_of_patients(name: str, value: float, drawn: Floats, patients: int) -> Measure:
    """A share, with its interval by shares ``drawn`` from so many ``patients`` of whom it was asked.

    Where all that is drawn is 0, or 1, it says nothing of what more patients would show: then the interval ends where
    a share would be that is met in none, or all, of so many with a probability of 5 % (Clopper & Pearson 1934,
    Biometrika 26:404).
    """
    found, known = Measure.of(name, value, drawn), drawn[np.isfinite(drawn)]
    if not patients or not len(known):
        return found
    if known.max() == 0.0:
        return replace(found, high=1.0 - 0.05 ** (1.0 / patients))
    if known.min() == 1.0:
        return replace(found, low=0.05 ** (1.0 / patients))
    return found


@dataclass(frozen=True)
class Description:
    """The figures of one output.

    Attributes:
        values: measured, of how many ``patients``.
        measures: by what they are called on the page.
    """

    output: str
    unit: str
    patients: int
    values: int
    measures: tuple[Measure, ...]


def describe(examined: Sequence[Examined], outputs: Sequence[tuple[str, str]]) -> tuple[Description, ...]:
    """Figures of every output (name, unit) that was measured in any patient."""
    found = []
    for number, (output, unit) in enumerate(outputs):
        mine = [_of_output(one, number, output) for one in examined]
        mine = [one for one in mine if len(one.pit)]
        if mine:
            values = sum(len(one.pit) for one in mine)
            found.append(Description(output, unit, len(mine), values, tuple(_measures(mine, output))))
    return tuple(found)


@dataclass(frozen=True)
class _Values:
    """One patient's figures for one output: (n,) each; ``errors`` (m, 3) are log errors of `twin.study.score`."""

    pit: Floats
    npde: Floats
    iwres: Floats
    errors: Floats


def _of_output(one: Examined, number: int, output: str) -> _Values:
    chosen = np.array([observation.output == number for observation in one.diagnosis.observations], dtype=bool)
    pit = np.array([prediction.pit for prediction in one.predictions])[chosen]
    iwres = one.diagnosis.iwres[chosen]
    errors = log_errors(one.predictions).get(output, np.empty((0, 3)))
    return _Values(pit, one.diagnosis.npde[chosen], iwres[np.isfinite(iwres)], errors)


def _measures(patients: Sequence[_Values], key: str) -> list[Measure]:
    chosen = generator("bootstrap", key).integers(len(patients), size=(RESAMPLED, len(patients)))
    figures: list[tuple[str, Callable[[_Values], Floats], Callable[[Floats], float]]] = [
        (f"one step ahead, {100 * level:g} % interval held", lambda one: one.pit, _held(level)) for level in COVERAGE
    ]
    figures += [
        ("absolute log error one step ahead, median", lambda one: one.errors[:, 0], _median),
        ("absolute log error one step ahead, mean", lambda one: one.errors[:, 0], _mean),
        ("its median over that of the population's prediction", lambda one: one.errors, _over(1)),
        ("its median over that of the last value carried forward", lambda one: one.errors, _over(2)),
        ("NPDE, mean (0 expected)", lambda one: one.npde, _mean),
        ("NPDE, SD (1 expected)", lambda one: one.npde, _deviation),
        ("IWRES, mean", lambda one: one.iwres, _mean),
        ("IWRES, SD", lambda one: one.iwres, _deviation),
    ]
    return [_measure(name, [of(one) for one in patients], figure, chosen) for name, of, figure in figures]


def _measure(
    name: str, values: Sequence[Floats], figure: Callable[[Floats], float], chosen: NDArray[np.int64]
) -> Measure:
    everything = np.concatenate(values)
    if not len(everything):
        return Measure(name, np.nan, np.nan, np.nan)
    drawn = [figure(np.concatenate([values[i] for i in row])) for row in chosen]
    low, high = np.nanquantile(drawn, (0.05, 0.95)).tolist() if np.isfinite(drawn).any() else (np.nan, np.nan)
    return Measure(name, figure(everything), low, high)


def _held(level: float) -> Callable[[Floats], float]:
    return lambda pit: float((np.abs(pit - 0.5) <= level / 2).mean()) if len(pit) else np.nan


def _over(column: int) -> Callable[[Floats], float]:
    def ratio(errors: Floats) -> float:
        other = float(np.median(errors[:, column])) if len(errors) else 0.0
        return float(np.median(errors[:, 0])) / other if other > 0 else np.nan

    return ratio


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else np.nan


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else np.nan


def _deviation(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
