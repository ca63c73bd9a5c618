"""A course is given, and nothing was measured since it began: the twin rests on what it knew before.

The level is the time since the last value, or since the course began if that is later, over the time that is allowed.
"""

from __future__ import annotations

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot
from twin.clock import DAY_MS
from twin.events import Subject, Watched
from twin.wording import Said, amount, say

RULE = "twin.stale"
TITLE = "Nothing measured since"

SETTINGS = stated(
    "minor",
    "delayed",
    {
        "raise_above": Threshold(1.0, "1", assumed="as long as is allowed"),
        "clear_below": Threshold(0.99, "1", assumed="a time is exact, so the gap is nominal"),
        "allowed": Threshold(21, "d", assumed="a cycle without any count"),
        "forgotten": Threshold(42, "d", assumed="two cycles: the patient has left"),
    },
)
"""What it says is less certain than it could be; its bands are as wide as that."""

ADVICE = "Draw a count or a level, or look why results do not come."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for a drug whose course is newer than every value."""
    its, seen = settings_for(""), snapshot.last_observation_ms
    found = []
    for view in snapshot.delivery:
        if view.since_ms is None or (seen is not None and seen >= view.since_ms):
            continue
        silent = snapshot.time_ms - view.since_ms
        if silent > its.number("forgotten") * DAY_MS:
            continue
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("drug", view.drug),
                level=silent / (its.number("allowed") * DAY_MS),
                severity=its.severity,
                words=_text(view.drug, silent, None if seen is None else snapshot.time_ms - seen),
                newest_ms=seen,
                began_ms=view.since_ms + round(its.number("allowed") * DAY_MS),
                advice=ADVICE,
                settings=its,
                quantity=Watched("time since the course began", "d", "above", its.number("allowed"), silent / DAY_MS),
            )
        )
    return tuple(found)


def _text(drug: str, silent: int, unseen: int | None) -> Said:
    """Since when (ms) the course runs, and for how long nothing was measured."""
    began = amount(f"{silent / DAY_MS:.3g}", "d")
    if unseen is None:
        return say("stale.ever", "{drug}: its course began {time} ago; nothing measured ever.", drug=drug, time=began)
    return say(
        "stale.since", "{drug}: its course began {time} ago; nothing measured for {unseen}.",
        drug=drug, time=began, unseen=amount(f"{unseen / DAY_MS:.3g}", "d"),
    )  # fmt: skip
