"""What a twin's own predictions were worth so far: of each output, how often a value fell where it was expected.

Each measured value lies at some probability of what had been expected of it just before (its PIT). If the twin is
calibrated these are uniform: of n values 0.9 n lie within 5-95 %, give or take what chance allows:

    K ~ Binomial(n, 0.9)

Reference: Dawid 1984, J R Stat Soc A 147:278 (prequential); Gneiting et al. 2007, J R Stat Soc B 69:243.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from statistics import median

import msgspec

from connectors.console.views import MeasuredPoint

COVERS = 0.9
"""The share of values that a calibrated twin has within its 5-95 %."""

BY_CHANCE = 0.99
"""Within which range of counts a calibrated twin stays with this probability: beyond it something is wrong."""

BINS = 5
"""Into how many equally likely parts the expected range is divided."""


class Calibration(msgspec.Struct, frozen=True):
    """The predictions of one output.

    ``values`` were measured, ``within`` of them in the 5-95 %, which by chance are ``least`` to ``most``. ``parts``
    counts them in fifths of what was expected, lowest first. ``error`` is how far off the median was, as a factor
    (median of absolute log ratios), and ``population_error`` that of the population; ``None`` where a value is not
    above zero.
    """

    output: str
    values: int
    within: int
    least: int
    most: int
    parts: tuple[int, ...]
    error: float | None
    population_error: float | None
    last: int


def calibrations(measured: Sequence[MeasuredPoint]) -> tuple[Calibration, ...]:
    """Of each output that was measured, by its name."""
    ordered = sorted(measured, key=lambda value: (value.output, value.t))
    return tuple(_calibration(name, list(values)) for name, values in groupby(ordered, lambda value: value.output))


def _calibration(output: str, values: Sequence[MeasuredPoint]) -> Calibration:
    parts = [0] * BINS
    for value in values:
        parts[min(int(value.pit * BINS), BINS - 1)] += 1
    least, most = by_chance(len(values))
    return Calibration(
        output=output,
        values=len(values),
        within=sum(value.q05 <= value.observed <= value.q95 for value in values),
        least=least,
        most=most,
        parts=tuple(parts),
        error=_factor([(value.observed, value.median) for value in values]),
        population_error=_factor([(value.observed, value.population) for value in values]),
        last=max(value.t for value in values),
    )


@lru_cache(maxsize=1024)
def by_chance(values: int) -> tuple[int, int]:
    """The fewest and the most of so many values that chance leaves within 5-95 %.

    >>> by_chance(20)
    (14, 20)
    """
    tail = (1 - BY_CHANCE) / 2
    mass = [math.comb(values, k) * COVERS**k * (1 - COVERS) ** (values - k) for k in range(values + 1)]
    below, least = 0.0, 0
    while below + mass[least] <= tail:
        below, least = below + mass[least], least + 1
    above, most = 0.0, values
    while above + mass[most] <= tail:
        above, most = above + mass[most], most - 1
    return least, most


def _factor(pairs: Sequence[tuple[float, float]]) -> float | None:
    if any(observed <= 0 or expected <= 0 for observed, expected in pairs):
        return None
    return round(math.exp(median(abs(math.log(observed / expected)) for observed, expected in pairs)), 3)
