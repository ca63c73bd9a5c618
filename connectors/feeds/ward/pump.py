"""One infusion by a simulated pump: what really went in, and what the pump said about it.

An infusion is ordered as an amount over a duration. What becomes of it is a *scenario*; the result is a list of
segments of constant rate, which is the truth, and the pump's words about them (IPEC: START, STOP, COMPLETE, and a
sample every few minutes). A pump measures its own flow, so the rate it reports is the one delivered, a few percent off
the programmed one; what it says during a silence is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from twin.clock import HOUR_MS, MINUTE_MS

Scenario = Literal[
    "as_ordered",
    "occlusion",
    "silence",
    "misprogrammed",
    "tenfold",
    "overdose",
    "leak",
    "early_end",
    "rate_change",
    "unplanned",
]
"""What happens to an infusion.

``occlusion``: alarm and stop, later resumed until the bag is empty. ``silence``: delivery goes on, the pump is not
heard. ``misprogrammed``: the bag runs at 2 or 10 times the rate; ``tenfold``: at 10 times. ``overdose``: twice the
amount over the ordered time. ``leak``: the flow falls and the pump is stopped at the ordered end with drug left.
``early_end``: stopped by a clinician with drug left. ``rate_change``: a clinician changes the rate; the bag is emptied.
``unplanned``: nobody ordered it.
"""

SCENARIOS: tuple[Scenario, ...] = (
    "as_ordered", "occlusion", "silence", "misprogrammed", "tenfold", "overdose", "leak", "early_end", "rate_change",
    "unplanned",
)  # fmt: skip

PUMP_ERROR = 0.02
"""SD of delivered over programmed flow, as a fraction (assumed: infusion pumps are specified to a few percent)."""

IDLE_MS = 10 * MINUTE_MS
"""How long a pump is connected before an infusion and after it."""

FAST_DURATION_HOURS = 4.0
"""A tenfold rate is possible only for slow infusions: a faster one would exceed what a pump can deliver."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Delivery at ``rate`` (mg/h) from ``start`` to ``end`` (ms), programmed as ``programmed`` (mg/h)."""

    start: int
    end: int
    rate: float
    programmed: float
    reason: str | None = None
    """Why nothing is delivered, where ``rate`` is 0."""

    @property
    def amount(self) -> float:
        """mg delivered."""
        return self.rate * (self.end - self.start) / HOUR_MS


@dataclass(frozen=True, slots=True)
class Word:
    """One thing a pump says: IPEC's phase and status, and actual and programmed rate (mg/h) from ``time`` (ms) on."""

    time: int
    phase: Literal["start", "stop", "complete", "sample"]
    status: Literal["delivering", "not-delivering", "transitioning"]
    rate: float
    programmed: float
    reason: str | None = None


@dataclass(frozen=True)
class Infusion:
    """An infusion as it went.

    Attributes:
        planned: ms at which it was ordered to begin; ``amount`` mg over ``hours`` were ordered.
        segments: contiguous, from the real start to the end.
        emptied: whether it ended because the bag was empty (COMPLETE) and not because it was stopped.
        happened: ms from and until which the scenario was at work; ``None`` as ordered.
        silent: ms from and until which nothing the pump said arrived.
    """

    drug: str
    scenario: Scenario
    planned: int
    amount: float
    hours: float
    segments: tuple[Segment, ...]
    emptied: bool
    happened: tuple[int, int] | None
    silent: tuple[int, int] | None

    @property
    def start(self) -> int:
        """ms at which the pump began."""
        return self.segments[0].start

    @property
    def end(self) -> int:
        """ms at which it ended."""
        return self.segments[-1].end

    @property
    def connected(self) -> tuple[int, int]:
        """ms from and until which the pump is bound to the patient."""
        return self.start - IDLE_MS, self.end + IDLE_MS

    @property
    def delivered(self) -> float:
        """mg delivered in all."""
        return sum(segment.amount for segment in self.segments)

    def delivered_until(self, time: int) -> float:
        """mg delivered until ``time`` (ms)."""
        return sum(s.rate * max(0, min(s.end, time) - s.start) / HOUR_MS for s in self.segments)

    def heard(self, time: int) -> bool:
        """Whether what the pump says at ``time`` (ms) arrives."""
        return self.silent is None or not self.silent[0] <= time < self.silent[1]


