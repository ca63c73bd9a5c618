"""What was delivered of each drug, as step functions of the rate and impulses.

Delivered, not ordered: the input is what the pumps said they delivered (`twin.timeline.pumps.channel`), and of those
that fell silent what one hypothesis says of them (`twin.timeline.pumps.silence`). Rates are mg/h, amounts mg.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from twin.clock import DAY_MS, HOUR_MS
from twin.events import DoseGiven, PumpDelivery, PumpTotals
from twin.record.charted import ChartedDose, Infusion, ToldTwice, told_twice
from twin.record.facts import ClinicalEvent
from twin.record.history import HOLD_MS, SampleLine
from twin.timeline.pumps.channel import Channel, Standing, counted, held, last_of_instant
from twin.timeline.pumps.mismatch import Mismatch
from twin.timeline.pumps.silence import RUNNING, Hypothesis, Open, silent_from
from twin.timeline.pumps.steps import Steps, calmed, sum_of_steps, value_at
from twin.timeline.pumps.taking import Uncertain, was_taken

DAY_APART_MS = 20 * HOUR_MS
"""A dose this long after the beginning of a day is the next day's: daily doses are given up to 4 h early (assumed)."""


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
        opens: channels that ran when they were last heard.
        doubts: stretches of which it is in doubt when in them something went in.
        uncertain: doses that may not have been taken; they are among the others where a hypothesis has them taken.
        stood: by device, when its counter told that it stands though it had said that it runs.
    """

    rate: Steps = field(default_factory=list)
    impulses: list[tuple[int, float, str]] = field(default_factory=list)
    rate_by_route: dict[str, Steps] = field(default_factory=dict)
    pulses: list[int] = field(default_factory=list)
    pumped: Steps = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    steady: list[Steady] = field(default_factory=list)
    told_twice: tuple[ToldTwice, ...] = ()
    opens: tuple[Open, ...] = ()
    doubts: tuple[Mismatch, ...] = ()
    uncertain: tuple[Uncertain, ...] = ()
    stood: dict[str, tuple[Standing, ...]] = field(default_factory=dict)

    def rate_at(self, millis: int) -> float:
        """Rate from ``millis`` on, mg/h."""
        return value_at(self.rate, millis)

    def stands(self, device: str, millis: int) -> bool:
        """Whether a pump's counter tells that it stands at ``millis`` and until its next word."""
        return any(since < millis and (end is None or millis < end) for since, end in self.stood.get(device, ()))

    def amount(self, start: int, end: int) -> float:
        """Amount delivered in [start, end), mg."""
        total = sum((amount for millis, amount, _ in self.impulses if start <= millis < end), 0.0)
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


def delivered(
    drug: str,
    facts: list[tuple[int, ClinicalEvent]],
    samples: dict[tuple[str, str], SampleLine],
    assumed: Hypothesis = RUNNING,
) -> Delivered:
    """Everything delivered of a drug: pump channels, counters and recorded doses, summed.

    ``assumed`` is taken to be true of every channel that fell silent, and of the stretch that is in doubt.
    """
    found = Delivered()
    channels: dict[str, Steps] = {}
    stops: dict[str, set[int]] = {}
    counters: dict[str, Steps] = {}
    doses: dict[str, tuple[int, DoseGiven]] = {}
    for millis, fact in facts:
        if isinstance(fact, PumpDelivery) and fact.drug == drug:
            running = fact.phase == "start" or fact.delivery_status == "kvo"
            delivering = fact.delivery_status != "not-delivering"
            rate = fact.rate.value if running and delivering else 0.0
            channels.setdefault(fact.device_id, []).append((millis, rate))
            if rate == 0:
                stops.setdefault(fact.device_id, set()).add(millis)
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
    words = {device: last_of_instant(channels.get(device, [])) for device in devices}
    pumped: dict[str, Steps] = {}
    infusions: list[Infusion] = []
    for device in devices:
        reports: Sequence[int] = samples[device, drug].times if (device, drug) in samples else ()
        told = _Told(device, drug, words[device], counters.get(device, []), reports, stops.get(device, set()))
        channel, opened = _channel(told, assumed)
        pumped[device] = channel.steps
        found.opens += opened
        found.doubts += tuple(Mismatch(device, drug, *stretch) for stretch in channel.doubts)
        found.stood |= {device: channel.stood} if channel.stood else {}
        # What was charted too is the same dose by every hypothesis.
        as_running = channel if assumed == RUNNING else _channel(told, RUNNING)[0]
        ended = {m for m, rate in told.words if rate == 0} | {m for m, _ in told.counter}
        infusions += _infusions(device, as_running.steps, ended)
    found.pumped = calmed(sum_of_steps(list(pumped.values())))
    found.told_twice = told_twice([_charted(m, d) for m, d in doses.values() if _may_be_pumped(d)], infusions)
    twice = {one.event_id for one in found.told_twice}
    for event_id, (millis, dose) in doses.items():
        if (one := _uncertain(millis, dose)) is not None:
            found.uncertain += (one,)
            if not was_taken(one, assumed):
                continue
        _record(found, millis, dose, pumped=event_id in twice)
    return with_rates(found)


class _Told(NamedTuple):
    """What was told of one channel: words and readings of its counter in order, times of reports and of stops."""

    device: str
    drug: str
    words: Steps
    counter: Steps
    reports: Sequence[int]
    stops: set[int]


def _channel(told: _Told, assumed: Hypothesis) -> tuple[Channel, tuple[Open, ...]]:
    """What a channel delivered, and that it is open if it ran when it was last heard."""
    device, drug, words, counter, reports, stops = told
    if assumed.of is not None and (assumed.of.device, assumed.of.drug) != (device, drug):
        assumed = RUNNING
    if not words or words[-1][1] <= 0:
        return counted(held(words, stops, None), counter, words, assumed), ()
    last = max(words[-1][0], counter[-1][0] if counter else words[-1][0])
    since = silent_from(last, reports)
    channel = counted(held(words, stops, since + assumed.after), counter, words, assumed)
    stands = any(end is None for _, end in channel.stood)
    return channel, () if stands else (Open(device, drug, last, since),)


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


def _uncertain(millis: int, dose: DoseGiven) -> Uncertain | None:
    """A dose that may not have been taken."""
    if dose.taken is None or dose.taken >= 1.0:
        return None
    return Uncertain(millis, dose.drug, dose.event_id, dose.taken)


def _may_be_pumped(dose: DoseGiven) -> bool:
    if dose.taken is not None and dose.taken < 1.0:
        return False
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
