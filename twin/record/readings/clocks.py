"""How far the clocks of wearables were off, as their own samples say it, kept small and the same in any order.

A sample that says nothing of its device's clock leaves no trace. Of those that do, what is kept of each window of the
clock and each offset is the first word of the first `KEPT` slots in which it was said and the last of the last `KEPT`,
which follow from the set of all that was told: the row of a device whose clock is off grows by a few words a window,
however often it speaks, and the last word is always kept. A word is known by its rank, a digest of the event's id. What
corrects or retracts one and says something of the clock itself takes it back, whether it came by then or not; what was
taken back keeps its place, or what was left out for it would have to come back.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from twin.clock import HOUR_MS, MINUTE_MS
from twin.record.held.holding import NOTHING, HeldNow

WINDOW_MS = 6 * HOUR_MS
"""A clock that is set and lost again within a window is seen with the last word of it at the latest (assumed)."""

KEPT, SLOT_MS = 3, 10 * MINUTE_MS
"""Slots of a window and an offset that are kept at either end, and their length: what a device said in the five minutes
that it takes to know a new clock is taken back, and lies in two of them."""

STEP = 30
"""Offsets are kept in whole steps (s), as times are put right: jitter of the way is no change of a clock."""


class Turn(NamedTuple):
    """From ``millis`` on a clock is so many seconds ``behind`` (negative: ahead)."""

    millis: int
    behind: int


def in_steps(behind: float) -> int:
    """An offset (s) as it is kept."""
    return round(behind / STEP) * STEP


@dataclass(slots=True)
class ClockWords:
    """What is kept of one device, by time and rank: ms, ranks, and s that its clock was behind."""

    times: array[int] = field(default_factory=lambda: array("q"))
    ranks: array[int] = field(default_factory=lambda: array("Q"))
    behind: array[int] = field(default_factory=lambda: array("q"))

    def put(self, rank: int, millis: int, behind: int) -> None:
        """Take in a word, if it is one of those that are kept."""
        begin = millis // WINDOW_MS * WINDOW_MS
        low = bisect_left(self.times, begin)
        alike = [i for i in range(low, bisect_left(self.times, begin + WINDOW_MS, low)) if self.behind[i] == behind]
        said = sorted({*(self.times[i] for i in alike), millis})
        first = {time // SLOT_MS: time for time in reversed(said)}
        last = {time // SLOT_MS: time for time in said}
        slots = list(last)
        kept = {*(first[slot] for slot in slots[:KEPT]), *(last[slot] for slot in slots[-KEPT:])}
        if millis not in kept:
            return
        for i in reversed(alike):
            if self.times[i] not in kept:
                del self.times[i], self.ranks[i], self.behind[i]
        at = bisect_left(self.times, millis)
        while at < len(self.times) and self.times[at] == millis and self.ranks[at] < rank:
            at += 1
        self.times.insert(at, millis)
        self.ranks.insert(at, rank)
        self.behind.insert(at, behind)


class Clocks:
    """The clocks of a patient's wearables: the ``words`` of each by its name, and ranks of words that are ``gone``."""

    def __init__(self) -> None:
        self.words: dict[str, ClockWords] = {}
        self.gone: set[int] = set()
        self._turns: dict[str, Sequence[Turn]] = {}

    def contradicts(self, device: str, rank: int, millis: int, behind: float) -> bool:
        """Whether a word says other than one of the same rank that is kept."""
        words = self.words.get(device)
        if words is None or rank not in words.ranks:
            return False
        at = words.ranks.index(rank)
        return (words.times[at], words.behind[at]) != (millis, in_steps(behind))

    def goes_on(self, device: str, rank: int, millis: int, behind: float) -> bool:
        """Whether a word only says again what the device's newest ones say, so that no time is judged otherwise."""
        words = self.words.get(device)
        if words is None or not words.times or millis < words.times[-1] or rank in self.gone:
            return False
        said, newest = in_steps(behind), set[int]()
        for i in range(len(words.times) - 1, -1, -1):
            newest.add(words.times[i])
            if len(newest) > KEPT + 1:  # what goes out for it lies between two that say the same
                return True
            if words.behind[i] != said or words.ranks[i] in self.gone:
                return False
        return True  # all that was ever said, of which the first stays

    def insert(self, device: str, rank: int, millis: int, behind: float) -> int | None:
        """Take in a word; the time (ms) from which the clock is judged otherwise, ``None`` for none."""
        words = self.words.setdefault(device, ClockWords())
        if rank in words.ranks:
            return None
        if self.goes_on(device, rank, millis, behind):
            words.put(rank, millis, in_steps(behind))
            return None
        before = self.turns(device)
        words.put(rank, millis, in_steps(behind))
        return self._changed(device, before)

    def take_back(self, rank: int) -> int | None:
        """Let a word count no more, whether it was told yet or not; the time (ms) from which that matters."""
        if rank in self.gone:
            return None
        device = next((name for name, words in self.words.items() if rank in words.ranks), None)
        before = () if device is None else self.turns(device)
        self.gone.add(rank)
        return None if device is None else self._changed(device, before)

    def turns(self, device: str, held: HeldNow = NOTHING) -> Sequence[Turn]:
        """When a device's clock came to be off, was off otherwise and was right again, in order of time."""
        if held.far:
            return self._found(device, held)
        if device not in self._turns:
            self._turns[device] = self._found(device, NOTHING)
        return self._turns[device]

    def off(self, millis: int, held: HeldNow = NOTHING) -> Iterator[tuple[str, Turn]]:
        """The devices whose clock was ever off by ``millis``, sorted: each with the last turn by then."""
        for device in sorted(self.words):
            turns = self.turns(device, held)
            at = bisect_right(turns, millis, key=lambda turn: turn.millis)
            if at:
                yield device, turns[at - 1]

    def _changed(self, device: str, before: Sequence[Turn]) -> int | None:
        self._turns.pop(device, None)
        pairs = zip_longest(before, self.turns(device))
        times = ([turn.millis for turn in pair if turn is not None] for pair in pairs if pair[0] != pair[1])
        return min((min(each) for each in times), default=None)

    def _found(self, device: str, held: HeldNow) -> tuple[Turn, ...]:
        words, found = self.words[device], list[Turn]()
        for millis, rank, behind in zip(words.times, words.ranks, words.behind, strict=True):
            if rank in self.gone or held.covers(millis):
                continue
            if found and found[-1].millis == millis:  # of one instant the last counts
                found.pop()
            if behind != (found[-1].behind if found else 0):
                found.append(Turn(millis, behind))
        return tuple(found)
