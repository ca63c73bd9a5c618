"""What particles show at one instant, before it is summed up, and several such views as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.alerts.snapshot import ExposureView
from twin.arrays import Floats
from twin.events import Exposure
from twin.filter.quantiles import pooled
from twin.patient.ahead.levels import Line, mixed_levels
from twin.patient.ahead.toxicities import Ahead
from twin.solver.exposure_end import Window


@dataclass(frozen=True)
class Exposed:
    """One target: when its measure is complete, what it is now (N,), and what it will be (N,) if that can be said."""

    window: Window
    so_far: Floats
    at_end: Floats | None


@dataclass(frozen=True)
class View:
    """What N particles show at one instant, before it is summed up.

    Attributes:
        weight: (N,) of the particles.
        out: (O, N) outputs.
        exposures: of each target whose course has begun.
        times, along: (T,) ms and outputs (T, O, N) ahead; none without a forecast.
        toxicities: each toxicity of the model ahead; none without a forecast.
        levels: of (N,) at each hour at which a line is drawn.
    """

    weight: Floats
    out: Floats
    exposures: tuple[Exposed, ...]
    times: NDArray[np.int64]
    along: Floats
    toxicities: tuple[Ahead, ...]
    levels: tuple[tuple[Line, Floats], ...] = ()


def mixed(views: Sequence[View], share: Sequence[float]) -> View:
    """The mixture of views of these shares; windows are the first one's, and of targets that all have begun."""
    if len(views) == 1:
        return views[0]

    def together(values: Sequence[Floats]) -> Floats:
        return pooled((part, own, view.weight) for part, own, view in zip(share, values, views, strict=True))[0]

    weight = pooled((part, view.weight, view.weight) for part, view in zip(share, views, strict=True))[1]
    return View(
        weight,
        together([view.out for view in views]),
        tuple(_exposed(alike, together) for alike in _alike(views)),
        views[0].times,
        together([view.along for view in views]),
        tuple(_ahead(alike, together) for alike in zip(*(view.toxicities for view in views), strict=True)),
        tuple((line, together(values)) for line, values in mixed_levels([view.levels for view in views])),
    )


def _ahead(alike: Sequence[Ahead], together: Callable[[Sequence[Floats]], Floats]) -> Ahead:
    return replace(
        alike[0],
        worst=together([one.worst for one in alike]),
        day=together([one.day for one in alike]),
        suffered=together([one.suffered for one in alike]),
    )


def _alike(views: Sequence[View]) -> list[list[Exposed]]:
    """The exposures to each target, of all views."""
    found = []
    for first in views[0].exposures:
        same = [one for view in views for one in view.exposures if one.window.index == first.window.index]
        if len(same) == len(views):
            found.append(same)
    return found


def _exposed(alike: Sequence[Exposed], together: Callable[[Sequence[Floats]], Floats]) -> Exposed:
    ends = [one.at_end for one in alike if one.at_end is not None]
    at_end = together(ends) if len(ends) == len(alike) else None
    window = replace(alike[0].window, known=all(one.window.known for one in alike))
    return Exposed(window, together([one.so_far for one in alike]), at_end)


def exposure_view(window: Window, exposure: Exposure, millis: int) -> ExposureView:
    """An exposure as rules see it at ``millis``."""
    return ExposureView(
        target=window.target.name,
        drug=window.target.drug,
        measure=window.target.measure,
        p_below=exposure.p_below,
        p_above=exposure.p_above,
        at_end_median=None if exposure.at_end is None else exposure.at_end.median,
        at_end_range=None if exposure.at_end is None else (exposure.at_end.q05, exposure.at_end.q95),
        target_low=exposure.target_low,
        target_high=exposure.target_high,
        unit=exposure.so_far.unit,
        begun_ms=window.begun,
        running=window.running(millis),
    )
