"""The doses of a record as regimens: what step sizes are chosen for where a model file names no usual regimen.

They are coarse on purpose, so that a record soon has the regimens it keeps: amounts are the next power of four, lengths
of infusions and intervals some of few. Each is given five times, and then five times a small part of it: what saturates
is slow under much and fast under little. A record that grows is solved anew when its regimens change, so that what is
believed depends on what was given and not on when it was told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from twin.clock import HOUR_MS, UNIT_HOURS
from twin.model.entrances import parted
from twin.model.spec import Model, RegimenSpec
from twin.timeline.delivery import Delivered
from twin.timeline.pumps.steps import Steps

LENGTHS = (1.0, 6.0, 24.0, 96.0)
"""Hours that an infusion is taken to last: the least of them that is not exceeded."""

INTERVALS = (6.0, 12.0, 24.0, 168.0)
"""Hours between doses: the largest of them that is not longer than the shortest interval of the record."""

GIVEN = 5
"""Times that each is given: effects add up, and must be followed down again."""

SMALL = 1 / 64
"""Part of a dose that is looked at besides."""

_WHY = "the doses of the record, as the model file has no regimens"


def regimens_seen(delivered: Mapping[str, Delivered], model: Model) -> tuple[RegimenSpec, ...]:
    """Regimens as large and as fast as what a record holds of each drug; none where nothing was given."""
    found: list[RegimenSpec] = []
    for drug in sorted(delivered):
        every = _every(delivered[drug].begins())
        for entrance, amount, hours in _largest(delivered[drug]):
            much = _regimen(model, drug, entrance, amount, hours, every)
            found += [much, replace(much, amount=much.amount * SMALL, start=GIVEN * much.interval)]
    return tuple(found)


def _largest(source: Delivered) -> Iterator[tuple[str, float, float]]:
    """Entrance, mg and hours of the largest dose at once and of the fastest infusion by each entrance."""
    at_once: dict[str, float] = {}
    for _, amount, route in source.impulses:
        at_once[route] = max(at_once.get(route, 0.0), amount)
    yield from ((route, amount, 0.0) for route, amount in sorted(at_once.items()) if amount > 0)
    for route, steps in sorted(source.rate_by_route.items()):
        if runs := list(_runs(steps)):
            longest, rate = max(hours for hours, _ in runs), max(rate for _, rate in runs)
            hours = next((one for one in LENGTHS if longest <= one), LENGTHS[-1])
            yield route, rate * hours, hours


def _regimen(model: Model, drug: str, entrance: str, amount: float, hours: float, every: float) -> RegimenSpec:
    route, state = parted(entrance)
    return RegimenSpec(
        drug=drug,
        amount=4.0 ** math.ceil(math.log(amount, 4.0) - 1e-9),
        amount_unit="mg",
        start=0.0,
        duration=hours / UNIT_HOURS[model.time_unit],
        interval=max(every, 1.5 * hours) / UNIT_HOURS[model.time_unit],
        cycles=GIVEN,
        route=route,
        source=None,
        assumed=_WHY,
        state=state,
    )


def _every(begins: list[int]) -> float:
    """Hours of the interval that is looked at, for doses that begin at these times (ms)."""
    shortest = min((later - sooner for sooner, later in pairwise(begins) if later > sooner), default=math.inf)
    return max((one for one in INTERVALS if one * HOUR_MS <= shortest), default=INTERVALS[0])


def _runs(steps: Steps) -> Iterator[tuple[float, float]]:
    """Hours and highest rate (mg/h) of each stretch over which something runs; a rate always ends in 0."""
    began: int | None = None
    highest = 0.0
    for since, rate in steps:
        if rate > 0:
            began, highest = since if began is None else began, max(highest, rate)
        elif began is not None:
            yield (since - began) / HOUR_MS, highest
            began, highest = None, 0.0
