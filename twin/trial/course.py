"""What really happened to a simulated patient, and when it was an event.

An event is that a watched output falls under its limit. Dips that lie less than `APART_MS` apart are one: a count that
trembles about the limit is one neutropenia.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import DAY_MS
from twin.model.spec import ToxicitySpec

APART_MS = 2 * DAY_MS


@dataclass(frozen=True)
class TrueCourse:
    """One output without residual error: ``times`` (T,) ms ascending, ``values`` (T,)."""

    times: NDArray[np.int64]
    values: Floats

    def falls_below(self, limit: float, start: int, end: int, lasting: int = 0) -> bool:
        """Whether it is under ``limit`` at any time from ``start`` to ``end`` (ms), and then has been for ``lasting``
        ms in a row."""
        return any(
            first <= end and last >= start and min(last, end) - first >= lasting
            for first, last in self._runs_below(limit)
        )

    def suffers(self, toxicity: ToxicitySpec, start: int, end: int, unit_ms: float) -> bool:
        """Whether a toxicity of this output comes from ``start`` to ``end`` (ms), with the model's time unit in ms."""
        # What rises above a limit falls, with its sign changed, below it.
        sign = 1.0 if toxicity.side == "below" else -1.0
        course = TrueCourse(self.times, sign * self.values)
        return course.falls_below(sign * toxicity.limit, start, end, round(toxicity.lasting * unit_ms))

    def spells_below(self, limit: float) -> tuple[tuple[int, int], ...]:
        """(ms, ms) from the first to the last time under ``limit`` of each event.

        >>> course = TrueCourse(np.arange(5) * DAY_MS * 3, np.array([2.0, 0.4, 0.3, 1.0, 0.4]))
        >>> [(start // DAY_MS, end // DAY_MS) for start, end in course.spells_below(0.5)]
        [(3, 6), (12, 12)]
        """
        found: list[tuple[int, int]] = []
        for start, end in self._runs_below(limit):
            if found and start - found[-1][1] < APART_MS:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return tuple(found)

    def _runs_below(self, limit: float) -> list[tuple[int, int]]:
        """(ms, ms) of the first and the last point of each run under ``limit``."""
        low = np.concatenate([[False], self.values < limit, [False]])
        first, after = np.flatnonzero(low[1:] & ~low[:-1]), np.flatnonzero(low[:-1] & ~low[1:])
        return list(zip(self.times[first].tolist(), self.times[after - 1].tolist(), strict=True))
