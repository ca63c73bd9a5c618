"""The readings of one channel by windows of the clock, of each a sample that the order of arrival does not change.

A wearable speaks every few seconds for weeks, and a window's median needs no more than some readings. So a window keeps
the `KEPT` readings whose times come first when they are scattered: which they are is a matter of chance that has
nothing to do with what was read or how its event is called, and follows from the set of all that was told (bottom-k
sampling; Cohen & Kaplan 2007, Proc PODC, 225). A reading is known by its rank, a digest of the event's id: one told
twice is kept once. What corrects or retracts a reading is remembered by the rank of that, so that it counts no more; it
still has its place among those kept, or what was left out for it would have to come back.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from twin.observation.aggregate import summary
from twin.observation.observation import Summary
from twin.record.held.holding import NOTHING, HeldNow

KEPT = 12
"""Readings of a window that are kept: their median is as good as that of all, to 5 % of a reading's own scatter."""


_BITS = 2**64 - 1


class Window(NamedTuple):
    """A window that has readings that count: its begin, the mean of their times (ms), and what sums them up."""

    begin: int
    millis: int
    readings: Summary


def rank_of(event_id: str) -> int:
    """A number by which an event is known, 64 bits."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "little")


def _scattered(millis: int) -> int:
    """A time's place among others by chance alone, 64 bits: SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, 453)."""
    mixed = (millis + 0x9E3779B97F4A7C15) & _BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _BITS
    return mixed ^ (mixed >> 31)


@dataclass(slots=True)
class ReadingWindows:
    """Readings of one channel in windows of ``length`` ms, which lie at whole multiples since 1970.

    Attributes:
        times, ranks, values: what is kept, by window and time: ms, ranks, and values in the channel's unit.
        gone: ranks of readings that were corrected or retracted.
    """

    length: int
    times: array[int] = field(default_factory=lambda: array("q"))
    ranks: array[int] = field(default_factory=lambda: array("Q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    gone: set[int] = field(default_factory=set)
    _summed: dict[int, Window | None] = field(default_factory=dict, compare=False)

    def end_of(self, millis: int) -> int:
        """When the window of an instant is closed (both ms)."""
        return (millis // self.length + 1) * self.length

    def insert(self, rank: int, millis: int, value: float) -> bool | None:
        """Take in a reading; whether what is kept has changed, ``None`` where it contradicts one of the same rank."""
        begin = millis // self.length * self.length
        low, high = self._span(begin)
        mine = self.ranks[low:high]
        if rank in mine:
            at = low + mine.index(rank)
            return False if (self.times[at], self.values[at]) == (millis, value) else None
        if high - low >= KEPT:
            last = max(range(low, high), key=lambda i: (_scattered(self.times[i]), self.ranks[i]))
            if (_scattered(self.times[last]), self.ranks[last]) < (_scattered(millis), rank):
                return False
            for column in (self.times, self.ranks, self.values):
                column.pop(last)
            high -= 1
        at = bisect_left(self.times, millis, low, high)
        while at < high and self.times[at] == millis and self.ranks[at] < rank:
            at += 1
        self.times.insert(at, millis)
        self.ranks.insert(at, rank)
        self.values.insert(at, value)
        self._summed.pop(begin, None)
        return True

    def take_back(self, rank: int) -> int | None:
        """Let a reading count no more, whether it was told yet or not; the begin (ms) of its window if it was kept."""
        if rank in self.gone:
            return None
        self.gone.add(rank)
        if rank not in self.ranks:
            return None
        begin = self.times[self.ranks.index(rank)] // self.length * self.length
        self._summed.pop(begin, None)
        return begin

    def closed(self, until: int, held: HeldNow = NOTHING) -> Iterator[Window]:
        """Windows that are closed by ``until`` (ms) and have readings that count, in order of time."""
        at = 0
        while at < len(self.times) and (end := self.end_of(self.times[at])) <= until:
            begin = end - self.length
            upto = bisect_left(self.times, end, at)
            found = self._known(begin, at, upto) if not held.far else self._counted(begin, at, upto, held)
            if found is not None:
                yield found
            at = upto

    def closing_after(self, millis: int) -> int | None:
        """When the first window that has readings and is open at ``millis`` is closed (both ms)."""
        at = bisect_left(self.times, millis // self.length * self.length)
        return self.end_of(self.times[at]) if at < len(self.times) else None

    def _span(self, begin: int) -> tuple[int, int]:
        if not self.times or self.times[-1] < begin:
            return len(self.times), len(self.times)
        low = bisect_left(self.times, begin)
        return low, bisect_left(self.times, begin + self.length, low)

    def _known(self, begin: int, low: int, high: int) -> Window | None:
        if begin not in self._summed:
            self._summed[begin] = self._counted(begin, low, high, NOTHING)
        return self._summed[begin]

    def _counted(self, begin: int, low: int, high: int, held: HeldNow) -> Window | None:
        counted = [
            i
            for i in range(low, high)
            if self.ranks[i] not in self.gone and not (held.far and held.covers(self.times[i]))
        ]
        if not counted:
            return None
        mean = sum(self.times[i] for i in counted) // len(counted)
        return Window(begin, mean, summary([self.values[i] for i in counted]))
