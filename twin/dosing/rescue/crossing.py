"""Will methotrexate be above a line of the glucarpidase consensus? Said from a belief, and read from the true course.

    p = sum_i w_i [level of particle i above the line at any of its hours]

The lines are those that the alerts go by (`twin.alerts.conditions.methotrexate`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.alerts.conditions.methotrexate import DRUG, HOURS, LINES
from twin.arrays import Floats
from twin.dosing.futures import as_planned
from twin.dosing.outlook import along
from twin.patient.accounts.component import Component
from twin.patient.ahead.levels import Line, lines_ahead
from twin.patient.reading import COURSE_GAP_MS


def crossing_probability(components: Sequence[Component]) -> float:
    """The probability that the level is above any line that lies ahead.

    Raises:
        ValueError: no line lies ahead: nothing was given, or 48 hours are over.
    """
    p, known = 0.0, False
    for component in components:
        model, now = component.trunk.kernel.model, component.millis
        planned = as_planned(component, now)
        lines = lines_ahead(model, planned.timeline.delivered.get(DRUG), COURSE_GAP_MS, now)
        if lines:
            out = along(component, planned, planned, np.array([line.millis for line in lines], dtype=np.int64))
            above = crossed(lines, np.array([row[line.output] for row, line in zip(out, lines, strict=True)]))
            p += component.share * float(component.position.belief.weight[above].sum())
            known = True
    if not known:
        raise ValueError("no line of the consensus lies ahead: no methotrexate was given in the last 48 hours")
    return min(p, 1.0)


def crossed(lines: Sequence[Line], levels: Floats) -> np.ndarray:
    """Which of N are above any of their ``lines``, by levels (lines, N) in umol/L."""
    found = np.zeros(levels.shape[1], dtype=bool)
    for line, level in zip(lines, levels, strict=True):
        longer = line.infused_hours > LINES["short_infusion"].value + 0.5
        if not longer or line.hours == HOURS[-1]:
            found |= level > LINES[f"line_{line.hours:.0f}h"].value
    return found
