"""What an opened feed says: events with the moment they arrive, and what else whoever feeds should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from connectors.feeds.bad_lines import BadLine
from twin.events import InputEvent


class TimedEvent(NamedTuple):
    """An event and the ms at which it arrives in simulated time."""

    time: int
    event: InputEvent


@dataclass(frozen=True, slots=True)
class Note:
    """Something that whoever feeds should know, such as what was decided where a file leaves it open."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far other work than sending has come: ``done`` of ``total`` ``unit`` of ``what``."""

    what: str
    done: int
    total: int
    unit: str


Said = TimedEvent | BadLine | Note | Progress


@dataclass(frozen=True, slots=True)
class Stream:
    """What an opened feed says.

    Attributes:
        said: one item after another, worked out no sooner than it is taken.
        expected: about how many events there are, where that is known.
        speed: simulated seconds per second on the topics unless told otherwise; as fast as they are taken without.
    """

    said: Iterable[Said]
    expected: int | None = None
    speed: float | None = None
