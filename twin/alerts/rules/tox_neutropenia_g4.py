"""Grade 4 neutropenia ahead: neutrophils under 0.5 x 10^9/L (NCI CTCAE v5.0, 2017) within the forecast horizon.

The level is the probability that the lowest count of the forecast is of grade 4. A model whose first toxicity is of
another count (leukocytes, platelets) is watched in the same way, and the alert names it.
"""

from __future__ import annotations

from twin.alerts.lifecycle import Finding, RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.events import Subject

RULE = "tox.neutropenia_g4"
TITLE = "Neutropenia grade 4"

SETTINGS = RuleSettings(raise_above=0.50, clear_below=0.30, severity="high", when_absent="hold")
"""More likely than not (assumed; the ward weighs a missed nadir against a false alarm). Harm is severe and its onset
days away: IEC 60601-1-8 would allow medium, the margin for growth factor or antibiotic cover asks for high."""


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding when the snapshot has a forecast of the nadir."""
    nadir = snapshot.nadir
    if nadir is None:
        return ()
    toxicity = nadir.name.removesuffix("_g4").replace("_", " ")
    return (
        Finding(
            rule=RULE,
            subject=Subject("output", nadir.output),
            level=nadir.p_grade4,
            severity=SETTINGS.severity,
            text=(
                f"Grade 4 {toxicity} with probability {nadir.p_grade4:.0%} within {nadir.horizon_hours / 24:.3g} d; "
                f"nadir {nadir.median:.2g} {nadir.unit} (median) in {nadir.day:.2g} d."
            ),
            probabilistic=True,
            horizon_hours=nadir.horizon_hours,
            freshness_hours=snapshot.hours_since(snapshot.last_observation_ms),
        ),
    )
