"""What the rules of exposure find: the two sides of a target window, judged and worded alike.

The level is the probability that the exposure lies beyond a limit once it is complete. Where nothing can be said of the
end (nothing is planned), nothing is found.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor
from twin.alerts.snapshot import ExposureView, Snapshot
from twin.events import Subject, Watched
from twin.writing import unit as written

_MEASURES = {"course": "exposure", "day": "exposure of a day", "trough": "trough", "time_above": "time above the level"}


def beyond(
    snapshot: Snapshot, rule: str, settings_for: SettingsFor, side: Literal["below", "above"], advice: str
) -> tuple[Finding, ...]:
    """One finding for every exposure with a limit on this ``side``."""
    found = []
    for view in snapshot.exposures:
        limit = view.target_low if side == "below" else view.target_high
        p = view.p_below if side == "below" else view.p_above
        if limit is None:
            continue
        its = settings_for(view.drug)
        found.append(
            Finding(
                rule=rule,
                subject=Subject("target", view.target),
                level=0.0 if p is None else p,
                severity=its.severity,
                words=partial(_unsaid, view) if p is None else partial(_text, view, side, limit, p),
                probabilistic=p is not None,
                newest_ms=snapshot.last_observation_ms,
                stage="ahead" if view.running else "over",
                episode_ms=view.begun_ms,
                ending=partial(_outcome, view),
                advice=advice,
                settings=its,
                quantity=partial(_watched, view, side, limit),
                about=(Subject("drug", view.drug),),
            )
        )
    return tuple(found)


def _watched(view: ExposureView, side: Literal["below", "above"], limit: float) -> Watched:
    q05, q95 = view.at_end_range or (None, None)
    what = f"{view.drug}, {_MEASURES[view.measure]}"
    return Watched(what, view.unit, side, limit, q05=q05, median=view.at_end_median, q95=q95)


def _text(view: ExposureView, side: str, limit: float, p: float) -> str:
    what = f"{view.drug}: {_MEASURES[view.measure]} {'expected' if view.running else 'of the course'} {side}"
    return f"{what} {limit:.4g} {written(view.unit)} with probability {p:.0%} ({_median(view)}target {_target(view)})."


def _unsaid(view: ExposureView) -> str:
    return f"{view.drug}: nothing is planned from which the {_MEASURES[view.measure]} in the end could be told."


def _outcome(view: ExposureView) -> str:
    if view.at_end_median is None:
        return f"{view.drug}: the course is over."
    median = f"{view.at_end_median:.3g} {written(view.unit)} (median)"
    return f"{view.drug}: {_MEASURES[view.measure]} of the course was {median}, target {_target(view)}."


def _median(view: ExposureView) -> str:
    return "of what was given so far; " if view.at_end_median is None else f"median {view.at_end_median:.3g}, "


def _target(view: ExposureView) -> str:
    if view.target_low is None:
        return f"at most {view.target_high:.4g}"
    if view.target_high is None:
        return f"at least {view.target_low:.4g}"
    return f"{view.target_low:.4g} to {view.target_high:.4g}"
