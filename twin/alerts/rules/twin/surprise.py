"""The model no longer describes this patient: its predictions miss by more than chance allows.

The level is the evidence against the model in powers of ten (`twin.surprise`); one in a hundred patients whom the model
describes is called surprising, over all of their data.
"""

from __future__ import annotations

import math

from twin.alerts.finding import Finding
from twin.alerts.misfit import ALARM, FALSE_ALARM
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.events import Subject

RULE = "twin.surprise"
TITLE = "Model does not fit"

SETTINGS = RuleSettings(
    raise_above=math.log10(ALARM), clear_below=math.log10(ALARM / 10), severity="medium", when_absent="hold"
)
"""It clears once predictions have fitted again for so long that nine tenths of the evidence are spent (assumed). What
the twin estimates of such a patient may mislead, and harms no patient at once: IEC 60601-1-8 medium."""


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding when something was measured."""
    view = snapshot.surprise
    if view is None:
        return ()
    missed = "above" if view.innovation > 0 else "below"
    return (
        Finding(
            rule=RULE,
            subject=Subject("model", view.model),
            level=math.log10(max(view.evidence, 1e-12)),
            severity=SETTINGS.severity,
            text=(
                f"The model may not describe this patient: {view.evidence:.3g} to 1 after {view.count} values (by "
                f"chance for 1 patient in {1 / FALSE_ALARM:.0f}); the last, {view.output}, was "
                f"{abs(view.innovation):.2g} SD {missed} its prediction."
            ),
            newest_ms=snapshot.last_observation_ms,
        ),
    )
