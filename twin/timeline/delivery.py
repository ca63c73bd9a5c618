"""What was delivered of each drug, as step functions of the rate and impulses.

Delivered, not ordered: the input is what the pumps said they delivered. A channel's rate holds from one word to its
next; between two readings of its cumulative counter the rates are scaled so that they integrate to what the counter
says, and where that stands still the pump stands; a channel that stays silent is believed for `HOLD_MS` and no longer.
Rates are mg/h, amounts mg.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS
from twin.events import DoseGiven, PumpDelivery, PumpTotals
from twin.record.charted import ChartedDose, Infusion, ToldTwice, told_twice
from twin.record.history import HOLD_MS, ClinicalEvent, SampleLine

COUNTER_TOLERANCE = 0.01
"""Counters and reported rates that agree within this fraction need no correction (pump accuracy is a few percent)."""

COUNTER_NOISE = 0.02
"""A counter may read less than before by this fraction of it without having been cleared: rounding of what it shows,
and a sensor's noise (assumed; infusion pumps themselves keep within about 5 %)."""

COUNTER_ACCURACY = 0.1
"""A pump's words agree within this fraction with what its counter counted in order (twice a pump's own error)."""

STANDS_MS = 15 * MINUTE_MS
"""A counter that did not count for so long tells that the pump stands; sooner its display may only round (assumed)."""

DAY_APART_MS = 20 * HOUR_MS
"""A dose this long after the beginning of a day is the next day's: daily doses are given up to 4 h early (assumed)."""

FEW = 4
"""Changes of a rate within a minute that are told apart; a pump that changes more often flutters, and no drug is faster
than a minute (assumed)."""

Steps = list[tuple[int, float]]
"""A step function of time: (from ms, value), sorted; zero before the first."""


class Recorded(NamedTuple):
    """A dose recorded as given evenly from ``start`` to ``end`` (ms), mg/h.

    ``rated`` says that its rate stays as it is and a bioavailability changes how long it lasts. Of a dose that names
    the state it enters, the route is an entrance (`twin.model.entrances`).
    """

    start: int
    end: int
    rate: float
    route: str
    rated: bool = False


class Steady(NamedTuple):
    """A dose (mg) given at ``millis`` as it had been given every ``every`` ms for ever before; ``span`` ms long."""

    millis: int
    every: int
    span: int
    amount: float
    route: str
    rated: bool = False

    def recorded(self, millis: int) -> Recorded:
        """The dose as if given at ``millis``, for one that lasts."""
        return Recorded(millis, millis + self.span, self.amount / (self.span / HOUR_MS), self.route, self.rated)


