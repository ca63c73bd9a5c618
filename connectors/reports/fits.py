"""Drawings of a model beside data: values against predictions, residuals, the predictive check, single patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from connectors.reports.drawing import drawing, svg
from twin.arrays import Floats
from twin.figure.axes import axis_time, labelled, log_ticks, title
from twin.figure.style import BLUE, INK, ORANGE, PINK, SOFT, WIDE
from twin.model.spec import Model
from twin.observation.observation import Observation
from twin.population.diagnostics.vpc import PredictiveCheck
from twin.study.examination import Examined

DECADES = 10.0
"""Positive values that span more than this factor are drawn on logarithmic axes."""


def goodness_drawing(name: str, unit: str, time_unit: str, of_value: dict[str, Floats]) -> Markup:
    """`goodness_figure` for a page; ``name`` is the output."""
    return svg(
        goodness_figure(unit, time_unit, of_value),
        f"goodness of fit of {name}: measured against predicted, IWRES and NPDE",
    )


def goodness_figure(unit: str, time_unit: str, of_value: dict[str, Floats]) -> Figure:
    """The usual six panels; ``of_value`` has arrays (n,) dv, pred, ipred, iwres, npde and time."""
    dv = of_value["dv"]
    factor, shown_unit = axis_time(float(np.ptp(of_value["time"])), time_unit)
    time = factor * of_value["time"]
    with drawing(6, columns=3, panel=(3.3, 2.6)) as (figure, axes):
        for ax, key, label in ((axes[0], "pred", "population prediction"), (axes[1], "ipred", "individual prediction")):
            _against(ax, of_value[key], dv, labelled(label, unit), labelled("measured", unit))
        _residuals(axes[2], of_value["ipred"], of_value["iwres"], labelled("individual prediction", unit), "IWRES")
        _residuals(axes[3], time, of_value["iwres"], f"time ({shown_unit})", "IWRES")
        _residuals(axes[4], time, of_value["npde"], f"time ({shown_unit})", "NPDE")
        _normal(axes[5], of_value["npde"])
    return figure


def check_drawing(name: str, unit: str, time_unit: str, check: PredictiveCheck) -> Markup:
    """Prediction-corrected visual predictive check of one output."""
    factor, shown_unit = axis_time(float(np.ptp(check.times)), time_unit)
    with drawing(1, columns=1, panel=(8.2, 3.6)) as (figure, (ax,)):
        ax.plot(factor * check.times, check.values, ".", color=SOFT, ms=2.5, alpha=0.5, label="measured, corrected")
        middle = [factor * one.middle for one in check.bins]
        for k, (colour, label) in enumerate(((PINK, "5th"), (BLUE, "50th"), (PINK, "95th"))):
            low, high = (np.array([one.interval[k, side] for one in check.bins]) for side in (0, 1))
            of_sets = "simulated sets: 90 % of their percentiles" if k == 1 else None
            ax.fill_between(middle, low, high, color=colour, alpha=WIDE, lw=0, label=of_sets)
            observed = [one.observed[k] for one in check.bins]
            ax.plot(
                middle, observed, color=colour, ls="-" if k == 1 else "--", marker="o", ms=3, label=f"{label} measured"
            )
        _maybe_log(ax, check.values)
        ax.set_xlabel(f"time since the start of the record ({shown_unit})")
        ax.set_ylabel(labelled(f"{name}, prediction-corrected", unit))
        ax.legend(loc="best", ncols=2)
        return svg(figure, f"prediction-corrected visual predictive check of {name}")


def individual_drawing(model: Model, patients: Sequence[Examined], output: int) -> Markup:
    """Each patient's values with the posterior's band, the mode and the typical patient, for one output."""
    factor, shown_unit = axis_time(max(float(c.times[-1]) for one in patients for c in one.curves), model.time_unit)
    with drawing(len(patients), columns=4, panel=(2.7, 1.95)) as (figure, axes):
        for ax, one in zip(axes, patients, strict=True):
            curve = next(c for c in one.curves if c.output == output)
            times = factor * curve.times
            ax.plot(times, curve.typical, color=SOFT, lw=0.8, ls=(0, (4, 2)))
            if model.drift is not None:
                _foreseen(ax, one, output, factor)
            ax.fill_between(times, curve.low, curve.high, color=BLUE, alpha=0.25, lw=0)
            ax.plot(times, curve.mode, color=BLUE, lw=1.1)
            _measured(ax, one, output, factor)
            title(ax, one.patient_id + ("" if one.converged else " (mode not settled)"))
            ax.tick_params(labelsize=7.5)
        figure.supxlabel(f"time since the start of the record ({shown_unit})", fontsize=9, color=SOFT)
        figure.supylabel(labelled(model.outputs[output].name, model.outputs[output].unit), fontsize=9, color=SOFT)
        return svg(figure, f"individual fits of {model.outputs[output].name}")


def _foreseen(ax: Axes, one: Examined, output: int, factor: float) -> None:
    """What was expected of each value just before it, with residual error: all that is left of a past that drifted."""
    mine = [i for i, o in enumerate(one.diagnosis.observations) if o.output == output]
    low, high = ([getattr(one.predictions[i], level) for i in mine] for level in ("q05", "q95"))
    ax.fill_between(factor * one.times[mine], low, high, color=SOFT, alpha=0.15, lw=0)


def shown(observation: Observation) -> float:
    """The value, or the limit that it is known by."""
    if observation.below is not None:
        return observation.below
    return observation.value if observation.above is None else observation.above


def _measured(ax: Axes, one: Examined, output: int, factor: float) -> None:
    observations = one.diagnosis.observations
    mine = [i for i, o in enumerate(observations) if o.output == output]
    known = [i for i in mine if observations[i].below is None and observations[i].above is None]
    limited = [i for i in mine if i not in known]
    values = np.array([observations[i].value for i in known])
    ax.plot(factor * one.times[known], values, "o", color=INK, ms=2.8, mew=0)
    for i in limited:
        mark = "^" if observations[i].below is None else "v"
        ax.plot([factor * one.times[i]], [shown(observations[i])], mark, color=ORANGE, ms=3.5, mew=0)
    if len(values):
        _maybe_log(ax, values)
        if ax.get_yscale() == "log":
            ax.set_ylim(float(values.min()) / 3, float(values.max()) * 3)
            log_ticks(ax.yaxis)


def _against(ax: Axes, predicted: Floats, measured: Floats, across: str, up: str) -> None:
    usable = np.isfinite(predicted) & np.isfinite(measured)
    predicted, measured = predicted[usable], measured[usable]
    ax.plot(predicted, measured, ".", color=BLUE, ms=3.5, alpha=0.5, mew=0)
    if len(measured):
        ends = [min(measured.min(), predicted.min()), max(measured.max(), predicted.max())]
        ax.plot(ends, ends, color=SOFT, lw=0.9)
        if _spans_decades(measured) and _spans_decades(np.concatenate([measured, predicted])):
            ax.loglog()
            log_ticks(ax.xaxis)
            log_ticks(ax.yaxis)
    ax.set_xlabel(across)
    ax.set_ylabel(up)


def _residuals(ax: Axes, across: Floats, residuals: Floats, label: str, name: str) -> None:
    usable = np.isfinite(residuals) & np.isfinite(across)
    across, residuals = across[usable], residuals[usable]
    ax.axhspan(-1.645, 1.645, color=SOFT, alpha=0.1, lw=0)
    ax.axhline(0, color=SOFT, lw=0.8)
    ax.plot(across, residuals, ".", color=BLUE, ms=3.5, alpha=0.5, mew=0)
    if len(residuals) >= 20:
        # The running median shows a trend where the cloud of points hides it.
        order = np.argsort(across, kind="stable")
        parts = np.array_split(order, min(12, len(order) // 10))
        ax.plot([np.median(across[p]) for p in parts], [np.median(residuals[p]) for p in parts], color=ORANGE)
    ax.set_xlabel(label)
    ax.set_ylabel(name)


def _normal(ax: Axes, errors: Floats) -> None:
    errors = errors[np.isfinite(errors)]
    if len(errors):
        ax.hist(np.clip(errors, -4, 4), bins=24, range=(-4, 4), density=True, color=BLUE, alpha=0.6, lw=0)
    at = np.linspace(-4, 4, 161)
    ax.plot(at, np.exp(-0.5 * at * at) / np.sqrt(2 * np.pi), color=INK, lw=1.0)
    ax.set_xlabel("NPDE, with the standard normal density")
    ax.set_ylabel("density")


def _maybe_log(ax: Axes, values: Floats) -> None:
    if len(values) and _spans_decades(values):
        ax.set_yscale("log")
        log_ticks(ax.yaxis)


def _spans_decades(values: Floats) -> bool:
    return bool(values.min() > 0 and values.max() > DECADES * values.min())
