"""Every event that is worth a curve or a table row, as InfluxDB line protocol.

A kind of event is drawn when it has a file in `connectors.sinks.lines`, which says what it becomes.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol, cast

from connectors.kafka.topics import topic_of
from connectors.sinks.arrival import Arrival
from twin.events import Event, kind_of
from twin.registry import modules_of

ROOM = "connectors.sinks.lines"


class EventLines(Protocol):
    """What a module of the room offers: the class of its event, and its lines."""

    EVENT: type[Event]

    def lines(self, event: Any, arrival: Arrival, /) -> Iterator[str]:
        """The lines of one event of that class, in a fixed order."""
        ...


@functools.cache
def drawn() -> Mapping[str, EventLines]:
    """What is drawn, by kind.

    Raises:
        TypeError: a file bears another name than its event's kind.
    """
    found: dict[str, EventLines] = {}
    for name in modules_of(ROOM):
        module = cast(EventLines, importlib.import_module(name))
        kind = kind_of(module.EVENT)
        if name.rpartition(".")[2] != kind:
            raise TypeError(f"module {name} draws events of kind '{kind}'; call the file {kind}.py")
        found[kind] = module
    return MappingProxyType(found)


def topics_drawn() -> tuple[str, ...]:
    """The topics that hold something drawn, without prefix."""
    return tuple(dict.fromkeys(topic_of(module.EVENT) for module in drawn().values()))


def event_lines(event: Event, arrival: Arrival) -> list[str]:
    """The lines of one event, in a fixed order; empty for kinds that are not drawn."""
    module = drawn().get(event.kind)
    return [] if module is None else list(module.lines(event, arrival))
