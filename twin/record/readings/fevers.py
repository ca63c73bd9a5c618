"""Body temperatures that matter: those of a fever, kept small whatever a wearable says and in whatever order.

A temperature under `LINE` leaves no trace. Of the others the first `KEPT` of each window of the clock are kept, and the
first `KEPT` of `HIGH` or more, which follow from the set of all that was told; what comes in order never drives out
what came before. What was corrected or retracted is remembered by its rank and counts no more; it keeps its place, or
what was left out for it would have to come back.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from twin.clock import HOUR_MS, MINUTE_MS
from twin.record.held.holding import NOTHING, HeldNow

LINE = 38.0
"""Degrees Celsius from which a temperature is one of a fever: Freifeld 2011, Clin Infect Dis 52:e56."""

HIGH = 38.3
"""Degrees Celsius that are a fever if they are read once: Freifeld 2011."""

WINDOW_MS = 10 * MINUTE_MS
KEPT = 2
"""Readings of a window that are kept: one may be retracted."""

QUIET_MS = HOUR_MS
"""A temperature after so long without one as high is judged at once; a fever that goes on is, with the estimates."""


@dataclass(slots=True)
class Fevers:
    """The readings of fevers of one patient, by time: ms, ranks (`twin.record.readings.windows.rank_of`) and Celsius.

    ``gone`` are ranks of temperatures that were corrected or retracted.
    """

    times: array[int] = field(default_factory=lambda: array("q"))
    ranks: array[int] = field(default_factory=lambda: array("Q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    gone: set[int] = field(default_factory=set)

    def contradicts(self, rank: int, millis: int, value: float) -> bool:
        """Whether a reading says other than one of the same rank that is kept."""
        low, high = self._window(millis)
        return any(
            self.ranks[i] == rank and (self.times[i], self.values[i]) != (millis, value) for i in range(low, high)
        )

    def insert(self, rank: int, millis: int, value: float) -> bool:
        """Take in a temperature; whether what is kept has changed."""
        if value < LINE:
            return False
        low, high = self._window(millis)
        kept = [(self.times[i], self.ranks[i], self.values[i]) for i in range(low, high)]
        mine = millis, rank, value
        if mine in kept:
            return False
        every = sorted([*kept, mine])
        first = {*every[:KEPT], *[one for one in every if one[2] >= HIGH][:KEPT]}
        if mine not in first:
            return False
        left = [one for one in every if one in first]
        self.times[low:high] = array("q", (one[0] for one in left))
        self.ranks[low:high] = array("Q", (one[1] for one in left))
        self.values[low:high] = array("d", (one[2] for one in left))
        return rank not in self.gone

    def take_back(self, rank: int) -> int | None:
        """Let a reading count no more, whether it was told yet or not; its time (ms) if it was kept and counted."""
        if rank in self.gone:
            return None
        self.gone.add(rank)
        return self.times[self.ranks.index(rank)] if rank in self.ranks else None

    def between(self, after: int, until: int, held: HeldNow = NOTHING) -> tuple[tuple[int, float], ...]:
        """Time (ms) and value of what counts after one time and not after the other."""
        low = bisect_right(self.times, after)
        return tuple(self._counted(low, bisect_right(self.times, until, low), held))

    def turn(self, after: int, held: HeldNow = NOTHING) -> int | None:
        """The first time after ``after`` (ms) of a temperature of `LINE` or of `HIGH` after `QUIET_MS` without one."""
        if not self.times or self.times[-1] <= after:
            return None
        last = dict.fromkeys((LINE, HIGH), after - QUIET_MS - 1)
        for millis, value in self._counted(bisect_left(self.times, after - QUIET_MS), len(self.times), held):
            reached = [line for line in last if value >= line]
            if millis > after and any(millis - last[line] > QUIET_MS for line in reached):
                return millis
            last |= dict.fromkeys(reached, millis)
        return None

    def turns(self, held: HeldNow = NOTHING) -> set[int]:
        """Every `turn` (ms) of the record."""
        found, after = set[int](), -(2**62)
        while (turn := self.turn(after, held)) is not None:
            found.add(turn)
            after = turn
        return found

    def _counted(self, low: int, high: int, held: HeldNow) -> Iterator[tuple[int, float]]:
        for i in range(low, high):
            if self.ranks[i] not in self.gone and not (held.far and held.covers(self.times[i])):
                yield self.times[i], self.values[i]

    def _window(self, millis: int) -> tuple[int, int]:
        begin = millis // WINDOW_MS * WINDOW_MS
        low = bisect_left(self.times, begin)
        return low, bisect_left(self.times, begin + WINDOW_MS, low)
