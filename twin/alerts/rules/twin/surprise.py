"""The model no longer describes this patient: its predictions miss by more than chance allows.

The level is the evidence against the model in powers of ten (`twin.surprise`); one in a hundred patients whom the model
describes is called surprising, over all of their data.
"""

from __future__ import annotations

import math
from functools import partial

from twin.alerts.finding import Finding
from twin.alerts.misfit import ALARM, FALSE_ALARM
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, SurpriseView
from twin.events import Subject
from twin.wording import Said, say

RULE = "twin.surprise"
TITLE = "Model does not fit"

SETTINGS = stated(
    "reversible",
    "prompt",
    {
        "raise_above": Threshold(
            math.log10(ALARM),
            "1",
            source="Ville 1939; Ramdas 2023, Stat Sci 38:576 (twin.alerts.misfit)",
        ),
        "clear_below": Threshold(math.log10(ALARM / 10), "1", assumed="nine tenths of the evidence are spent"),
    },
    when_absent="hold",
    inhibited_by=("data.suspect",),
)
"""Powers of ten. What the twin advises of such a patient may mislead before the next value shows it. A value that may
be in another unit is the cause until it is corrected, or the next one fits."""

ADVICE = "Check dose, time and patient of the last values; until it fits again rely on what is measured."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding when something was measured."""
    view = snapshot.surprise
    if view is None:
        return ()
    its = settings_for("")
    return (
        Finding(
            rule=RULE,
            subject=Subject("model", view.model),
            level=math.log10(max(view.evidence, 1e-12)),
            severity=its.severity,
            words=partial(_text, view),
            newest_ms=snapshot.last_observation_ms,
            advice=ADVICE,
            settings=its,
        ),
    )


def _text(view: SurpriseView) -> Said:
    terms: dict[str, str | float] = {
        "evidence": float(f"{view.evidence:.3g}"),
        "n": view.count,
        "alarm": round(1 / FALSE_ALARM),
        "output": view.output,
        "sd": float(f"{abs(view.innovation):.2g}"),
    }
    if view.innovation > 0:
        return say(
            "surprise.above",
            "The model may not describe this patient: {evidence} to 1 after {n} values (by chance for 1 patient in "
            "{alarm}); the last, {output}, was {sd} SD above its prediction.",
            **terms,
        )
    return say(
        "surprise.below",
        "The model may not describe this patient: {evidence} to 1 after {n} values (by chance for 1 patient in "
        "{alarm}); the last, {output}, was {sd} SD below its prediction.",
        **terms,
    )
