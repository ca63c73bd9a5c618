"""How a search moved: its objective, its slope and every number, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from connectors.reports.fitted.panel import Panel
from connectors.reports.fitted.scales import Axis
from twin.arrays import Floats


def trace_panels(found: Mapping[str, Any]) -> list[Markup]:
    """Panels of what `fit.json` says of the trace."""
    trace = found["trace"]
    step = np.array([point["step"] for point in trace], dtype=np.float64)
    panels = [_panel(step, _column(trace, "objective"), "objective")]
    slope = _column(trace, "slope")
    if np.isfinite(slope).any():
        panels.append(_panel(step, slope, "steepest slope", log=True))
    values = np.array([[_number(v) for v in point["values"]] for point in trace], dtype=np.float64)
    names = [one["name"] for one in found["estimates"]]
    return panels + [_panel(step, values[:, k], name) for k, name in enumerate(names)]


def _panel(step: Floats, values: Floats, name: str, *, log: bool = False) -> Markup:
    known = values[np.isfinite(values)]
    says = f"{name} by step of the search"
    if len(known):
        says += f", from {known[0]:.5g} to {known[-1]:.5g}"
    panel = Panel(Axis.over(step, "step"), Axis.over(values, "", log=log), name, says, 260, 180)
    return panel.line(step, values).points(step, values).figure()


def _column(trace: list[dict[str, Any]], key: str) -> Floats:
    return np.array([_number(point[key]) for point in trace], dtype=np.float64)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
