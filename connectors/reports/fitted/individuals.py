"""Each patient's values with the course of its own effects and that of the typical patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from connectors.reports.fitted.panel import Panel
from connectors.reports.fitted.scales import Axis
from twin.figure.axes import axis_time
from twin.population.diagnostics.diagnosed import Diagnosed

ON_A_PAGE = 12

MOST = 120
"""Patients who are drawn, evenly chosen; tables have all."""

SIZE = (230, 176)


@dataclass(frozen=True)
class Sheet:
    """Patients ``first`` to ``last`` by name, on linear axes and on logarithmic ones."""

    first: str
    last: str
    linear: list[Markup]
    logarithmic: list[Markup]


def sheets(d: Diagnosed, output: int) -> tuple[list[Sheet], int, int]:
    """Panels of an output, by the dozen; how many patients they show, and of how many who were measured."""
    having = np.unique(d.measured.patient[d.measured.output == output])
    chosen = having[np.unique(np.linspace(0, len(having) - 1, MOST).astype(int))]
    found = []
    for begin in range(0, len(chosen), ON_A_PAGE):
        part = chosen[begin : begin + ON_A_PAGE].tolist()
        names = [d.cohort.subjects[i].id for i in part]
        each = ([_panel(d, output, i, log=log) for i in part] for log in (False, True))
        found.append(Sheet(names[0], names[-1], *each))
    return found, len(chosen), len(having)


def _panel(d: Diagnosed, output: int, patient: int, *, log: bool) -> Markup:
    m, course = d.measured, d.courses[patient]
    of = (m.output == output) & (m.patient == patient)
    own, typical = course.own[:, output], course.typical[:, output]
    values = m.value[of]
    seen = np.concatenate([values, d.residuals.ipred[of]]) if log else np.concatenate([values, own, typical, [0.0]])
    if log:
        top = float(np.nanmax(np.concatenate([own, values])))
        seen = np.concatenate([seen[seen > 1e-4 * top], [top]])
    factor, unit = axis_time(float(course.times[-1] - course.times[0]), d.cohort.kernel.model.time_unit)
    name = d.cohort.subjects[patient].id
    across = Axis.over(factor * course.times, f"time ({unit})")
    panel = Panel(
        across, Axis.over(seen, "", log=log), name, f"patient {name}: {len(values)} values and courses", *SIZE
    )
    panel.line(factor * course.times, typical, "soft dash").line(factor * course.times, own)
    for side, kind in ((0, "ink"), (-1, "second"), (1, "second")):
        here = of & (m.side == side)
        panel.points(factor * m.time[here], m.value[here], kind)
    return panel.figure()
