"""What lets a twin advise: a request, an order, or a value that was measured."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from twin.events import AdviceCause, to_millis
from twin.record.history import History
from twin.record.orders import Orders
from twin.timeline.timeline import Timeline


class Cause(NamedTuple):
    """Why advice is due.

    Attributes:
        millis: by what is believed at which moment (ms), with all that was told of then.
        event_id: of the request, order or measured value.
        time_ms: when that was by its own word: a moment may be drawn out (`twin.timeline.record_order`).
        drug, protocol: asked about, or ordered; ``None`` where nothing was said.
        genotypes: gene and value of those that a request tells.
        branches: what-ifs that it asks for, in words; of a dose, or ``what_if`` alone.
    """

    millis: int
    event_id: str
    about: AdviceCause
    time_ms: int
    drug: str | None = None
    protocol: str | None = None
    genotypes: tuple[tuple[str, str], ...] = ()
    branches: tuple[str, ...] = ()
    what_if: bool = False


def causes(
    history: History,
    orders: Orders,
    timelines: Iterable[Timeline | None],
    live: Set[str],
    after: int,
    until: int,
) -> list[Cause]:
    """All causes after one moment and until another (ms), in order.

    Args:
        history, orders, timelines: the record, as each model has it.
        live: which of ``plan`` and ``level`` are causes.
    """
    found = set[Cause]()
    for request in history.requests():
        if after < (millis := to_millis(request.time)) <= until:
            known = tuple((one.gene, one.value) for one in request.genotypes)
            found.add(
                Cause(
                    millis,
                    request.event_id,
                    "request",
                    millis,
                    request.drug,
                    request.protocol,
                    known,
                    request.branches,
                    request.asks == "what_if",
                )
            )
    if "plan" in live:
        for millis, order in orders.told(after, until):
            found.add(Cause(millis, order.event_id, "plan", millis, order.drug))
    if "level" in live:
        for timeline in timelines:
            found.update(_measured(timeline, after, until))
    return sorted(found, key=lambda cause: (cause.millis, cause.event_id))


def _measured(timeline: Timeline | None, after: int, until: int) -> Iterator[Cause]:
    """Values that were measured one by one; what sums up readings of a wearable is no reason to decide."""
    observations = () if timeline is None else timeline.observations
    first = bisect_right(observations, after, key=lambda observation: observation.millis)
    for one in observations[first:]:
        if one.millis > until:
            return
        if one.readings is None:
            yield Cause(one.millis, one.event_id, "level", one.time)
