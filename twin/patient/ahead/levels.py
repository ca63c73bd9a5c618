"""The level of a drug at the hours after the beginning of its course for which a consensus draws lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from twin.alerts.conditions.methotrexate import DRUG, HOURS, UNIT
from twin.alerts.snapshot import LevelView
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.model.spec import Model
from twin.timeline.delivery import Delivered

QUANTILES = 101
"""Of a level: from the lowest to the highest by hundredths."""


@dataclass(frozen=True)
class Line:
    """An hour of a course at which the level counts, and when that is (ms)."""

    output: int
    begun_ms: int
    hours: float
    infused_hours: float

    @property
    def millis(self) -> int:
        """When it is."""
        return self.begun_ms + round(self.hours * HOUR_MS)


def lines_ahead(model: Model, delivered: Delivered | None, gap: int, millis: int) -> tuple[Line, ...]:
    """The lines that lie ahead of ``millis`` (ms), or are now; ``gap`` (ms) parts one course from another."""
    outputs = [i for i, output in enumerate(model.outputs) if output.unit == UNIT and output.name.startswith(DRUG)]
    if model.drug != DRUG or delivered is None or not outputs:
        return ()
    begun = max((start for start in delivered.starts(gap) if start <= millis), default=None)
    if begun is None or millis > begun + HOURS[-1] * HOUR_MS:
        return ()
    infused = infused_hours(delivered, begun)
    found = (Line(output, begun, hours, infused) for output in outputs for hours in HOURS)
    return tuple(line for line in found if line.millis >= millis)


def infused_hours(delivered: Delivered, begun: int) -> float:
    """Hours for which a course runs that began at ``begun`` (ms), as it is delivered and planned."""
    steps = delivered.rate
    total = 0
    for (since, rate), (until, _) in pairwise(steps):
        if since >= begun and rate > 0:
            total += until - since
    return total / HOUR_MS


def level_view(line: Line, model: Model, values: Floats, weight: Floats) -> LevelView:
    """The level of particles (N,) with weights (N,) at a line."""
    return LevelView(
        output=model.outputs[line.output].name,
        drug=model.drug,
        unit=model.outputs[line.output].unit,
        begun_ms=line.begun_ms,
        hours=line.hours,
        infused_hours=line.infused_hours,
        quantiles=quantiles_of(values, weight),
    )


def quantiles_of(values: Floats, weight: Floats) -> tuple[float, ...]:
    """Quantiles of (N,) with weights (N,), at `QUANTILES` evenly spaced probabilities from 0 to 1."""
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    share = np.linspace(0.0, 1.0, QUANTILES)
    at = np.minimum(np.searchsorted(cumulative / cumulative[-1], share), len(values) - 1)
    return tuple(values[order][at].tolist())


def mixed_levels(each: Sequence[Sequence[tuple[Line, Floats]]]) -> list[tuple[Line, list[Floats]]]:
    """The values at each line that all accounts have."""
    found = []
    for line, values in each[0]:
        others = [value for one in each[1:] for other, value in one if other.hours == line.hours]
        if len(others) == len(each) - 1:
            found.append((line, [values, *others]))
    return found
