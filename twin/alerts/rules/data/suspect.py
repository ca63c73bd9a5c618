"""A value that fits only if it were in another unit, or its point elsewhere: says which.

A value far from its prediction is divided and multiplied by the ratios of units that are mistaken for one another;
where one of them brings it into the middle of the prediction, that is said. The level is 1 for such a value, and 0 for
the next that fits as it is.
"""

from __future__ import annotations

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ValueView
from twin.events import Subject, Watched
from twin.wording import Said, amount, bare, say

RULE = "data.suspect"
TITLE = "Value in another unit?"

SETTINGS = stated(
    "reversible",
    "prompt",
    {
        "raise_above": Threshold(0.5, "1", assumed="it is so, or it is not"),
        "clear_below": Threshold(0.4, "1", assumed="as above"),
        "far": Threshold(3.0, "1", assumed="normal score: one value in 400, where the model fits"),
    },
    when_absent="hold",
    latching=True,
)
"""A twin that learns from it, or a dose that is changed after it, goes the wrong way until the next value; what was
changed by then stays so, and so it latches."""

ADVICE = "Look at the value, its unit, the tube and the patient's name; correct or retract it where it is wrong."

RATIOS = {
    10.0: say("suspect.ten", "the decimal point is one place off"),
    100.0: say("suspect.hundred", "the decimal point is two places off"),
    1000.0: say("suspect.thousand", "it is in a unit a thousand times as large, or as small"),
    24.0: say("suspect.day", "a day stands for an hour"),
    60.0: say("suspect.hour", "an hour stands for a minute"),
    88.4: say("suspect.creatinine", "mg/dL and umol/L of creatinine were mistaken"),
    18.0: say("suspect.glucose", "mg/dL and mmol/L of glucose were mistaken"),
    17.1: say("suspect.bilirubin", "mg/dL and umol/L of bilirubin were mistaken"),
    2.2005: say("suspect.methotrexate", "mg/L and umol/L of methotrexate were mistaken"),
    4.06: say("suspect.busulfan", "mg/L and umol/L of busulfan were mistaken"),
}
"""How units that are mistaken for one another differ, the plainest mistake first; molar masses as in the literature."""

OF_ONE = {88.4: "creatinine", 18.0: "glucose", 17.1: "bilirubin", 2.2005: "methotrexate", 4.06: "busulfan"}
"""Ratios that only one analyte has."""


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every output that was measured at this moment: of its last value."""
    its, found = settings_for(""), {}
    model = () if snapshot.surprise is None else (Subject("model", snapshot.surprise.model),)
    for view in snapshot.values:
        meant = mistaken(view, its.number("far"))
        found[view.output] = Finding(
            rule=RULE,
            subject=(about := Subject("output", view.output)),
            level=0.0 if meant is None else 1.0,
            severity=its.severity,
            words=_text(view, meant),
            newest_ms=snapshot.last_observation_ms,
            advice=ADVICE,
            settings=its,
            quantity=Watched(view.output, view.unit, None, None, view.value, view.q05, view.median, view.q95),
            about=(about, *model),
        )
    return tuple(found.values())


def _text(view: ValueView, meant: Said | None) -> Said:
    value = amount(f"{view.value:.3g}", view.unit, view.output)
    median, low, high = (bare(f"{x:.3g}", view.unit, view.output) for x in (view.median, view.q05, view.q95))
    if meant is None:
        return say(
            "suspect.value", "{output}: {value}; {median} ({low} to {high}) was expected.",
            output=view.output, value=value, median=median, low=low, high=high,
        )  # fmt: skip
    return say(
        "suspect.fits", "{output}: {value} would fit if {mistake}; {median} ({low} to {high}) was expected.",
        output=view.output, value=value, mistake=meant, median=median, low=low, high=high,
    )  # fmt: skip


def mistaken(view: ValueView, far: float) -> Said | None:
    """The mistake that would explain a value ``far`` from its prediction; None where it is near, or none does."""
    if abs(view.score) < far:
        return None
    for ratio, mistake in RATIOS.items():
        known = OF_ONE.get(ratio)
        if known is not None and not view.output.startswith(known):
            continue
        if any(view.q05 <= other <= view.q95 for other in (view.value * ratio, view.value / ratio)):
            return mistake
    return None
