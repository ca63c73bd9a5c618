"""Timelines of a few events."""

from __future__ import annotations

from collections.abc import Iterable

from tests.twin import toys
from tests.twin.bedside import ms
from twin.events import InputEvent, PumpDelivery
from twin.kernel.kernel import Kernel, compile_model
from twin.record.history import History
from twin.timeline.delivery import Delivered, delivered
from twin.timeline.pumps.silence import RUNNING, Hypothesis
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


def given_of(*events: InputEvent, drug: str = "toxin", assumed: Hypothesis = RUNNING) -> Delivered:
    """What was delivered of a drug, by these events and a hypothesis about what is in doubt."""
    history = history_of(events)
    return delivered(drug, list(history.effective()), history.samples, assumed)


def steps(*pairs: tuple[float, float]) -> list[tuple[int, float]]:
    """A step function, its times in hours."""
    return [(ms(hours), rate) for hours, rate in pairs]
