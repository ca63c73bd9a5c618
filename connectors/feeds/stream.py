"""What an opened feed says: events with the moment they arrive, and what else whoever feeds should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

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


class Measured(NamedTuple):
    """What the events of a feed measure: the kind of event, its name there and a unit that it is measured in."""

    kind: Literal["lab_result", "drug_level", "covariate"]
    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """That events are to be said in a hospital's protocol, and what a listener must know to hear them.

    Attributes:
        protocol: of `PROTOCOLS`.
        to: where somebody listens: ``host:port``, or a URL.
        folder: where the files for the listener are written.
        patients, sources, drugs, measured: all that the events are of.
    """

    protocol: str
    to: str
    folder: Path
    patients: tuple[str, ...]
    sources: tuple[str, ...]
    drugs: tuple[str, ...]
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """What an opened feed says.

    Attributes:
        said: one item after another, worked out no sooner than it is taken.
        expected: about how many events there are, where that is known.
        speed: simulated seconds per second on the topics unless told otherwise; as fast as they are taken without.
        spoken: how they are said, where that is not our own JSON on the topics.
    """

    said: Iterable[Said]
    expected: int | None = None
    speed: float | None = None
    spoken: Spoken | None = None
