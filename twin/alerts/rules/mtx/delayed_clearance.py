"""Methotrexate will be above a line of the consensus at 36, 42 or 48 hours: said before the sample is drawn.

The level is the largest probability that the level is above the line then (`twin.alerts.conditions.methotrexate`).
"""

from __future__ import annotations

from twin.alerts.conditions.methotrexate import DRUG, LINES, UNIT, crossing
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject
from twin.wording import amount, say, share

RULE = "mtx.delayed_clearance"
TITLE = "Methotrexate leaves too slowly"

SETTINGS = stated(
    "irreversible",
    "prompt",
    {
        "raise_above": Threshold(0.50, "1", assumed="more likely than not"),
        "clear_below": Threshold(0.30, "1", assumed="wider apart than the Monte-Carlo error"),
        "band_1": Threshold(0.75, "1", assumed="three to one"),
        "band_2": Threshold(0.90, "1", assumed="nine to one"),
        **LINES,
    },
)
"""The kidney may fail, and the patient die, within days, and what helps has to be given in hours."""

ADVICE = "Draw level and creatinine now; check leucovorin, urine pH and fluids; look for drugs that delay clearance."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding while a line lies ahead."""
    its = settings_for(DRUG)
    found = crossing(snapshot, its)
    if found is None:
        return ()
    view, left = found.view, found.view.hours - (snapshot.time_ms - found.view.begun_ms) / HOUR_MS
    ahead: str = say("mtx.ahead", ", in {time}", time=amount(f"{left:.2g}", "h")) if left > 0 else ""
    median = view.quantiles[len(view.quantiles) // 2]
    return (
        Finding(
            rule=RULE,
            subject=Subject("drug", DRUG),
            level=found.probability,
            severity=its.severity,
            words=say(
                "mtx.above",
                "Methotrexate above {limit} at {hours}{ahead}, with probability {p} (median {median}).",
                limit=amount(f"{found.limit:g}", UNIT),
                hours=amount(f"{view.hours:.0f}", "h"),
                ahead=ahead,
                p=share(found.probability),
                median=amount(f"{median:.2g}", UNIT),
            ),
            probabilistic=True,
            horizon_hours=max(left, 0.0),
            newest_ms=snapshot.last_observation_ms,
            episode_ms=view.begun_ms,
            ending=say("mtx.over", "Methotrexate: the hours at which a line is drawn are over."),
            advice=ADVICE,
            settings=its,
            quantity=found.watched,
        ),
    )
