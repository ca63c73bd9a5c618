"""The terminal slope: the straight line through the logarithms of the last concentrations.

How many are taken is decided by the adjusted R squared, as Phoenix WinNonlin does by default: at least three, the
largest value not among them unless the dose was a bolus, and of stretches that are within 1e-4 of the best the longest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.nca.profile import NcaError, Profile

LEAST = 3
"""Points of a line."""

ALIKE = 1e-4
"""Adjusted R squared by which a longer stretch may be worse."""


class Terminal(NamedTuple):
    """``log(concentration) = intercept - rate * time`` from ``lower`` to ``upper``."""

    rate: float
    intercept: float
    points: int
    lower: float
    upper: float
    r_squared: float
    adjusted_r_squared: float
    correlation: float

    def at(self, time: float) -> float:
        """The concentration on the line."""
        return float(np.exp(self.intercept - self.rate * time))


def best_terminal(profile: Profile) -> Terminal | None:
    """The line of the stretch that is chosen; ``None`` where no three points fall."""
    times, values = _usable(profile)
    lines = [_line(times[begin:], values[begin:]) for begin in range(len(times) - LEAST, -1, -1)]
    falling = [line for line in lines if line is not None and line.rate > 0.0]
    if not falling:
        return None
    best = max(line.adjusted_r_squared for line in falling)
    return max((line for line in falling if line.adjusted_r_squared > best - ALIKE), key=lambda line: line.points)


def terminal_between(profile: Profile, lower: float, upper: float) -> Terminal:
    """The line through what was measured from one time to another.

    Raises:
        NcaError: there are fewer than three measurable values, or they do not fall.
    """
    measured = (profile.values > 0.0) & (profile.times >= lower) & (profile.times <= upper)
    count = int(measured.sum())
    if count < LEAST:
        raise NcaError(f"terminal {lower:g} to {upper:g} holds {count} measurable values: choose a stretch of {LEAST}")
    line = _line(profile.times[measured], profile.values[measured])
    if line is None or line.rate <= 0.0:
        raise NcaError(f"terminal {lower:g} to {upper:g}: the concentrations do not fall there; choose a later stretch")
    return line


def _usable(profile: Profile) -> tuple[Floats, Floats]:
    """Points that a line may begin with: measurable, after the peak, and after the infusion's end."""
    peak = profile.times[int(np.argmax(profile.values))]
    after = profile.times >= peak if profile.route == "bolus" else profile.times > peak
    chosen = after & (profile.values > 0.0) & (profile.times >= profile.duration)
    return profile.times[chosen], profile.values[chosen]


def _line(times: Floats, values: Floats) -> Terminal | None:
    logs = np.log(values)
    if np.ptp(logs) == 0.0:
        return None
    count, from_mean = len(times), times - times.mean()
    slope = float(from_mean @ logs / (from_mean @ from_mean))
    intercept = float(logs.mean() - slope * times.mean())
    spread = logs - logs.mean()
    correlation = float(from_mean @ spread / np.sqrt((from_mean @ from_mean) * (spread @ spread)))
    explained = correlation**2
    adjusted = 1.0 - (1.0 - explained) * (count - 1) / (count - 2)
    ends = float(times[0]), float(times[-1])
    return Terminal(-slope, intercept, count, *ends, explained, adjusted, correlation)
