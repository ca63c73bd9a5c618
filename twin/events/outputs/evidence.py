"""On what an alert rests: what was compared with which threshold, what decided it, and how old the data were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from twin.events.bounds import Size, Tag, UnitCode
from twin.events.envelope import EventId
from twin.events.event_time import EventTime

MOST_DECIDING = 4
"""Events that an alert names as those that decided it."""

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

Reason = Annotated[str, Field(max_length=400)]
Words = Annotated[str, Field(min_length=1, max_length=120)]


@dataclass(frozen=True, slots=True)
class AlertThreshold:
    """The thresholds that a level was compared with, in ``unit``: it raises above the one, and clears below the other.

    A probability has to pass either by ``margin``, for its Monte-Carlo error. ``source`` says where ``raise_above`` was
    read, ``assumed`` why it is assumed.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    raise_above: float
    clear_below: float
    unit: UnitCode = "1"
    margin: Size = 0.0
    source: Reason | None = None
    assumed: Reason | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """The quantity that the rule watches, in ``unit``, and the ``limit`` that it should not be beyond on that ``side``.

    ``value`` is what it is, where it is measured or reported; the quantiles are of what is believed of it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    quantity: Words
    unit: UnitCode
    side: Literal["below", "above"] | None = None
    limit: float | None = None
    value: float | None = None
    q05: float | None = None
    median: float | None = None
    q95: float | None = None


@dataclass(frozen=True, slots=True)
class Deciding:
    """An event that decided an alert: its ``kind``, what it is ``of`` (analyte, drug or device), and when it was.

    What a pump repeats is kept without ids, and has none.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    kind: Tag
    of: Annotated[str, Field(max_length=64)]
    time: EventTime
    event_id: EventId | None = None


@dataclass(frozen=True, slots=True)
class Freshness:
    """The age of the newest datum of one source.

    Of a laboratory it is exact. Devices send much, late and out of order: of those it is in steps that double, and the
    datum is not older.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    source: Literal["laboratory", "pump", "wearable"]
    age_hours: Size


@dataclass(frozen=True, slots=True)
class AlertEvidence:
    """On what an alert rests, as its rule ``judged`` it at that event time.

    ``level`` is what was compared with ``threshold``: a probability with its Monte-Carlo ``standard_error``, or another
    number. It is missing where there is nothing left to judge, and neither is there for what is held of the record.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    judged: EventTime
    level: float | None = None
    standard_error: Size | None = None
    threshold: AlertThreshold | None = None
    watched: Watched | None = None
    decided_by: Annotated[tuple[Deciding, ...], Field(max_length=MOST_DECIDING)] = ()
    freshness: Annotated[tuple[Freshness, ...], Field(max_length=3)] = ()
