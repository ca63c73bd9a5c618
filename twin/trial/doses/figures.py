"""The figures of every arm over all patients, by cycle and over all cycles, each with its 90 % interval.

Intervals are by bootstrap over patients (Efron 1979), the same patients drawn for every arm, so that the ratio to the
protocol's arm, which saw the same patients and the same random numbers, has one too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.randomness import generator
from twin.study.measures import Measure, share_of_patients
from twin.trial.doses.outcome import Cycle, Treated

RESAMPLED = 1000


@dataclass(frozen=True)
class ArmFigures:
    """One arm: figures of each cycle, the first first, and of all cycles together."""

    arm: str
    patients: int
    cycles: tuple[tuple[Measure, ...], ...]
    all_cycles: tuple[Measure, ...]


def arm_figures(treated: Sequence[Treated]) -> tuple[ArmFigures, ...]:
    """Figures of every arm, in the order in which they first appear; all arms have the same patients."""
    by_arm: dict[str, list[Treated]] = {}
    for one in treated:
        by_arm.setdefault(one.arm, []).append(one)
    for mine in by_arm.values():
        mine.sort(key=lambda one: one.patient_id)
    first = next(iter(by_arm))
    return tuple(_figures(arm, mine, by_arm[first], first) for arm, mine in by_arm.items())


def _figures(arm: str, mine: Sequence[Treated], reference: Sequence[Treated], name: str) -> ArmFigures:
    chosen = generator("bootstrap of arms", len(mine)).integers(len(mine), size=(RESAMPLED, len(mine)))
    count = max(len(one.cycles) for one in mine)
    measures = []
    for numbers in (*((k,) for k in range(count)), tuple(range(count))):
        found = []
        for title, value in _asked(mine):
            table = _table(mine, numbers, value)
            found.append(_measure(title, table, chosen, share=value is not _intensity))
            if title.startswith("had ") and arm != name:
                beside = _table(reference, numbers, value)
                found.append(_ratio(f"{title}, over that of {name}", table, beside, chosen))
        measures.append(tuple(found))
    return ArmFigures(arm, len(mine), tuple(measures[:-1]), measures[-1])


def _asked(mine: Sequence[Treated]) -> list[tuple[str, Callable[[Cycle], float | None]]]:
    """What is asked of each course: by its title, how it is answered (``None``: not)."""
    first = mine[0].cycles[0]
    found: list[tuple[str, Callable[[Cycle], float | None]]] = []
    if first.within is not None:
        found.append(("in target", lambda one: one.within))
    if first.near is not None:
        found.append(("within 10 % of its middle", lambda one: one.near))
    found += [(f"had {name}", functools.partial(_suffered, name)) for name in first.suffered]
    found.append(("dose, of the planned", _intensity))
    return found


def _intensity(one: Cycle) -> float:
    return one.intensity


def _suffered(name: str, one: Cycle) -> bool:
    return one.suffered[name]


def _table(mine: Sequence[Treated], numbers: Sequence[int], value: Callable[[Cycle], float | None]) -> Floats:
    """(patients, 2): the sum over these cycles, and how many were asked."""
    found = np.zeros((len(mine), 2))
    for row, one in zip(found, mine, strict=True):
        known = [value(one.cycles[k]) for k in numbers if k < len(one.cycles)]
        row[:] = sum(float(each) for each in known if each is not None), sum(each is not None for each in known)
    return found


def _measure(title: str, table: Floats, chosen: np.ndarray, *, share: bool) -> Measure:
    value, drawn = float(_mean(table.sum(axis=0)[None])[0]), _mean(table[chosen].sum(axis=1))
    if share:
        return share_of_patients(title, value, drawn, int((table[:, 1] > 0).sum()))
    return Measure.of(title, value, drawn)


def _ratio(title: str, table: Floats, beside: Floats, chosen: np.ndarray) -> Measure:
    whole = _mean(beside.sum(axis=0)[None])
    drawn = _mean(beside[chosen].sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float((_mean(table.sum(axis=0)[None]) / whole)[0])
        ratios = _mean(table[chosen].sum(axis=1)) / drawn
    return Measure.of(title, value if np.isfinite(value) else np.nan, ratios)


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1.0))
