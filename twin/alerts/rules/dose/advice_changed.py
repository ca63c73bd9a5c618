"""What is advised differs from what is planned, or from what was advised before.

The level is the difference, as a part of the planned amount (or of the rate that runs), over the part that the
protocol finds worth telling (its ``[live] differs``); a course that should be given later, or not at all, differs
wholly. The plan is the one that stands by now, so that the alert clears once it follows the advice, or the advice
returns to it. It is told again where another dose is advised. What was only asked for raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import NamedTuple

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import AdviceView, DeliveryView, OddsView, Snapshot
from twin.clock import DAY_MS, HOUR_MS
from twin.events import Subject, Watched
from twin.wording import Said, amount, change, say, share
from twin.writing import number

RULE = "dose.advice_changed"
TITLE = "Another dose is advised"

SETTINGS = stated(
    "reversible",
    "prompt",
    {
        "raise_above": Threshold(1.0, "1", assumed="the difference that the protocol finds worth telling"),
        "clear_below": Threshold(0.8, "1", assumed="a fifth less, so that a dose at the edge does not flap"),
        "refresh_every": Threshold(24, "h", assumed="a dose is decided on once a day at most"),
    },
)
"""A dose can still be changed before it is given; what it does in excess, or too little of it, is reversible by the
next."""

ADVICE = "See the odds of every alternative (the advice itself, or 'dosetwin ask'), and decide; nothing goes to a pump."

SAME_MS = HOUR_MS
"""A dose that was moved by less is the same one (assumed)."""


class Difference(NamedTuple):
    """``planned`` by now and ``advised``, in ``unit``; ``part`` of the plan that they differ by; hours until then."""

    planned: float
    advised: float
    unit: str
    part: float
    hours: float


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every drug with advice on what is still to come."""
    given, found = {view.drug: view for view in snapshot.delivery}, []
    for advice in snapshot.advice:
        seen = difference(advice, given[advice.drug], snapshot.time_ms) if advice.drug in given else None
        if seen is None:
            continue
        its = settings_for(advice.drug)
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("drug", advice.drug),
                level=seen.part / advice.differs,
                severity=its.severity,
                words=partial(_text, advice, seen),
                horizon_hours=seen.hours,
                newest_ms=advice.millis,
                stage=f"{advice.told:.3f} {advice.delay_ms}",
                ending=say(
                    "advice_changed.over", "{drug}: what was advised on is no longer to come.", drug=advice.drug
                ),
                advice=ADVICE,
                settings=its,
                quantity=Watched(f"{advice.drug}, as it is to come", seen.unit, None, seen.advised, seen.planned),
            )
        )
    return tuple(found)


def difference(advice: AdviceView, given: DeliveryView, now: int) -> Difference | None:
    """How the plan by ``now`` (ms) differs from what was advised; ``None`` once nothing of it is to come."""
    if advice.planned_rate is not None and advice.advised_rate is not None:
        if now >= advice.ends_ms or given.rate <= 0.0 or advice.planned_rate <= 0.0:
            return None
        part = abs(advice.advised_rate - given.rate) / advice.planned_rate
        return Difference(given.rate, advice.advised_rate, "mg/h", part, 0.0)
    to_come = [dose for dose in advice.doses if dose[0] > now]
    base = sum(planned for _, planned, _ in to_come)
    if base <= 0.0:
        return None
    first, last, advised = to_come[0][0], to_come[-1][0], sum(amount for _, _, amount in to_come)
    planned = _planned(given, max(first - SAME_MS, now + 1), last + SAME_MS)
    hours = (first - now) / HOUR_MS
    if advice.delay_ms:
        moved = _planned(given, first + advice.delay_ms - SAME_MS, last + advice.delay_ms + SAME_MS)
        if planned > 0.0 or moved <= 0.0:
            return None if planned <= 0.0 else Difference(planned, advised, "mg", 1.0, hours)
        planned = moved
    elif planned <= 0.0 < advised:
        return None
    return Difference(planned, advised, "mg", abs(advised - planned) / base, hours)


def _planned(given: DeliveryView, first: int, last: int) -> float:
    """mg of the plan's doses that begin within."""
    return sum(step.amount for step in given.plan if first <= step.start_ms <= last)


def _text(advice: AdviceView, seen: Difference) -> Said:
    what = say("advice_changed.nothing", "nothing")
    if seen.advised > 0.0:
        what = amount(number(seen.advised, 4), seen.unit)
    terms: dict[str, str | float] = {
        "drug": advice.drug,
        "what": what,
        "change": "",
        "later": "",
        "planned": amount(number(seen.planned, 4), seen.unit),
        "odds": _odds(advice.odds),
    }
    if seen.planned > 0.0 < seen.advised:
        terms["change"] = say("advice_changed.by", " ({change})", change=change(seen.advised / seen.planned - 1.0))
    if advice.delay_ms:
        terms["later"] = say(
            "advice_changed.later", ", {time} later", time=amount(f"{advice.delay_ms / DAY_MS:.3g}", "d")
        )
    if seen.unit == "mg/h":
        return say(
            "advice_changed.rate",
            "{drug}: {what}{change}{later} is advised instead of the {planned} that run{odds}.",
            **terms,
        )
    return say(
        "advice_changed.dose",
        "{drug}: {what}{change}{later} is advised instead of the {planned} planned{odds}.",
        **terms,
    )


def _odds(odds: Sequence[OddsView]) -> str:
    """All of them in a row; nothing where the dose is chosen by none."""
    return say("advice_changed.odds", "; {odds}", odds=reduce(_and, map(_one, odds))) if odds else ""


def _one(odds: OddsView) -> Said:
    p, planned = share(odds.advised), share(odds.planned)
    if odds.of == "window":
        return say(
            "advice_changed.window",
            "P({target} in its window) {p} instead of {planned}",
            target=odds.name,
            p=p,
            planned=planned,
        )
    return say(
        "advice_changed.harm", "P({toxicity}) {p} instead of {planned}", toxicity=odds.name, p=p, planned=planned
    )


def _and(one: Said, other: Said) -> Said:
    return say("advice_changed.and", "{one}; {other}", one=one, other=other)
