"""Grade 4 neutropenia now or ahead: neutrophils under 0.5 x 10^9/L (NCI CTCAE v5.0, 2017) within the forecast horizon.

The level is the probability that the count is of grade 4 now or that the lowest of the forecast is. A model whose first
toxicity is of another count (leukocytes, platelets) is watched in the same way, and the alert names it.
"""

from __future__ import annotations

from twin.alerts.finding import Finding
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import NadirView, Snapshot
from twin.clock import DAY_MS
from twin.events import Subject
from twin.writing import unit as written

RULE = "tox.neutropenia_g4"
TITLE = "Neutropenia grade 4"

SETTINGS = RuleSettings(raise_above=0.50, clear_below=0.30, severity="high", when_absent="hold")
"""More likely than not (assumed; the ward weighs a missed nadir against a false alarm). Harm is severe and its onset
days away: IEC 60601-1-8 would allow medium, the margin for growth factor or antibiotic cover asks for high."""

PRESENT = 0.5
"""Probability from which the patient is said to be in grade 4 now."""

NEAR = 0.25
"""Days: a nadir nearer than this is now, for the count hardly moves in six hours (assumed)."""


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding when the snapshot has a forecast of the nadir."""
    nadir = snapshot.nadir
    if nadir is None:
        return ()
    level = max(nadir.p_grade4, nadir.p_now)
    present = nadir.p_now > PRESENT
    return (
        Finding(
            rule=RULE,
            subject=Subject("output", nadir.output),
            level=level,
            severity=SETTINGS.severity,
            text=_over(nadir, level, snapshot.time_ms) if level < SETTINGS.clear_below else _text(nadir, present),
            probabilistic=True,
            horizon_hours=nadir.horizon_hours,
            newest_ms=snapshot.last_observation_ms,
            stage="now" if present else "ahead",
        ),
    )


def _text(nadir: NadirView, present: bool) -> str:
    lowest = f"nadir {nadir.median:.2g} {written(nadir.unit)} (median) {_when(nadir.day)}"
    if present:
        now = f"{nadir.now:.2g} {written(nadir.unit)} (median)"
        return f"In grade 4 {_toxicity(nadir)} now with probability {nadir.p_now:.0%}: {now}; {lowest}."
    within = f"within {nadir.horizon_hours / 24:.3g} d"
    return f"Grade 4 {_toxicity(nadir)} with probability {nadir.p_grade4:.0%} {within}; {lowest}."


def _over(nadir: NadirView, level: float, now: int) -> str:
    """What came of it, once it is no longer to be expected."""
    measured = ""
    if nadir.measured is not None:
        value, when = nadir.measured
        measured = f"; the lowest measured was {value:.2g} {written(nadir.unit)}, {(now - when) / DAY_MS:.2g} d ago"
    left = f"probability {level:.0%} within {nadir.horizon_hours / 24:.3g} d"
    now_at = f"{nadir.now:.2g} {written(nadir.unit)} (median)"
    return f"Grade 4 {_toxicity(nadir)} is no longer expected ({left}): now {now_at}{measured}."


def _toxicity(nadir: NadirView) -> str:
    return nadir.name.removesuffix("_g4").replace("_", " ")


def _when(day: float) -> str:
    return f"in {day:.2g} d" if day >= NEAR else "about now"
