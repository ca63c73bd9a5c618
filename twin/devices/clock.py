"""A device's clock: how far it is off, from the times that it says and the times at which its words arrive.

A word that is told at ``device`` and arrives at ``arrival`` has the offset ``arrival - device``: the error of the clock
and the delay of the way. In order of arrival, offsets that stay together make an *epoch*; a clock that is set, or lost
by an empty battery, jumps and begins another. What was stored while a device was out of reach and then sent at once
looks late too, but its offsets shrink as fast as it is sent: it fills no stretch of arrivals, and keeps the epoch that
it lies in. Within an epoch

    offset(arrival) = median + drift * (arrival - centre)

with Theil and Sen's slope as drift, so that late words among the rest move nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

from twin.clock import HOUR_MS, MINUTE_MS

JUMP_MS = 5 * MINUTE_MS
"""Offsets of two words that follow one another and differ by more are of two epochs (assumed: HL7 feeds doubt a clock
from five minutes on)."""

EPOCH_WORDS, EPOCH_MS = 3, 5 * MINUTE_MS
"""Words, and length of arrivals, that make an epoch (assumed: one odd word sets no clock, nor do stored ones sent at
once)."""

TOLERANCE_MS = 2 * MINUTE_MS
"""A clock that is off by less is left alone (assumed: delays of the way are as long, and no dose turns on it)."""

STEP_MS = MINUTE_MS // 2
"""Offsets are applied in whole steps, so that a new word does not move all those before it by milliseconds."""

DRIFT_WORDS, DRIFT_MS = 10, 6 * HOUR_MS
"""Words and length of an epoch from which on a drift can be told from the jitter of the way (assumed)."""

MOST_FITTED = 100
"""Words of an epoch, evenly chosen, that its offset is fitted to: the slope costs their square."""


class Reading(NamedTuple):
    """When a word arrived and when the device says that it was, ms since 1970."""

    arrival: int
    device: int

    @property
    def offset(self) -> int:
        """How far the device is behind (ms)."""
        return self.arrival - self.device


@dataclass(frozen=True, slots=True)
class ClockEpoch:
    """A stretch in which a device's clock ran on.

    Attributes:
        first, last: arrivals (ms) of its first and last word.
        offset: ms that the clock was behind at ``centre``.
        drift: ms that it falls behind in a ms.
        sd: ms by which corrected times are uncertain: 1.4826 times the median distance from the fit, and the step.
    """

    first: int
    last: int
    centre: int
    offset: float
    drift: float
    sd: float

    def level(self, arrival: int) -> float:
        """How far the clock is behind (ms) for a word that arrives then; outside the epoch as at its nearer end."""
        return self.offset + self.drift * (min(max(arrival, self.first), self.last) - self.centre)

    def behind(self, arrival: int) -> int:
        """What to add to the device's time (ms) of a word that arrives then: 0 within `TOLERANCE_MS`."""
        off = self.level(arrival)
        return 0 if abs(off) < TOLERANCE_MS else round(off / STEP_MS) * STEP_MS


class DeviceClock:
    """The epochs of one device's clock: a function of the set of its readings, and of the epoch ``before`` them,
    whose readings are dropped: what goes on from it is the same epoch."""

    def __init__(self, readings: Iterable[Reading], before: ClockEpoch | None = None) -> None:
        runs: list[list[Reading]] = []
        for reading in sorted(set(readings)):
            if runs and abs(reading.offset - runs[-1][-1].offset) <= JUMP_MS:
                runs[-1].append(reading)
            else:
                runs.append([reading])
        settled: list[list[Reading]] = []
        for run in runs:
            if len(run) < EPOCH_WORDS or run[-1].arrival - run[0].arrival < EPOCH_MS:
                continue
            if settled and abs(run[0].offset - settled[-1][-1].offset) <= JUMP_MS:
                settled[-1] += run
            else:
                settled.append(run)
        epochs = list(map(_fitted, settled))
        if before is not None:
            if epochs and abs(settled[0][0].offset - before.level(settled[0][0].arrival)) <= JUMP_MS:
                epochs[0] = replace(epochs[0], first=before.first)
            else:
                epochs.insert(0, before)
        self.epochs = tuple(epochs)

    def corrected(self, reading: Reading) -> int:
        """The time (ms) of a word by a right clock, by the epoch that began last before it arrived."""
        if not self.epochs:
            return reading.device
        begun = [epoch for epoch in self.epochs if epoch.first <= reading.arrival]
        return reading.device + (begun[-1] if begun else self.epochs[0]).behind(reading.arrival)


def _fitted(run: Sequence[Reading]) -> ClockEpoch:
    first, last = run[0].arrival, run[-1].arrival
    step = max(1, len(run) // MOST_FITTED)
    chosen = run[::step]
    centre = (first + last) // 2
    drift = 0.0
    if len(chosen) >= DRIFT_WORDS and last - first >= DRIFT_MS:
        pairs = ((one, other) for at, one in enumerate(chosen) for other in chosen[at + 1 :])
        slopes = [
            (other.offset - one.offset) / (other.arrival - one.arrival)
            for one, other in pairs
            if other.arrival > one.arrival
        ]
        drift = median(slopes) if slopes else 0.0
    level = [one.offset - drift * (one.arrival - centre) for one in chosen]
    offset = median(level)
    spread = 1.4826 * median(abs(one - offset) for one in level)
    return ClockEpoch(first, last, centre, offset, drift, spread + STEP_MS)
