"""The kidney fails: serum creatinine is half as high again as it was within the week, as KDIGO calls acute injury.

The level is creatinine as it was last reported over the lowest of the seven days before. It is judged where a model has
creatinine as a covariate.
"""

from __future__ import annotations

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, severity_of, stated
from twin.alerts.snapshot import Snapshot
from twin.events import Subject, Watched
from twin.wording import amount, bare, say

RULE = "renal.decline"
TITLE = "Kidney function falls"

SETTINGS = stated(
    "reversible",
    "prompt",
    {
        "raise_above": Threshold(1.5, "1", source="KDIGO 2012, Kidney Int Suppl 2:1: stage 1 of acute kidney injury"),
        "clear_below": Threshold(1.3, "1", assumed="the error of two measurements of a tenth each"),
        "severe": Threshold(2.0, "1", source="KDIGO 2012: stage 2", assumed="from here on it may last"),
    },
    when_absent="hold",
)
"""What is excreted by the kidney stays: reversible while it is met in time."""

ADVICE = "Repeat creatinine; check fluids, urine and drugs that harm the kidney; see the dose of what it excretes."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding where creatinine was reported."""
    kidney, its = snapshot.kidney, settings_for("")
    if kidney is None:
        return ()
    ratio = kidney.now / kidney.before
    severe = ratio >= its.number("severe")
    return (
        Finding(
            rule=RULE,
            subject=Subject("patient", snapshot.patient_id),
            level=ratio,
            severity=severity_of("irreversible", "prompt") if severe else its.severity,
            words=say(
                "decline.risen",
                "Creatinine {now}, {times} times the lowest of the week before ({before}).",
                now=amount(f"{kidney.now:.3g}", kidney.unit, "creatinine"),
                times=float(f"{ratio:.2g}"),
                before=bare(f"{kidney.before:.3g}", kidney.unit, "creatinine"),
            ),
            newest_ms=kidney.reported_ms,
            advice=ADVICE,
            settings=its,
            quantity=Watched("creatinine", kidney.unit, "above", its.raise_above * kidney.before, kidney.now),
        ),
    )
