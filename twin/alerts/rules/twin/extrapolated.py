"""A characteristic of the patient is beyond those that the model's effects were learnt from.

What a covariate does was found in patients from a least to a greatest value (``studied`` of a model file). Of somebody
beyond it nobody knows what it does: a network counts it as the end that it passed, a formula goes on as it went. The
level is how far beyond that end it is, in widths of what was studied; within it is below 0. Of several characteristics
the one that is farthest off is judged.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, StudiedView
from twin.events import Subject, Watched
from twin.wording import Said, amount, say
from twin.writing import number

RULE = "twin.extrapolated"
TITLE = "Unlike the patients it learnt from"

SETTINGS = stated(
    "reversible",
    "delayed",
    {
        "raise_above": Threshold(0.01, "1", assumed="a hundredth of what was studied: no more than scales differ by"),
        "clear_below": Threshold(0.0, "1", assumed="within what was studied again"),
    },
)
"""What is advised of such a patient is less certain than it says, until the patient's own values have taught better."""

ADVICE = "Look at the value and its unit; where it is right, rely on what is measured, and measure sooner."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding where the model says from whom its effects were learnt."""
    if not snapshot.studied:
        return ()
    its = settings_for("")
    farthest = max(snapshot.studied, key=lambda view: view.beyond)
    side: Literal["above", "below"] = "below" if farthest.value < farthest.low else "above"
    return (
        Finding(
            rule=RULE,
            subject=Subject("model", farthest.model),
            level=farthest.beyond,
            severity=its.severity,
            words=partial(_text, farthest, sum(view.beyond > 0.0 for view in snapshot.studied) - 1),
            newest_ms=next((one.drawn_ms for one in snapshot.reports if one.output == farthest.name), None),
            advice=ADVICE,
            settings=its,
            quantity=Watched(farthest.name, farthest.unit, side, farthest.end, farthest.value),
        ),
    )


def _text(view: StudiedView, others: int) -> Said:
    value, end = (amount(number(each), view.unit, view.name) for each in (view.value, view.end))
    if view.beyond <= 0.0:
        return say("extrapolated.within", "{name}: {value}, within what was learnt from again.",
                   name=view.name, value=value)  # fmt: skip
    more: str = say("extrapolated.more", "; {n} more characteristics are beyond, too", n=others) if others > 0 else ""
    if view.value > view.high:
        return say(
            "extrapolated.above",
            "{name}: {value} is above {end}, the greatest that the model's effects were learnt from{more}.",
            name=view.name, value=value, end=end, more=more,
        )  # fmt: skip
    return say(
        "extrapolated.below",
        "{name}: {value} is below {end}, the least that the model's effects were learnt from{more}.",
        name=view.name, value=value, end=end, more=more,
    )  # fmt: skip
