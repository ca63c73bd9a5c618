"""A twin as a figure: what was given, and each output with its bands, what was measured, and what is foreseen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import DAY_MS, HOUR_MS
from twin.events import from_millis
from twin.figure.axes import SHORT_DAYS, log_ticks, title
from twin.figure.style import BLUE, GREEN, INK, ORANGE, PINK, SOFT, WIDE, house_style
from twin.figure.trajectory import Trajectory
from twin.model.spec import Model, OutputSpec
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation
from twin.timeline.delivery import Delivered
from twin.writing import unit as written

WIDTH, DOSES, PANEL = 8.0, 1.3, 2.3
"""Inches: of the figure, of the panel of doses, of an output's."""

DECADES = 4
"""Orders of magnitude that a level is followed down from its highest."""

LINEAR = 10.0
"""Positive values that span no more than this factor stand on a linear axis."""

MARGIN = 0.01
"""Share of the time axis before the first fact, so that a dose there can be seen."""

DRUG_COLOURS = (GREEN, PINK, ORANGE, SOFT)


def draw(patient_id: str, model: Model, seen: Trajectory) -> Figure:
    """The figure of a patient: doses above, then a panel for each output of the model."""
    start, end = seen.timeline.start, int(seen.times[-1])
    unit, word = (HOUR_MS, "hours") if end - start <= SHORT_DAYS * DAY_MS else (DAY_MS, "days")
    with house_style():
        count = len(model.outputs)
        figure = Figure(figsize=(WIDTH, DOSES + PANEL * count), layout="constrained")
        axes = figure.subplots(1 + count, 1, sharex=True, height_ratios=[DOSES, *[PANEL] * count])
        _doses(axes[0], seen, unit)
        title(axes[0], f"{patient_id}: {model.title}")
        for i, (ax, output) in enumerate(zip(axes[1:], model.outputs, strict=True)):
            _output(ax, model, output, i, seen, unit)
        for ax in axes:
            ax.axvline((seen.now - start) / unit, color=SOFT, lw=0.9, ls=(0, (2, 2)))
        axes[-1].set_xlim(-MARGIN * (end - start) / unit, (end - start) / unit)
        axes[-1].set_xlabel(f"{word} since {from_millis(start):%Y-%m-%d %H:%M} UTC; the dotted line is now")
        keys = _keys(axes[1:])
        figure.legend(list(keys.values()), list(keys), loc="outside lower center", ncols=5)
    return figure


def _doses(ax: Axes, seen: Trajectory, unit: int) -> None:
    """Rates as areas on the left axis, doses given at once as stems on the right one."""
    end = int(seen.times[-1])
    shown = [(drug, source) for drug, source in seen.timeline.delivered.items() if source.rate or source.impulses]
    at_once: Axes | None = None
    for colour, (drug, source) in zip(DRUG_COLOURS * len(shown), shown, strict=False):
        if any(rate > 0 for _, rate in source.rate):
            millis, rates = _steps(source, end)
            since = (millis - seen.timeline.start) / unit
            ax.fill_between(since, rates, step="post", color=colour, alpha=0.55, lw=0.8, label=drug)
        if source.impulses:
            at_once = at_once or ax.twinx()
            given = np.array([(m, amount) for m, amount, _ in source.impulses if m <= end]).reshape(-1, 2)
            since = (given[:, 0] - seen.timeline.start) / unit
            at_once.vlines(since, 0, given[:, 1], color=colour, lw=1.2, label=f"{drug}, at once")
    ax.set_ylim(bottom=0)
    ax.set_ylabel("rate (mg/h)")
    handles, labels = ax.get_legend_handles_labels()
    if at_once is not None:
        at_once.set_ylim(bottom=0)
        at_once.set_ylabel("dose (mg)")
        at_once.spines["right"].set_visible(True)
        at_once.grid(visible=False)
        further = at_once.get_legend_handles_labels()
        handles, labels = handles + further[0], labels + further[1]
        if not any(rate > 0 for _, source in shown for _, rate in source.rate):
            ax.set_yticks([])
            ax.set_ylabel("")
    if handles:
        ax.legend(handles, labels, loc="upper right", ncols=len(handles))


def _steps(source: Delivered, end: int) -> tuple[NDArray[np.int64], Floats]:
    steps = [(millis, rate) for millis, rate in source.rate if millis <= end]
    held = [*steps, (end, steps[-1][1])] if steps else []
    return np.array([millis for millis, _ in held], dtype=np.int64), np.array([rate for _, rate in held])


def _output(ax: Axes, model: Model, output: OutputSpec, number: int, seen: Trajectory, unit: int) -> None:
    since = (seen.times - seen.timeline.start) / unit
    bands, measured = seen.bands[:, number], [o for o in seen.timeline.observations if o.output == number]
    for part, colour, name in ((seen.times <= seen.now, BLUE, "so far"), (seen.times >= seen.now, ORANGE, "foreseen")):
        q05, q25, median, q75, q95 = bands[part].T
        ax.fill_between(since[part], q05, q95, color=colour, alpha=WIDE, lw=0, label=f"90 %, {name}")
        ax.fill_between(since[part], q25, q75, color=colour, alpha=2 * WIDE, lw=0, label=f"50 %, {name}")
        ax.plot(since[part], median, color=colour, label=f"median, {name}")
    _measured(ax, measured, seen, unit)
    for toxicity in model.toxicities:
        if toxicity.output == output.name:
            ax.axhline(toxicity.limit, color=PINK, lw=1.0, ls="--", label=f"{toxicity.name}: {toxicity.side}")
    _scale(ax, output, bands, np.array([_value(o) for o in measured]))
    ax.set_title(output.name)
    ax.set_ylabel(written(output.unit))


def _measured(ax: Axes, measured: list[Observation], seen: Trajectory, unit: int) -> None:
    exact = [o for o in measured if o.below is None and o.above is None]
    for some, mark, colour, label in (
        (exact, "o", INK, "measured"),
        ([o for o in measured if o.below is not None], "v", INK, "below this limit"),
        ([o for o in measured if o.above is not None], "^", INK, "above this limit"),
    ):
        if some:
            since = [(o.time - seen.timeline.start) / unit for o in some]
            ax.plot(
                since,
                [_value(o) for o in some],
                mark,
                color=colour,
                ms=4.0,
                mec="white",
                mew=0.6,
                label=label,
                clip_on=False,
            )


def _value(observation: Observation) -> float:
    """What was measured, or the limit that it is known by."""
    limit = observation.above if observation.below is None else observation.below
    return observation.value if limit is None else limit


def _scale(ax: Axes, output: OutputSpec, bands: Floats, measured: Floats) -> None:
    """A logarithmic axis where values that are never negative span decades, followed down as far as can be seen."""
    shown = np.concatenate([bands[np.isfinite(bands)], measured])
    positive = shown[shown > 0]
    if kind_of(output).discrete or not len(positive) or (shown < 0).any():
        return
    top = float(positive.max())
    least = float(np.quantile(positive, 0.01))
    if top <= LINEAR * least:
        ax.set_ylim(0, 1.08 * top)
        return
    floor = max(least, top * 10.0**-DECADES)
    ax.set_yscale("log")
    ax.set_ylim(0.7 * min([floor, *measured[measured > 0].tolist()]), 1.5 * top)
    log_ticks(ax.yaxis)


def _keys(axes: Iterable[Axes]) -> dict[str, Artist]:
    """What the marks of all panels mean, each once."""
    found: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found
