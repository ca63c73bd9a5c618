"""Every kind of event there is: found in the rooms `twin.events.inputs` and `twin.events.outputs`, listed nowhere."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator

from twin.events.envelope import Event, InputEvent, OutputEvent
from twin.registry import modules_of


def kind_of(event: type[Event]) -> str:
    """The ``kind`` by which events of this class are told apart on the wire."""
    return str(event.model_fields["kind"].default)


def _events_of(room: str) -> Iterator[type[Event]]:
    """Event classes of the modules of a room, by module, then as they stand in it."""
    for name in modules_of(room):
        for each in vars(importlib.import_module(name)).values():
            own = isinstance(each, type) and each.__module__ == name
            if own and issubclass(each, Event) and "kind" in each.model_fields:
                yield complete(each)


def complete(event: type[Event]) -> type[Event]:
    """The class itself, if it says all that a kind of event has to; raises `TypeError` with what it lacks."""
    there = {
        "docstring": bool(event.__doc__),
        "sent_on": hasattr(event, "sent_on"),
        "example()": not inspect.isabstract(event),
        "default of its kind": isinstance(event.model_fields["kind"].default, str),
        "replay_file": hasattr(event, "replay_file") or not issubclass(event, OutputEvent),
    }
    lacking = [name for name, found in there.items() if not found]
    if lacking:
        raise TypeError(f"event {event.__module__}.{event.__name__} lacks {', '.join(lacking)}; say it in the class")
    return event


def told_apart(events: tuple[type[Event], ...]) -> tuple[type[Event], ...]:
    """The classes themselves, if no two have one ``kind``; raises `TypeError` with the two that have."""
    known: dict[str, type[Event]] = {}
    for event in events:
        other = known.setdefault(kind_of(event), event)
        if other is not event:
            raise TypeError(
                f"{other.__module__}.{other.__name__} and {event.__module__}.{event.__name__} are both of kind "
                f"'{kind_of(event)}'; give one another kind"
            )
    return events


EVENTS: tuple[type[Event], ...] = told_apart((*_events_of("twin.events.inputs"), *_events_of("twin.events.outputs")))
"""Every kind that may be on the wire: what comes in, then what goes out."""

INPUT_EVENTS: tuple[type[InputEvent], ...] = tuple(event for event in EVENTS if issubclass(event, InputEvent))

OUTPUT_EVENTS: tuple[type[OutputEvent], ...] = tuple(event for event in EVENTS if issubclass(event, OutputEvent))
"""Every kind that a twin says; a dead letter is none of them."""
