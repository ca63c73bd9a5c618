"""Every toxicity of a model, ahead and now: falling or rising, at all or for so long in a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.alerts.snapshot import ToxicityView
from twin.arrays import Floats
from twin.clock import DAY_MS, HOUR_MS, UNIT_MS
from twin.events import Band, Nadir, ToxicityAhead, from_millis, share_names, to_millis
from twin.model.spec import Model, ToxicitySpec
from twin.observation.observation import Observation
from twin.patient.bands import band, share_of

EVEN = 0.5
"""Probability from which an output counts as beyond a limit now."""

Since = Mapping[str, int]
"""Since when (ms) the outputs of toxicities, by name, are beyond their limits, of those that are."""


@dataclass(frozen=True)
class Ahead:
    """One toxicity ahead of N particles: the lowest or highest value (N,), the days until it (N,), and which particles
    come to it (N,), 1 or 0. ``unit`` is the model's unit of time (ms)."""

    toxicity: ToxicitySpec
    unit: int
    worst: Floats
    day: Floats
    suffered: Floats


class Now(NamedTuple):
    """A toxicity's output now: the probability that it is beyond the limit, and its median."""

    probability: float
    median: float


def ahead_of(
    toxicity: ToxicitySpec, model: Model, times: NDArray[np.int64], along: Floats, since: Since | None = None
) -> Ahead:
    """A toxicity along a forecast.

    Args:
        times: (T,) ms, from now on.
        along: (T, O, N) outputs then.
        since: see `Since`: a particle that is beyond the limit now has been so since then.
    """
    return all_ahead([toxicity], model, times, along, since)[0]


def all_ahead(
    toxicities: Sequence[ToxicitySpec],
    model: Model,
    times: NDArray[np.int64],
    along: Floats,
    since: Since | None = None,
) -> tuple[Ahead, ...]:
    """Several toxicities along one forecast, as `ahead_of`; those of one output within one horizon share its worst."""
    unit = UNIT_MS[model.time_unit]
    outputs = [output.name for output in model.outputs]
    seen: dict[tuple[int, int, str], tuple[Floats, Floats]] = {}
    found = []
    for toxicity in toxicities:
        within = int(np.searchsorted(times, times[0] + round(toxicity.horizon * unit), side="right"))
        output = outputs.index(toxicity.output)
        values = along[:within, output]
        key = output, within, toxicity.side
        if key not in seen:
            at = values.argmin(axis=0) if toxicity.side == "below" else values.argmax(axis=0)
            worst = np.take_along_axis(values, at[None], axis=0)[0]
            seen[key] = worst, (times[at] - times[0]) / DAY_MS
        worst, day = seen[key]
        suffered = toxicity.suffered(worst)
        if toxicity.lasting:
            elapsed = times[0] - (since or {}).get(toxicity.name, times[0])
            # Who is never beyond the limit is not for long.
            mine = np.flatnonzero(suffered)
            runs = longest(toxicity.suffered(values[:, mine]), times[:within], int(elapsed))
            suffered = np.zeros_like(suffered)
            suffered[mine] = runs >= toxicity.lasting * unit
        found.append(Ahead(toxicity, unit, worst, day, suffered.astype(np.float64)))
    return tuple(found)


def longest(beyond: NDArray[np.bool_], times: NDArray[np.int64], elapsed: int = 0) -> Floats:
    """The longest time in a row (N,), ms, of which (T, N) says at ``times`` whether it counts.

    What counts at the first time has counted for ``elapsed`` before. A run begins and ends between two times, so one
    that begins later counts a whole step for its first.
    """
    last = np.maximum.accumulate(np.where(beyond, times[0] - elapsed, times[:, None]), axis=0)
    return np.asarray((times[:, None] - last).max(axis=0, initial=0), dtype=np.float64)


def reading(ahead: Ahead, weight: Floats, millis: int, since: Since) -> ToxicityAhead:
    """A toxicity ahead of ``millis`` as it is published, from particles with weights (N,)."""
    toxicity = ahead.toxicity
    day = "nadir_day" if toxicity.side == "below" else "peak_day"
    found = ToxicityAhead(
        name=toxicity.name,
        output=toxicity.output,
        side=toxicity.side,
        limit=toxicity.limit,
        seen_from=from_millis(millis),
        value=band(toxicity.output, toxicity.unit, ahead.worst, weight),
        day=band(day, "d", ahead.day, weight),
        probability=share_of(ahead.suffered > EVEN, weight),
        lasting_hours=toxicity.lasting * ahead.unit / HOUR_MS,
        grade=toxicity.grade,
        ctcae=toxicity.ctcae,
        since=_time(since.get(toxicity.name)),
    )
    share_names(found)
    return found


