"""Axes of a panel: from values to places on it, and the ticks that people would write beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.writing import number

MARGIN = 0.04
"""Share of its length that an axis goes on beyond the values at either end."""

TICKS = 5
"""Ticks that an axis has, about."""

LEAST = 1e-100
"""What is smaller is nothing on a logarithmic axis."""

DECADES = 10.0
"""Positive values that span more than this factor are drawn on a logarithmic axis, where the axis may choose."""


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``; ``label`` stands beside it."""

    low: float
    high: float
    label: str
    log: bool = False

    @classmethod
    def over(cls, values: Floats, label: str, *, log: bool = False, also: tuple[float, ...] = ()) -> Axis:
        """An axis that holds all of some values that it can hold, and ``also`` these."""
        every = np.concatenate([np.ravel(values), also])
        every = every[np.isfinite(every) & (every > LEAST if log else True)]
        if not len(every):
            return cls(1.0, 10.0, label, log) if log else cls(0.0, 1.0, label)
        low, high = float(every.min()), float(every.max())
        if log:
            space = (high / low) ** MARGIN if high > low else 2.0
            return cls(low / space, high * space, label, True)
        space = MARGIN * (high - low) or 0.5 * abs(high) or 0.5
        return cls(low - space, high + space, label)

    def place(self, values: Floats) -> Floats:
        """Where values lie, from 0 to 1; NaN of what a logarithmic axis cannot hold."""
        x = np.asarray(values, dtype=np.float64)
        if not self.log:
            return (x - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            along = np.where(x > LEAST, np.log(np.where(x > LEAST, x, 1.0)) - math.log(self.low), np.nan)
        return np.asarray(along / (math.log(self.high) - math.log(self.low)))

    def ticks(self) -> list[tuple[float, str]]:
        """Values with what is written at them."""
        found = self._decades() if self.log else self._steps(self.low, self.high)
        return [(value, number(value)) for value in found]

    def _decades(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        stride = max(1, round((last - first) / TICKS))
        factors = (1.0,) if last - first > 3 else (1.0, 2.0, 5.0) if last - first < 3 else (1.0, 3.0)
        every = [f * 10.0**k for k in range(first, last + 1, stride) for f in factors]
        found = [v for v in every if self.low <= v <= self.high]
        return found if len(found) > 1 else self._steps(self.low, self.high)

    @staticmethod
    def _steps(low: float, high: float) -> list[float]:
        rough = (high - low) / TICKS
        ten = 10.0 ** math.floor(math.log10(rough))
        step = next(s * ten for s in (1.0, 2.0, 2.5, 5.0, 10.0) if s * ten >= rough * 0.999)
        first = math.ceil(low / step - 1e-9)
        return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def spans_decades(values: Floats) -> bool:
    """Whether positive values are better seen on a logarithmic axis."""
    known = values[np.isfinite(values)]
    return bool(len(known) and known.min() > 0.0 and known.max() > DECADES * known.min())
