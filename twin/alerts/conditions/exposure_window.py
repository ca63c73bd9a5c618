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
from twin.wording import Said, amount, bare, say, share


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
    what = f"{view.drug}, {_measure(view)}"
    return Watched(what, view.unit, side, limit, q05=q05, median=view.at_end_median, q95=q95)


def _text(view: ExposureView, side: str, limit: float, p: float) -> Said:
    terms = {
        "drug": view.drug,
        "measure": _measure(view),
        "limit": amount(f"{limit:.4g}", view.unit),
        "p": share(p),
        "median": _median(view),
        "target": _target(view),
    }
    match view.running, side:
        case True, "below":
            return say(
                "exposure.expected_below",
                "{drug}: {measure} expected below {limit} with probability {p} ({median}target {target}).",
                **terms,
            )
        case True, _:
            return say(
                "exposure.expected_above",
                "{drug}: {measure} expected above {limit} with probability {p} ({median}target {target}).",
                **terms,
            )
        case _, "below":
            return say(
                "exposure.course_below",
                "{drug}: {measure} of the course below {limit} with probability {p} ({median}target {target}).",
                **terms,
            )
        case _:
            return say(
                "exposure.course_above",
                "{drug}: {measure} of the course above {limit} with probability {p} ({median}target {target}).",
                **terms,
            )


def _measure(view: ExposureView) -> Said:
    match view.measure:
        case "day":
            return say("exposure.day", "exposure of a day")
        case "trough":
            return say("exposure.trough", "trough")
        case "time_above":
            return say("exposure.time_above", "time above the level")
        case _:
            return say("exposure.course", "exposure")


def _unsaid(view: ExposureView) -> Said:
    return say(
        "exposure.unsaid",
        "{drug}: nothing is planned from which the {measure} in the end could be told.",
        drug=view.drug, measure=_measure(view),
    )  # fmt: skip


def _outcome(view: ExposureView) -> Said:
    if view.at_end_median is None:
        return say("exposure.over", "{drug}: the course is over.", drug=view.drug)
    return say(
        "exposure.was",
        "{drug}: {measure} of the course was {median} (median), target {target}.",
        drug=view.drug, measure=_measure(view), median=amount(f"{view.at_end_median:.3g}", view.unit),
        target=_target(view),
    )  # fmt: skip


def _median(view: ExposureView) -> Said:
    if view.at_end_median is None:
        return say("exposure.so_far", "of what was given so far; ")
    return say("exposure.median", "median {value}, ", value=bare(f"{view.at_end_median:.3g}", view.unit))


def _target(view: ExposureView) -> Said:
    low, high = (
        "" if limit is None else bare(f"{limit:.4g}", view.unit) for limit in (view.target_low, view.target_high)
    )
    if view.target_low is None:
        return say("exposure.at_most", "at most {high}", high=high)
    if view.target_high is None:
        return say("exposure.at_least", "at least {low}", low=low)
    return say("exposure.between", "{low} to {high}", low=low, high=high)