def infuse(
    drug: str, planned: int, amount: float, hours: float, scenario: Scenario, rng: np.random.Generator
) -> Infusion:
    """Give ``amount`` mg over ``hours`` as ordered for ``planned`` (ms), under ``scenario``.

    Raises:
        ValueError: amount or duration is not above 0, or the scenario is unknown.
    """
    if not (0 < amount < float("inf") and 0 < hours < float("inf")):
        raise ValueError(f"an infusion of {amount} mg over {hours} h: both must be above 0")
    start = planned + round(rng.uniform(0, 10) * MINUTE_MS)
    length = round(hours * HOUR_MS)
    flow = 1 + float(np.clip(PUMP_ERROR * rng.standard_normal(), -0.05, 0.05))
    programmed = amount / hours

    def at(low: float, high: float) -> int:
        return start + round(rng.uniform(low, high) * length)

    def running(begin: int, rate: float, end: int | None = None, left: float = amount) -> Segment:
        """At ``rate`` as programmed, until ``end`` or until ``left`` mg are in."""
        delivered = rate * flow
        return Segment(begin, end if end is not None else begin + round(left / delivered * HOUR_MS), delivered, rate)

    happened: tuple[int, int] | None = None
    silent: tuple[int, int] | None = None
    emptied = True
    match scenario:
        case "as_ordered":
            segments = [running(start, programmed)]
        case "silence":
            segments = [running(start, programmed)]
            begin = at(0.2, 0.5)
            happened = silent = (begin, begin + round(rng.uniform(0.3, 0.45) * length))
        case "unplanned":
            segments = [running(start, programmed)]
            happened = (start, segments[0].end)
        case "misprogrammed" | "tenfold":
            possible = hours >= FAST_DURATION_HOURS and scenario == "misprogrammed"
            factor = 10.0 if scenario == "tenfold" or (possible and rng.random() < 0.5) else 2.0
            segments = [running(start, factor * programmed)]
            happened = (start, segments[0].end)
        case "overdose":
            segments = [running(start, 2 * programmed, left=2 * amount)]
            happened = (start, segments[0].end)
        case "occlusion":
            first = running(start, programmed, at(0.2, 0.6))
            pause = round(min(max(rng.uniform(0.2, 0.5) * length, 10 * MINUTE_MS), 2 * HOUR_MS))
            stopped = Segment(first.end, first.end + pause, 0.0, programmed, "pump-stopped-alarming")
            segments = [first, stopped, running(stopped.end, programmed, left=amount - first.amount)]
            happened = (stopped.start, stopped.end)
        case "leak":
            first = running(start, programmed, at(0.2, 0.4))
            lost = float(rng.uniform(0.4, 0.65))
            segments = [first, Segment(first.end, start + length, lost * first.rate, programmed)]
            happened, emptied = (first.end, start + length), False
        case "early_end":
            segments = [running(start, programmed, at(0.4, 0.7))]
            happened, emptied = (segments[0].end, start + length), False
        case "rate_change":
            first = running(start, programmed, at(0.3, 0.6))
            changed = programmed * float(rng.choice([0.8, 1.25]))
            segments = [first, running(first.end, changed, left=amount - first.amount)]
            happened = (first.end, first.end)
        case _:
            raise ValueError(f"scenario {scenario!r}; known: {', '.join(SCENARIOS)}")
    return Infusion(drug, scenario, planned, amount, hours, tuple(segments), emptied, happened, silent)


def words(infusion: Infusion, every: int) -> Iterator[Word]:
    """All that the pump says while it is connected, in time order, with a sample every ``every`` ms; silence included.

    A change of the programmed rate is a STOP that is ``transitioning`` at the old rate, a second before the START at
    the new one; a flow that falls by itself is only a sample with another rate.
    """
    connected, released = infusion.connected
    programmed = infusion.segments[0].programmed
    idle = Segment(connected, infusion.start, 0.0, programmed, "pump-stopped-not-specified")
    yield from _samples(idle, connected, every)
    yield Word(infusion.start, "start", "delivering", infusion.segments[0].rate, programmed)
    yield from _samples(infusion.segments[0], infusion.start + every, every)
    for before, segment in pairwise(infusion.segments):
        yield from _change(before, segment)
        yield from _samples(segment, segment.start + every, every)
    last = infusion.segments[-1]
    if infusion.emptied:
        yield Word(last.end, "complete", "not-delivering", 0.0, last.programmed)
    else:
        yield Word(last.end, "stop", "not-delivering", 0.0, last.programmed, "pump-stopped-by-clinician")
    after = Segment(last.end, released, 0.0, last.programmed, "pump-stopped-not-specified")
    yield from _samples(after, last.end + every, every)


def _change(before: Segment, segment: Segment) -> Iterator[Word]:
    if segment.rate == 0:
        yield Word(segment.start, "stop", "not-delivering", 0.0, before.programmed, segment.reason)
    elif before.rate == 0:
        yield Word(segment.start, "start", "delivering", segment.rate, segment.programmed)
    elif before.programmed == segment.programmed:
        yield Word(segment.start, "sample", "delivering", segment.rate, segment.programmed)
    else:
        yield Word(segment.start - 1000, "stop", "transitioning", before.rate, before.programmed)
        yield Word(segment.start, "start", "delivering", segment.rate, segment.programmed)


def _samples(segment: Segment, first: int, every: int) -> Iterator[Word]:
    status: Literal["delivering", "not-delivering"] = "delivering" if segment.rate > 0 else "not-delivering"
    for time in range(first, segment.end - 1000, every):
        yield Word(time, "sample", status, segment.rate, segment.programmed, segment.reason)