def nadir_of(foreseen: Iterable[ToxicityAhead]) -> Nadir | None:
    """The lowest value ahead of the first toxicity that falls."""
    for one in foreseen:
        if one.side == "below" and not one.lasting_hours:
            low = Nadir(
                output=one.output, seen_from=one.seen_from, value=one.value, day=one.day, p_grade4=one.probability
            )
            share_names(low)
            return low
    return None


def since_of(foreseen: Iterable[ToxicityAhead]) -> dict[str, int]:
    """Since when outputs are beyond their limits, as it was known last."""
    return {one.name: to_millis(one.since) for one in foreseen if one.since is not None}


def standing(now: Mapping[str, Now], before: Since, millis: int) -> dict[str, int]:
    """Since when outputs are beyond their limits, where that is known of ``before`` and they are so ``now``."""
    return {name: before.get(name, millis) for name, one in now.items() if one.probability > EVEN}


def kept(foreseen: Sequence[ToxicityAhead], since: Since) -> tuple[ToxicityAhead, ...]:
    """What was foreseen, with what is known by now of since when outputs are beyond their limits."""
    if since_of(foreseen) == {one.name: since[one.name] for one in foreseen if one.name in since}:
        return tuple(foreseen)
    return tuple(one.model_copy(update={"since": _time(since.get(one.name))}) for one in foreseen)


def present(toxicities: Iterable[ToxicitySpec], values: Mapping[str, Floats], weight: Floats) -> dict[str, float]:
    """The probability, by toxicity, that its output, of particles (N,), is beyond the limit."""
    return {one.name: share_of(one.suffered(values[one.output]), weight) for one in toxicities}


def now_of(p_now: Mapping[str, float], toxicities: Iterable[ToxicitySpec], bands: Iterable[Band]) -> dict[str, Now]:
    """Each toxicity's output now, with the median of the bands that are published of it."""
    median = {one.name: one.median for one in bands}
    return {one.name: Now(p_now[one.name], median[one.output]) for one in toxicities}


def views_of(
    foreseen: Iterable[ToxicityAhead],
    model: Model,
    now: Mapping[str, Now],
    seen: Sequence[Observation],
    millis: int,
) -> tuple[ToxicityView, ...]:
    """Toxicities of a model as rules see them at ``millis``; ``seen`` is what was observed until then."""
    specs = {one.name: one for one in model.toxicities}
    outputs = [output.name for output in model.outputs]
    unit = UNIT_MS[model.time_unit]
    found = []
    for one in foreseen:
        toxicity = specs[one.name]
        number, since = outputs.index(one.output), millis - round(toxicity.horizon * unit)
        recent = [(o.value, o.millis) for o in seen if o.output == number and o.millis >= since]
        worst = min(recent, default=None) if one.side == "below" else max(recent, default=None)
        found.append(view_of(one, toxicity.horizon * unit / HOUR_MS, now[one.name], millis, worst))
    return tuple(found)


def view_of(
    foreseen: ToxicityAhead, horizon_hours: float, now: Now, millis: int, measured: tuple[float, int] | None
) -> ToxicityView:
    """A toxicity as rules see it at ``millis``: as it was last foreseen, and now."""
    return ToxicityView(
        name=foreseen.name,
        output=foreseen.output,
        side=foreseen.side,
        limit=foreseen.limit,
        unit=foreseen.value.unit,
        lasting_hours=foreseen.lasting_hours,
        grade=foreseen.grade,
        ctcae=foreseen.ctcae,
        probability=foreseen.probability,
        median=foreseen.value.median,
        median_range=(foreseen.value.q05, foreseen.value.q95),
        day=(to_millis(foreseen.seen_from) - millis) / DAY_MS + foreseen.day.median,
        horizon_hours=horizon_hours,
        p_now=now.probability,
        now=now.median,
        since_ms=None if foreseen.since is None else to_millis(foreseen.since),
        measured=measured,
    )


def _time(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
