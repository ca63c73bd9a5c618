"""Advice as it goes on the wire: every alternative, what rules say, the next sample and what-ifs as parts of the event.

Quantiles along a branch are told at every second point of a forecast, and with five significant digits: finer than the
particles behind them, and small enough for a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twin.clock import HOUR_MS
from twin.dosing.advice import Alternative
from twin.dosing.branches import BranchError
from twin.dosing.protocol import Protocol
from twin.dosing.published import Published, Spoken
from twin.dosing.sampling import next_sample_on
from twin.dosing.whatif import BesidePlan, Foreseen
from twin.events import (
    AdvisedDose,
    BranchBand,
    ForecastBand,
    HarmOdds,
    NextSample,
    PublishedRule,
    SpokenRule,
    WhatIf,
    WindowOdds,
    from_millis,
)
from twin.events import Alternative as Way
from twin.patient.accounts.component import Component
from twin.wording import wording_of

EVERY = 2
"""Points of a forecast of which one is told along a branch; the first and the last are."""

PARTICLES_ALONG = 2_500
"""Particles by which the plan and all branches are foreseen together: five ways on by 500 each, nine by 277. A
probability of one half has a standard error of 0.022 and 0.030 then, which is told beside it; 1,000 for each of nine
take a quarter of a second of a core, before anybody sees a curve."""


def way_said(one: Alternative) -> Way:
    """An alternative with its odds."""
    return Way(
        name=one.name,
        of_plan=one.factor,
        amount_mg=one.amount,
        delay_hours=one.delay / HOUR_MS,
        allowed=one.allowed,
        doses=tuple(
            AdvisedDose(
                time=from_millis(up.step.start_ms), amount_mg=up.step.amount, rate_mg_h=up.rate, running=up.running
            )
            for up in one.doses
        ),
        exposures=tuple(
            WindowOdds(
                target=e.target.name,
                unit=e.target.unit,
                median=e.median,
                within=e.within.p,
                within_se=e.within.se,
                below=e.below.p,
                above=e.above.p,
            )
            for e in one.exposures
        ),
        toxicities=tuple(
            HarmOdds(toxicity=t.toxicity.name, p=t.reached.p, se=t.reached.se, limit=t.limit) for t in one.toxicities
        ),
    )


def rule_said(one: Published) -> PublishedRule:
    """What a published rule says of the dose."""
    return PublishedRule(
        rule=one.rule,
        low_mg=one.low,
        high_mg=one.high,
        source=one.source,
        compared=one.compared,
        said=one.compared.wording,
    )


def spoken_said(found: Iterable[Spoken]) -> tuple[SpokenRule, ...]:
    """What published rules say in words."""
    return tuple(SpokenRule(rule=one.rule, words=one.said, said=one.said.wording, source=one.source) for one in found)


def sample_said(components: Sequence[Component], protocol: Protocol) -> NextSample | None:
    """The best time for the next sample; ``None`` where none can be told, or of rival models: one works it out."""
    if len({component.trunk.kernel.model.hash for component in components}) > 1:
        return None
    found = next_sample_on(components, protocol)
    if found is None:
        return None
    best = found.best
    return NextSample(
        output=best.output, time=from_millis(best.millis), gain_bits=best.gain, gain_se=best.gain_se, kept=best.kept
    )


def branches_said(components: Sequence[Component], branches: Sequence[str]) -> dict[str, Any]:
    """Fields ``ahead`` and ``branches``: the plan and each branch; nothing where none is asked for.

    One that cannot be followed is told with its problem, and the others stand. All of them are of the same particles,
    `PARTICLES_ALONG` along all together.
    """
    if not branches:
        return {}
    plan = BesidePlan(components, PARTICLES_ALONG // (len(branches) + 1))
    found = [_branch_said(plan.as_planned())]
    for words in branches:
        try:
            found.append(_branch_said(plan.foresee(plan.branch(words))))
        except BranchError as error:
            found.append(WhatIf(words=words, problem=str(error), said=wording_of(error.args[0])))
    return {"ahead": tuple(map(from_millis, plan.times[::EVERY].tolist())), "branches": tuple(found)}


def _branch_said(one: Foreseen) -> WhatIf:
    return WhatIf(
        words=one.words,
        ess=one.ess,
        outputs=tuple(map(_band_said, one.outputs)),
        toxicities=tuple(HarmOdds(toxicity=t.toxicity.name, p=t.odds.p, se=t.odds.se) for t in one.toxicities),
    )


def _band_said(band: ForecastBand) -> BranchBand:
    return BranchBand(
        output=band.name, unit=band.unit, q05=_brief(band.q05), median=_brief(band.median), q95=_brief(band.q95)
    )


def _brief(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values[::EVERY])
