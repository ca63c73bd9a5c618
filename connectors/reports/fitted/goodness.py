"""Values beside what was predicted of them, and whether what is left over is noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from connectors.reports.fitted.panel import Panel
from connectors.reports.fitted.scales import Axis, spans_decades
from twin.arrays import Floats
from twin.figure.axes import axis_time, labelled
from twin.population.diagnostics.diagnosed import Diagnosed
from twin.population.diagnostics.normality import Normality, normality, quantiles

LEAST_TREND = 20
"""Residuals from which a running median is drawn."""

NINE_OF_TEN = 1.645
"""Nine of ten standard normal values lie within."""


@dataclass(frozen=True)
class Goodness:
    """Of one output: panels on linear axes and on logarithmic ones (none where values are not all positive), those of
    residuals, of their quantiles, and tests by the residual's name."""

    linear: list[Markup]
    logarithmic: list[Markup]
    residuals: list[Markup]
    quantiles: list[Markup]
    tests: list[tuple[str, Normality]]


def goodness(d: Diagnosed, output: int) -> Goodness:
    """Of an output that was measured."""
    spec = d.cohort.kernel.model.outputs[output]
    of = d.measured.output == output
    residuals = {
        name: values[of]
        for name, values in (("CWRES", d.residuals.cwres), ("IWRES", d.residuals.iwres), ("NPDE", d.npde))
        if np.isfinite(values[of]).any()
    }
    known = of & (d.measured.side == 0)
    value = d.measured.value
    positive = known & (value > 0)
    factor, unit = axis_time(float(np.ptp(d.measured.time[of])), d.cohort.kernel.model.time_unit)
    time = factor * d.measured.time[of]
    by_time = [_residual(time, left, f"time ({unit})", name) for name, left in residuals.items()]
    across = {"IWRES": ("individual prediction", d.residuals.ipred)}
    by_prediction = [
        _residual(predicted[of], left, labelled(label, spec.unit), name)
        for name, left in residuals.items()
        for label, predicted in (across.get(name, ("prediction", d.residuals.pred)),)
    ]
    return Goodness(
        _predicted(d, known, spec.unit, log=False),
        _predicted(d, positive, spec.unit, log=True) if positive.any() else [],
        by_time + by_prediction,
        [_quantiles(left, name) for name, left in residuals.items()],
        [(name, normality(left)) for name, left in residuals.items()],
    )


def opens_on_logarithms(d: Diagnosed, output: int) -> bool:
    """Whether an output's values are better seen on a logarithm at first."""
    return spans_decades(d.measured.value[d.measured.output == output])


def _predicted(d: Diagnosed, of: NDArray[np.bool_], unit: str, *, log: bool) -> list[Markup]:
    found = []
    for name, predicted in (("population prediction", d.residuals.pred), ("individual prediction", d.residuals.ipred)):
        x, y = predicted[of], d.measured.value[of]
        ends = np.concatenate([x, y])
        usual = (ends > 0) & (ends > 1e-4 * np.median(y)) if log else np.isfinite(ends)
        across, up = (Axis.over(ends[usual], labelled(label, unit), log=log) for label in (name, "measured"))
        panel = Panel(across, up, f"Measured against {name}", f"{len(y)} values against their {name}")
        found.append(panel.equal().points(x, y).figure())
    return found


def _residual(across: Floats, residual: Floats, label: str, name: str) -> Markup:
    usable = np.isfinite(across) & np.isfinite(residual)
    across, residual = across[usable], residual[usable]
    up = Axis.over(residual, name, also=(-3.0, 3.0))
    panel = Panel(Axis.over(across, label), up, f"{name} by {label.split(' (')[0]}", f"{name} of {len(across)} values")
    panel.level(0.0).level(NINE_OF_TEN, "soft thin dash").level(-NINE_OF_TEN, "soft thin dash")
    panel.points(across, residual)
    if len(across) >= LEAST_TREND:
        # Values of one time, or of one prediction, stay together.
        edges = np.unique(np.quantile(across, np.linspace(0, 1, min(12, len(across) // 10) + 1)[1:-1]))
        part = np.searchsorted(edges, across, side="right")
        middle = [np.array([np.median(values[part == k]) for k in np.unique(part)]) for values in (across, residual)]
        panel.line(middle[0], middle[1], "second")
    return panel.figure()


def _quantiles(residual: Floats, name: str) -> Markup:
    normal, own = quantiles(residual)
    axes = (Axis.over(normal, "standard normal quantile", also=(-3.0, 3.0)), Axis.over(own, name, also=(-3.0, 3.0)))
    panel = Panel(*axes, f"{name}: quantiles", f"quantiles of {len(own)} {name} against those of the standard normal")
    return panel.equal().points(normal, own).figure()
