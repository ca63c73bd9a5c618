"""Timelines of a few events."""

from __future__ import annotations

from collections.abc import Iterable

from tests.twin import toys
from twin.events import InputEvent, PumpDelivery
from twin.kernel.kernel import Kernel, compile_model
from twin.record.history import History
from twin.timeline.timeline import Timeline, build

TOY = compile_model(toys.absorption())


def history_of(events: Iterable[InputEvent]) -> History:
    history = History()
    for event in events:
        rate = event.rate.value if isinstance(event, PumpDelivery) else None
        assert history.insert(event, rate).outcome == "new"
    return history


def timeline(*events: InputEvent, kernel: Kernel = TOY) -> Timeline:
    built = build(history_of(events), kernel)
    assert built is not None
    return built
