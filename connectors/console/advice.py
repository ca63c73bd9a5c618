"""Advice as the page is told of it: times as milliseconds, numbers shortened, every way with its odds."""

from __future__ import annotations

import msgspec

from twin.events import (
    Advice,
    AdvisedDose,
    Alternative,
    BranchBand,
    HarmOdds,
    NextSample,
    WhatIf,
    WindowOdds,
    to_millis,
)
from twin.wording import Wording


class Within(msgspec.Struct, frozen=True):
    """Where an exposure will be: its median in ``unit``, and the odds of being in, below and above its window."""

    target: str
    unit: str
    median: float
    p: float
    se: float
    below: float
    above: float


class Harm(msgspec.Struct, frozen=True):
    """How likely a toxicity is; ``limit`` is the most that the protocol lets it be."""

    toxicity: str
    p: float
    se: float
    limit: float | None


class Dose(msgspec.Struct, frozen=True):
    """A dose to come: when, mg, mg/h unless it is given at once, and whether it runs already."""

    t: int
    amount: float
    rate: float | None
    running: bool


class Way(msgspec.Struct, frozen=True):
    """One way on with its odds; ``of_plan`` is its amount of the planned one."""

    name: str
    of_plan: float
    amount: float
    delay: float
    allowed: bool
    doses: tuple[Dose, ...]
    within: tuple[Within, ...]
    harms: tuple[Harm, ...]


class Rule(msgspec.Struct, frozen=True):
    """What a published rule says, of the dose or in words."""

    rule: str
    text: str
    said: Wording | None
    source: str


class Sample(msgspec.Struct, frozen=True):
    """The sample that is expected to tell most, and what of the uncertainty would be left."""

    output: str
    t: int
    bits: float
    se: float
    kept: float


class Curve(msgspec.Struct, frozen=True):
    """An output along a branch: q05, median and q95 at the times of the card."""

    output: str
    unit: str
    rows: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]


class Branch(msgspec.Struct, frozen=True):
    """A what-if: its curves and odds, or why it cannot be followed."""

    words: str
    problem: str | None
    said: Wording | None
    curves: tuple[Curve, ...]
    harms: tuple[Harm, ...]


class AdviceCard(msgspec.Struct, frozen=True):
    """What was advised, `twin.events.Advice`; ``event`` is another where late data changed it."""

    id: str
    event: str
    cause: str
    about: str
    outcome: str
    t: int
    drug: str
    protocol: str | None
    protocol_hash: str | None
    model: str
    decision: str | None
    reason: str
    said: Wording | None
    note: str | None
    note_said: Wording | None
    ess: float | None
    ways: tuple[Way, ...]
    rules: tuple[Rule, ...]
    sample: Sample | None
    ahead: tuple[int, ...]
    branches: tuple[Branch, ...]


def advice_card(event: Advice) -> AdviceCard:
    """The advice as the page has it."""
    rules = [Rule(one.rule, one.compared, one.said, one.source) for one in event.published]
    rules += [Rule(one.rule, one.words, one.said, one.source) for one in event.spoken]
    return AdviceCard(
        id=event.advice_id,
        event=event.event_id,
        cause=event.cause,
        about=event.about,
        outcome=event.outcome,
        t=to_millis(event.time),
        drug=event.drug,
        protocol=event.protocol,
        protocol_hash=event.protocol_hash,
        model=event.model,
        decision=event.decision,
        reason=event.reason,
        said=event.said,
        note=event.note,
        note_said=event.note_said,
        ess=None if event.ess is None else _brief(event.ess),
        ways=tuple(map(_way, event.alternatives)),
        rules=tuple(rules),
        sample=None if event.next_sample is None else _sample(event.next_sample),
        ahead=tuple(map(to_millis, event.ahead)),
        branches=tuple(map(_branch, event.branches)),
    )


def _way(one: Alternative) -> Way:
    return Way(
        one.name,
        _brief(one.of_plan),
        _brief(one.amount_mg),
        one.delay_hours,
        one.allowed,
        tuple(map(_dose, one.doses)),
        tuple(map(_within, one.exposures)),
        tuple(map(_harm, one.toxicities)),
    )


def _dose(one: AdvisedDose) -> Dose:
    rate = None if one.rate_mg_h is None else _brief(one.rate_mg_h)
    return Dose(to_millis(one.time), _brief(one.amount_mg), rate, one.running)


def _within(one: WindowOdds) -> Within:
    numbers = (one.median, one.within, one.within_se, one.below, one.above)
    return Within(one.target, one.unit, *map(_brief, numbers))


def _harm(one: HarmOdds) -> Harm:
    return Harm(one.toxicity, _brief(one.p), _brief(one.se), one.limit)


def _sample(one: NextSample) -> Sample:
    return Sample(one.output, to_millis(one.time), *map(_brief, (one.gain_bits, one.gain_se, one.kept)))


def _branch(one: WhatIf) -> Branch:
    curves, harms = tuple(map(_curve, one.outputs)), tuple(map(_harm, one.toxicities))
    return Branch(one.words, one.problem, one.said, curves, harms)


def _curve(band: BranchBand) -> Curve:
    return Curve(band.output, band.unit, (band.q05, band.median, band.q95))


def _brief(value: float) -> float:
    return float(f"{value:.5g}")