@dataclass(slots=True)
class Delivered:
    """One drug as delivered.

    Attributes:
        rate: all that runs, mg/h; ``rate_by_route`` is the same by route.
        impulses: what was given at once (ms, mg, route).
        pulses: ms of every recorded dose.
        steady: doses recorded as given in steady state, which are among the others too.
        pumped: the part of the rate that pumps told of; ``recorded``: doses whose duration was told beforehand.
        told_twice: recorded doses that pumps told of too; they are among the pulses and nothing else.
    """

    rate: Steps = field(default_factory=list)
    impulses: list[tuple[int, float, str]] = field(default_factory=list)
    rate_by_route: dict[str, Steps] = field(default_factory=dict)
    pulses: list[int] = field(default_factory=list)
    pumped: Steps = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    steady: list[Steady] = field(default_factory=list)
    told_twice: tuple[ToldTwice, ...] = ()

    def rate_at(self, millis: int) -> float:
        """Rate from ``millis`` on, mg/h."""
        at = bisect_right(self.rate, millis, key=lambda step: step[0]) - 1
        return self.rate[at][1] if at >= 0 else 0.0

    def amount(self, start: int, end: int) -> float:
        """Amount delivered in [start, end), mg."""
        total = sum(amount for millis, amount, _ in self.impulses if start <= millis < end)
        for i, (since, rate) in enumerate(self.rate):
            until = self.rate[i + 1][0] if i + 1 < len(self.rate) else end
            total += rate * max(0, min(until, end) - max(since, start)) / HOUR_MS
        return total

    def begins(self) -> list[int]:
        """Times at which a dose begins, sorted: one recorded as given, or what a pump delivers until it stops."""
        recorded = [dose.start for dose in self.recorded]
        return sorted([*(millis for millis, _, _ in self.impulses), *recorded, *(start for start, _ in self._runs())])

    def amounts(self) -> Steps:
        """Amount of each dose (mg) from when it is known: its begin when recorded, its end when pumped."""
        recorded = [(dose.start, dose.rate * (dose.end - dose.start) / HOUR_MS) for dose in self.recorded]
        line = Delivered(rate=self.pumped)
        pumped = [(end, line.amount(start, end)) for start, end in self._runs()]
        return sorted([*((millis, amount) for millis, amount, _ in self.impulses), *recorded, *pumped])

    def implied(self) -> Steps:
        """Amounts (mg) of doses of the last day before one in steady state, which nobody recorded."""
        return [
            (dose.millis - k * dose.every, dose.amount)
            for dose in self.steady
            for k in range(1, -(-DAY_MS // dose.every))
        ]

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Begin and end of each stretch over which a pump delivers without a stop."""
        began: int | None = None
        for millis, rate in self.pumped:
            if rate > 0 and began is None:
                began = millis
            elif rate == 0 and began is not None:
                yield began, millis
                began = None

    def pumping(self) -> Iterator[tuple[int, int, float, int]]:
        """Stretches of an even rate that pumps deliver: from, to (ms), mg/h, and when the pump began to deliver."""
        for start, end in self._runs():
            steps = [step for step in self.pumped if start <= step[0] <= end]
            for (since, rate), (until, _) in pairwise(steps):
                yield since, until, rate, start

    def starts(self, gap_ms: int) -> list[int]:
        """Times at which delivery begins after at least ``gap_ms`` without any: the starts of courses."""
        found: list[int] = []
        until: int | None = None
        for since, end in self.spans():
            if until is None or since - until >= gap_ms:
                found.append(since)
            until = end if until is None else max(until, end)
        return found

    def spans(self) -> list[tuple[int, int]]:
        """Stretches (ms) over which something is delivered, sorted; a dose given at once has no length."""
        spans = [(millis, millis) for millis, _, _ in self.impulses]
        for i, (since, rate) in enumerate(self.rate):
            if rate > 0:
                spans.append((since, self.rate[i + 1][0] if i + 1 < len(self.rate) else since + HOLD_MS))
        return sorted(spans)

    def days(self, gap_ms: int) -> list[int]:
        """Starts of courses, and within them of days: a dose `DAY_APART_MS` or more after the last begins another, and
        while delivery goes on one follows the other after 24 h."""
        courses = self.starts(gap_ms)
        found: list[int] = []
        for since, end in self.spans():
            if not found or since in courses or since - found[-1] >= DAY_APART_MS:
                found.append(since)
            while found[-1] + DAY_MS < end:
                found.append(found[-1] + DAY_MS)
        return found


def sum_of_steps(sources: list[Steps]) -> Steps:
    """Sum of step functions, as a step function without repeated values.

    >>> sum_of_steps([[(0, 1.0), (10, 0.0)], [(5, 2.0)]])
    [(0, 1.0), (5, 3.0), (10, 2.0)]
    """
    if not sources:
        return []
    times = np.unique(np.array([millis for source in sources for millis, _ in source], dtype=np.int64))
    total = np.zeros(len(times))
    for source in sources:
        if source:
            at = np.searchsorted(np.array([millis for millis, _ in source]), times, side="right")
            total += np.concatenate([[0.0], [value for _, value in source]])[at]
    steps: Steps = []
    for millis, value in zip(times.tolist(), total.tolist(), strict=True):
        if value != (steps[-1][1] if steps else 0.0):
            steps.append((millis, value))
    return steps


def calmed(steps: Steps) -> Steps:
    """A step function with at most `FEW` changes in a minute: from the last of them to the minute's end holds the mean.

    What is delivered up to the end of each minute is the same.

    >>> calmed([(0, 1.0), (1, 2.0), (2, 3.0), (20_000, 4.0), (40_000, 0.0)])
    [(0, 1.0), (1, 2.0), (2, 3.0), (20000, 2.0), (60000, 0.0)]
    """
    if len(steps) <= FEW:
        return steps
    minute = np.array([millis for millis, _ in steps], dtype=np.int64) // MINUTE_MS
    crowded, counts = np.unique(minute, return_counts=True)
    if counts.max() <= FEW:
        return steps
    found: Steps = []
    at = 0
    for number, count in zip(crowded.tolist(), counts.tolist(), strict=True):
        within, end = steps[at : at + count], (number + 1) * MINUTE_MS
        at += count
        if count > FEW:
            rest = within[FEW - 1 :]
            mean = Delivered(rate=rest).amount(rest[0][0], end) / ((end - rest[0][0]) / HOUR_MS)
            within = [*within[: FEW - 1], (rest[0][0], mean), (end, rest[-1][1])]
        found += within
    return sum_of_steps([found])


def delivered(
    drug: str, facts: list[tuple[int, ClinicalEvent]], samples: dict[tuple[str, str], SampleLine]
) -> Delivered:
    """Everything delivered of a drug: pump channels, counters and recorded doses, summed."""
    found = Delivered()
    channels: dict[str, Steps] = {}
    counters: dict[str, Steps] = {}
    doses: dict[str, tuple[int, DoseGiven]] = {}
    for millis, fact in facts:
        if isinstance(fact, PumpDelivery) and fact.drug == drug:
            running = fact.phase == "start" or fact.delivery_status == "kvo"
            delivering = fact.delivery_status != "not-delivering"
            channels.setdefault(fact.device_id, []).append((millis, fact.rate.value if running and delivering else 0.0))
        elif isinstance(fact, PumpTotals) and fact.drug == drug:
            counters.setdefault(fact.device_id, []).append((millis, fact.delivered.value))
        elif isinstance(fact, DoseGiven) and fact.drug == drug:
            doses[fact.event_id] = millis, fact
    for (device, of_drug), line in samples.items():
        if of_drug == drug:
            channels.setdefault(device, [])
            # Words at one instant: a start or stop outranks the periodic sample.
            spoken = {millis for millis, _ in channels[device]}
            reported = [(m, r) for m, r in zip(line.times, line.rates, strict=True) if m not in spoken]
            channels[device] = sorted([*channels[device], *reported], key=lambda step: step[0])
    devices = sorted(channels.keys() | counters.keys())
    words = {device: _last_of_instant(channels.get(device, [])) for device in devices}
    reporting = {device for (device, of_drug), line in samples.items() if of_drug == drug and line.times}
    pumped = {d: _reconciled(words[d], counters.get(d, []), reports=d in reporting) for d in devices}
    found.pumped = calmed(sum_of_steps(list(pumped.values())))
    ended = {d: {m for m, rate in words[d] if rate == 0} | {m for m, _ in counters.get(d, [])} for d in devices}
    infusions = [one for device in devices for one in _infusions(device, pumped[device], ended[device])]
    found.told_twice = told_twice([_charted(m, d) for m, d in doses.values() if _may_be_pumped(d)], infusions)
    twice = {one.event_id for one in found.told_twice}
    for event_id, (millis, dose) in doses.items():
        _record(found, millis, dose, pumped=event_id in twice)
    return with_rates(found)


def _record(found: Delivered, millis: int, dose: DoseGiven, *, pumped: bool) -> None:
    """Add a dose recorded as given; what of it was ``pumped`` is there already."""
    found.pulses.append(millis)
    if pumped:
        return
    amount, span = dose.amount.value, 0 if dose.duration is None else round(dose.duration.value * HOUR_MS)
    rated = dose.keeps == "rate"
    if dose.steady_every is not None:
        every = round(dose.steady_every.value * HOUR_MS)
        found.steady.append(Steady(millis, every, span, amount, dose.entrance, rated))
    if dose.duration is None:
        found.impulses.append((millis, amount, dose.entrance))
    else:
        rate = amount / dose.duration.value
        found.recorded.append(Recorded(millis, millis + span, rate, dose.entrance, rated))


def _may_be_pumped(dose: DoseGiven) -> bool:
    return dose.steady_every is None and (dose.route == "iv" or dose.device_id is not None)


def _charted(millis: int, dose: DoseGiven) -> ChartedDose:
    span = 0 if dose.duration is None else round(dose.duration.value * HOUR_MS)
    return ChartedDose(dose.event_id, millis, dose.amount.value, span, dose.device_id)


def _infusions(device: str, pumped: Steps, ended: set[int]) -> Iterator[Infusion]:
    """What a pump delivers from each start to the next stop, which is known only where a word or a counter tells it."""
    line = Delivered(pumped=pumped, rate=pumped)
    for start, end in line._runs():
        yield Infusion(device, start, end, line.amount(start, end), end not in ended)


def with_rates(found: Delivered) -> Delivered:
    """Fill in the rates that follow from what was recorded and pumped (by vein)."""
    by_route: dict[str, list[Steps]] = {}
    for dose in found.recorded:
        by_route.setdefault(dose.route, []).append([(dose.start, dose.rate), (dose.end, 0.0)])
    if found.pumped:
        by_route.setdefault("iv", []).append(found.pumped)
    found.rate_by_route = {route: sum_of_steps(by_route[route]) for route in sorted(by_route)}
    found.rate = sum_of_steps(list(found.rate_by_route.values()))
    return found


def _last_of_instant(words: Steps) -> Steps:
    return [w for i, w in enumerate(words) if i + 1 == len(words) or words[i + 1][0] != w[0]]


def _held(words: Steps) -> Steps:
    """A channel's words as a step function that falls to zero `HOLD_MS` after a word that nothing followed."""
    steps: Steps = []
    for i, (millis, rate) in enumerate(words):
        if not steps or steps[-1][1] != rate:
            steps.append((millis, rate))
        following = words[i + 1][0] if i + 1 < len(words) else None
        if rate > 0 and (following is None or following - millis > HOLD_MS):
            steps.append((millis + HOLD_MS, 0.0))
    return steps


def _reconciled(words: Steps, counter: Steps, *, reports: bool) -> Steps:
    """A channel's words, reconciled with its counter; one that ``reports`` periodically says itself when it stands."""
    held = _held(words)
    plausible = _plausible(Delivered(rate=held), counter)
    return _counted(held if reports else _stood(held, words, plausible), plausible)


def _stood(held: Steps, words: Steps, counter: Steps) -> Steps:
    """A channel's rates, zero from where its counter stands still, with no word since, until it counts or speaks."""
    line, said = held, Delivered(rate=held)
    spoken = [millis for millis, _ in words]
    turns = sorted({*spoken, *(millis for millis, _ in counter)})
    still: int | None = None
    for (since, before), (until, after) in pairwise(counter):
        cleared = after < before
        moved = (after if cleared else after - before) > COUNTER_TOLERANCE * said.amount(since, until)
        if moved or bisect_right(spoken, since) < bisect_right(spoken, until):
            still = None
        elif still is None and not cleared:
            still = since
        if still is None or until - still < STANDS_MS:
            continue
        # Until the next reading, which is looked at in its turn, or the next word.
        line = [*line[: bisect_left(line, until, key=lambda step: step[0])], (until, 0.0)]
        for end in turns[bisect_right(turns, until) :][:1]:
            line += [(end, said.rate_at(end)), *(step for step in held if step[0] > end)]
    return line


def _counted(steps: Steps, counter: Steps) -> Steps:
    """Scale a channel's rates between counter readings to what the counter says was delivered."""
    line = Delivered(rate=steps)
    for (since, before), (until, after) in pairwise(counter):
        if after < before or until <= since:
            continue  # The counter was cleared in between: it says nothing about this stretch.
        said, counted = line.amount(since, until), after - before
        if abs(counted - said) <= COUNTER_TOLERANCE * max(counted, said):
            continue
        inside = [(m, r) for m, r in line.rate if since <= m < until]
        inside = [(since, line.rate_at(since)), *[step for step in inside if step[0] != since]]
        if said > 0:
            scaled = [(m, r * counted / said) for m, r in inside]
        else:
            scaled = [(since, counted / ((until - since) / HOUR_MS))]
        resumed = (until, line.rate_at(until))
        outside_after = [step for step in line.rate if step[0] > until]
        line = replace(line, rate=[*[s for s in line.rate if s[0] < since], *scaled, resumed, *outside_after])
    return line.rate


def _plausible(line: Delivered, counter: Steps) -> Steps:
    """A counter's readings without those that are less than the one before though it was not cleared.

    A counter that was cleared has counted all that it shows since then. So a reading that is less by no more than
    `COUNTER_NOISE` is noise where the pump's words tell of less than half of that. Less by more, it is of a pump whose
    clock was set back, and counted earlier than what is read before it, where the words agree with what was counted
    from the reading before to the next that is more, and better than with a counter that was cleared.
    """
    kept: Steps = []
    for at, (millis, reading) in enumerate(counter):
        since, before = kept[-1] if kept else (millis, 0.0)
        dips = before * (1.0 - COUNTER_NOISE) <= reading < before
        if dips and line.amount(since, millis) < 0.5 * reading:
            continue
        later = next((one for one in counter[at + 1 :] if one[1] >= before), None) if reading < before else None
        if later is None or not _set_back(line, (since, before), (millis, reading), later):
            kept.append((millis, reading))
    return kept


def _set_back(line: Delivered, last: tuple[int, float], less: tuple[int, float], later: tuple[int, float]) -> bool:
    """Whether a reading that is less than the ``last`` was counted before that, by a pump that ran all the while."""
    so_far, since = line.amount(last[0], less[0]), line.amount(less[0], later[0])
    if so_far <= 0.0 or since <= 0.0:
        return False
    as_set_back = abs(later[1] - last[1] - (so_far + since))
    as_cleared = abs(later[1] - less[1] - since)
    return as_set_back <= COUNTER_ACCURACY * (so_far + since) and as_set_back < as_cleared
