"""When a device was heard: enough to see every silence, and small for ever.

A device that speaks every few seconds is kept as *spells*: stretches within which it was never silent for longer than
`SPELL_MS`. Spells are a function of the set of words, whatever the order of their arrival, and their number grows with
the silences, not with the words.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

SPELL_MS = 15 * 60_000
"""Longest pause within a spell, and so the shortest silence that can be seen."""


@dataclass(slots=True)
class DeviceContact:
    """Spells of one device, in order: the ms of the first and of the last word of each.

    ``pause`` is the longest silence within a spell (ms).
    """

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    pause: int = SPELL_MS

    def insert(self, millis: int) -> int | None:
        """Note a word; ``millis`` when a judgement about that time or later may now differ, None within a spell."""
        last = self.last
        if last and 0 < millis - last[-1] <= self.pause:  # as nearly all come, one after the other
            last[-1] = millis
            return millis
        at = bisect_right(self.first, millis)
        if at > 0 and millis <= last[at - 1]:
            return None
        joins_before = at > 0 and millis - self.last[at - 1] <= self.pause
        joins_after = at < len(self.first) and self.first[at] - millis <= self.pause
        if joins_before and joins_after:
            self.last[at - 1] = self.last.pop(at)
            self.first.pop(at)
        elif joins_before:
            self.last[at - 1] = millis
        elif joins_after:
            self.first[at] = millis
        else:
            self.first.insert(at, millis)
            self.last.insert(at, millis)
        return millis

    def last_before(self, millis: int) -> int | None:
        """Newest word not after ``millis``; within a spell ``millis`` itself, for there it was heard at most
        `SPELL_MS` ago and exactly when is not kept."""
        at = bisect_right(self.first, millis) - 1
        return min(millis, self.last[at]) if at >= 0 else None

    def speaks_within(self, first: int, last: int) -> bool:
        """Whether a word may lie in ``[first, last]`` (ms)."""
        at = bisect_right(self.first, last) - 1
        return at >= 0 and self.last[at] >= first
