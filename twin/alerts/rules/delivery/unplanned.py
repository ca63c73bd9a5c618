"""A pump delivers a drug that was not ordered, or one that is not bound to the patient any more does.

The level is 1 where a drug flows though no dose of it is planned near this time, or from a pump that was released; 0
where it is as ordered. Where nobody ever planned the drug or bound the pump, only the plan of other drugs tells that
plans are sent at all.
"""

from __future__ import annotations

from functools import partial

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import DeliveryView, RunningView, Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject
from twin.wording import Said, amount, say

RULE = "delivery.unplanned"
TITLE = "Not ordered"

SETTINGS = stated(
    "irreversible",
    "prompt",
    {
        "raise_above": Threshold(0.5, "1", assumed="it is so, or it is not"),
        "clear_below": Threshold(0.4, "1", assumed="as above"),
        "raise_after": Threshold(5, "min", assumed="an order may be written while the pump already runs"),
        "early": Threshold(24, "h", assumed="a course may be given a day before it was planned"),
        "late": Threshold(72, "h", assumed="and some days later than it was planned"),
    },
    latching=True,
)
"""The wrong patient or the wrong drug may kill. What has gone in stays in, so that it latches."""

ADVICE = "Look at patient, drug and order at the pump; bind the pump or send the order, if it is right."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every drug that a pump delivers."""
    planned = any(view.plan for view in snapshot.delivery)
    views = {view.drug: view for view in snapshot.delivery}
    found = []
    for drug in sorted({one.drug for one in snapshot.running}):
        its, view = settings_for(drug), views.get(drug)
        pumps = [one for one in snapshot.running if one.drug == drug]
        released = [one for one in pumps if one.bound is False]
        early, late = its.number("early") * HOUR_MS, its.number("late") * HOUR_MS
        unordered = planned and view is not None and not _ordered(view, snapshot.time_ms, early, late)
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("drug", drug),
                level=1.0 if released or unordered else 0.0,
                severity=its.severity,
                words=partial(_text, drug, view, pumps, released, unordered=unordered),
                newest_ms=None if view is None else view.last_report_ms,
                stage="released" if released else "unordered" if unordered else "",
                advice=ADVICE,
                settings=its,
            )
        )
    return tuple(found)


def _ordered(view: DeliveryView, now: int, early: float, late: float) -> bool:
    """Whether a dose is planned near this time."""
    return any(step.start_ms - early <= now <= step.end_ms + late for step in view.plan)


def _text(
    drug: str, view: DeliveryView | None, pumps: list[RunningView], released: list[RunningView], *, unordered: bool
) -> Said:
    rate: str = ""
    if view is not None:
        rate = say("unplanned.at", " at {rate}", rate=amount(f"{view.rate:.4g}", view.rate_unit))
    if released:
        return say(
            "unplanned.released",
            "{drug}: {device} delivers{rate}, though it is not bound to this patient any more.",
            drug=drug, device=released[0].device, rate=rate,
        )  # fmt: skip
    if unordered:
        return say(
            "unplanned.unordered",
            "{drug}: {device} delivers{rate}, though no dose of it is planned near this time.",
            drug=drug, device=pumps[0].device, rate=rate,
        )  # fmt: skip
    return say("unplanned.ordered", "{drug}: delivered as ordered.", drug=drug)
