"""Glucarpidase may be indicated, and the hours in which it helps most are running out.

The level is the probability that methotrexate is above a line of the consensus, once creatinine has risen as well; 0
while it has not. The text says how many hours of the window are left: it is best given within 48 to 60 hours from the
start of the infusion (Ramsey 2018).
"""

from __future__ import annotations

from twin.alerts.conditions.methotrexate import DRUG, LINES, UNIT, crossing
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject
from twin.wording import amount, say, share

RULE = "mtx.glucarpidase_window"
TITLE = "Glucarpidase: hours left"

SETTINGS = stated(
    "irreversible",
    "prompt",
    {
        "raise_above": Threshold(0.50, "1", assumed="more likely than not"),
        "clear_below": Threshold(0.30, "1", assumed="wider apart than the Monte-Carlo error"),
        "risen": Threshold(1.5, "1", source="label of glucarpidase, as Taylor 2020 cites it, doi 10.1002/cpt.1957"),
        "best_until": Threshold(60, "h", source="Ramsey 2018, doi 10.1634/theoncologist.2017-0243"),
        **LINES,
    },
)
"""As `mtx.delayed_clearance`, with creatinine risen by half."""

ADVICE = "Check whether glucarpidase is at hand and who decides; afterwards only chromatography measures methotrexate."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding while a line lies ahead and creatinine is known."""
    its, kidney = settings_for(DRUG), snapshot.kidney
    found = crossing(snapshot, its)
    if found is None or kidney is None:
        return ()
    ratio = kidney.now / kidney.before
    left = its.number("best_until") - (snapshot.time_ms - found.view.begun_ms) / HOUR_MS
    level = found.probability if ratio >= its.number("risen") else 0.0
    text = say(
        "mtx.window",
        "Methotrexate above {limit} at {hours} with probability {p}, creatinine {times} times the former: {left} left "
        "for glucarpidase.",
        limit=amount(f"{found.limit:g}", UNIT), hours=amount(f"{found.view.hours:.0f}", "h"),
        p=share(found.probability), times=float(f"{ratio:.2g}"), left=amount(f"{left:.2g}", "h"),
    )  # fmt: skip
    return (
        Finding(
            rule=RULE,
            subject=Subject("drug", DRUG),
            level=level,
            severity=its.severity,
            words=text,
            probabilistic=True,
            horizon_hours=max(left, 0.0),
            newest_ms=snapshot.last_observation_ms,
            episode_ms=found.view.begun_ms,
            ending=say("mtx.over", "Methotrexate: the hours at which a line is drawn are over."),
            advice=ADVICE,
            settings=its,
            quantity=found.watched,
        ),
    )
