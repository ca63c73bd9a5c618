"""What a sink brings for its outside system: how a record becomes items, how they are written, what its errors mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from connectors.kafka.records import Record

Item = TypeVar("Item")
Written = TypeVar("Written", contravariant=True)


class Unavailable(Exception):
    """The items could not be written now, through no fault of theirs: it is tried again.

    ``retry_after`` is how many seconds the outside system asked to be left alone.
    """

    cause = "unavailable"

    def __init__(self, said: str = "", retry_after: float = 0.0) -> None:
        super().__init__(said)
        self.retry_after = retry_after


class TooSlow(Unavailable):
    """No answer in time, which fewer items might have had."""

    cause = "too_slow"


class AccessDenied(Unavailable):
    """The outside system does not let us in; somebody must mend the credentials, and until then it is tried again."""

    cause = "access_denied"


class BadItem(Exception):
    """Some of the items will never be accepted; the message is the reason that goes into the dead letter.

    What the outside system says of them is told by their places in the call: ``refused`` has those that are refused for
    certain, each with its reason, and ``among`` those of which some are refused. Where it says nothing both are empty.
    """

    def __init__(self, reason: str, *, refused: Mapping[int, str] | None = None, among: Collection[int] = ()) -> None:
        super().__init__(reason)
        self.refused, self.among = dict(refused or {}), frozenset(among)


class Writer(Protocol[Item]):
    """What a sink knows of its outside system."""

    def items(self, record: Record) -> Sequence[Item]:
        """What is to be written of a record, in order; none where there is nothing to write.

        Raises:
            ValueError: the record cannot become items; the message names the field.
        """
        ...

    def kind(self, item: Item) -> str:
        """What the item shares with those that are likely taken or refused with it; "" where there is no such thing.

        Items of one kind are written in order. Those of different kinds may overtake one another, so two that leave
        the same trace must be of one kind.
        """
        ...

    def write(self, items: Sequence[Item]) -> None:
        """Write the items and return when they are durable. An item written again must leave one trace.

        Raises:
            BadItem: an item will never be accepted; the others may or may not have been written.
            AccessDenied: the system does not let us in.
            TooSlow: no answer in time; nothing is known about the items.
            Unavailable: anything else; nothing is known about the items.
        """
        ...


@runtime_checkable
class Pacing(Protocol[Written]):
    """What a writer offers beside that may want to have some items later."""

    def later(self, items: Sequence[Written]) -> Collection[int]:
        """The places of those that are to wait now, of all that is not written yet, in order; asked again and again.

        A record of which one item waits waits as a whole.

        What waits is kept by Kafka: after a crash its records become items once more.
        """
        ...


@runtime_checkable
class Standing(Protocol):
    """What a writer offers beside whose outside system forgets what is not said again."""

    def refresh(self) -> None:
        """Say once more what must be, of what `Pacing.later` keeps; asked at every poll.

        Raises:
            Unavailable: it cannot be said now.
        """
        ...
