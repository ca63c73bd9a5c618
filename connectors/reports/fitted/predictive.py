"""Predictive checks as panels: percentiles of the values over those of simulated sets, and shares over theirs."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from connectors.reports.fitted.panel import Panel
from connectors.reports.fitted.scales import Axis, spans_decades
from twin.figure.axes import axis_time, labelled
from twin.model.spec import Model
from twin.population.diagnostics.predictive import Check
from twin.population.diagnostics.vpc import PredictiveCheck, Share

SIZE = (460, 280)

KINDS = ("third", "", "third")
"""Of the 5th, the 50th and the 95th percentile."""


def check_panels(model: Model, check: Check) -> list[Markup]:
    """Every panel of a check."""
    of = model.outputs[check.output]
    found = []
    for one, words in ((check.plain, "as measured"), (check.corrected, "prediction-corrected")):
        if one is not None:
            found.append(_percentiles(model, one, labelled(of.name, of.unit), words))
    return found + [
        _share(model, bins, f"share {name}" if name[:1].isalpha() else f"share of {name}")
        for name, bins in check.shares
    ]


def _percentiles(model: Model, check: PredictiveCheck, label: str, words: str) -> Markup:
    factor, unit = axis_time(float(np.ptp(check.times)), model.time_unit)
    middle = np.array([factor * one.middle for one in check.bins])
    interval = np.array([one.interval for one in check.bins])
    observed = np.array([one.observed for one in check.bins])
    up = Axis.over(np.concatenate([check.values, interval.ravel()]), label, log=spans_decades(check.values))
    panel = Panel(
        Axis.over(factor * check.times, f"time ({unit})"),
        up,
        f"{words.capitalize()}: percentiles 5, 50 and 95",
        f"percentiles of values {words} in {len(middle)} bins of time, with the 90 % interval of simulated ones",
        *SIZE,
    )
    panel.points(factor * check.times, check.values, "faint")
    for k, kind in enumerate(KINDS):
        panel.band(middle, interval[:, k, 0], interval[:, k, 1], kind)
        panel.line(middle, observed[:, k], kind if k == 1 else f"{kind} dash")
        panel.points(middle, observed[:, k], kind)
    return panel.figure()


def _share(model: Model, bins: tuple[Share, ...], words: str) -> Markup:
    factor, unit = axis_time(bins[-1].end - bins[0].start, model.time_unit)
    middle = np.array([factor * one.middle for one in bins])
    interval, observed = np.array([one.interval for one in bins]), np.array([one.observed for one in bins])
    panel = Panel(
        Axis.over(np.array([factor * bins[0].start, factor * bins[-1].end]), f"time ({unit})"),
        Axis.over(np.concatenate([observed, interval.ravel()]), words, also=(0.0,)),
        words.capitalize(),
        f"{words} in {len(middle)} bins of time, with the 90 % interval of simulated shares",
        *SIZE,
    )
    panel.band(middle, interval[:, 0], interval[:, 1])
    return panel.line(middle, observed).points(middle, observed).figure()
