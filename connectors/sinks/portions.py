"""How much goes into one call: learnt from what the outside system refuses, and from how slow it is.

All that is pending goes in one call as long as nothing is refused. After a refusal the kinds of items that it may be
about are *suspect*: they are written apart, each kind by itself, so that what is good never waits for them. A suspect
kind has *room* for so many items a call: half of those that were refused together, twice those that were accepted, down
to a single one, which is then refused itself. So one bad item among n costs up to 3 log2(n) calls, a kind that is
always refused one call an item, and none more where the system names what it refuses. A kind whose room has grown to a
whole batch is suspect no longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

from connectors.kafka.records import Record
from connectors.sinks.writer import BadItem, Item


@dataclass(slots=True)
class Pending(Generic[Item]):
    """A record that is not done, with the items it became and their kinds, or ``fault``, why it became none.

    ``settled`` has the places of items that are written or refused, ``refused`` the reasons of the latter.
    """

    record: Record
    items: Sequence[Item] = ()
    kinds: Sequence[str] = ()
    fault: str | None = None
    settled: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is to be written any more."""
        return len(self.settled) == len(self.items)

    def left(self) -> Iterator[Place[Item]]:
        """Its items that are not settled, in order."""
        return (Place(self, number) for number in range(len(self.items)) if number not in self.settled)


class Place(NamedTuple, Generic[Item]):
    """The item ``number`` of a pending record."""

    pending: Pending[Item]
    number: int

    @property
    def item(self) -> Item:
        """What is to be written."""
        return self.pending.items[self.number]

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.pending.kinds[self.number]

    def settle(self, refusal: str | None = None) -> None:
        """It is written, or refused with a reason."""
        self.pending.settled.add(self.number)
        if refusal is not None:
            self.pending.refused[self.number] = refusal


Portion = Sequence[Place[Item]]
"""What goes into one call."""


class Portions(Generic[Item]):
    """Cuts pending records into calls of at most ``most`` items, and settles items by the answers."""

    def __init__(self, most: int) -> None:
        self._most = self._longest = most
        self._room: dict[str, int] = {}

    def next(self, batch: Iterable[Pending[Item]]) -> Portion[Item]:
        """The items for the next call: all that are not suspect, then the suspect kinds; none if all are settled."""
        left = [place for pending in batch for place in pending.left()]
        sound = [place for place in left if place.kind not in self._room] if self._room else left
        if sound or not left:
            return sound[: self._longest]
        kind = left[0].kind
        return [place for place in left if place.kind == kind][: min(self._room[kind], self._longest)]

    def written(self, portion: Portion[Item]) -> None:
        """The call was accepted."""
        for place in portion:
            place.settle()
        self._longest = min(2 * self._longest, self._most)
        kind = portion[0].kind
        if kind in self._room:
            self._room[kind] *= 2
            if self._room[kind] >= self._most:
                del self._room[kind]

    def refused(self, portion: Portion[Item], refusal: BadItem) -> None:
        """The call was refused: settle what is known to be bad, and set apart what may be."""
        certain = refusal.refused or ({0: str(refusal)} if len(portion) == 1 else {})
        for number, reason in certain.items():
            portion[number].settle(reason)
        kind = portion[0].kind
        if len(refusal.refused) == len(portion) and kind in self._room:
            self._room[kind] = min(2 * self._room[kind], self._most)  # who names them all may be asked about more
        elif not certain:
            self._set_apart(portion, refusal)

    def too_slow(self, portion: Portion[Item]) -> None:
        """There was no answer in time: fewer at once."""
        self._longest = max(1, len(portion) // 2)

    def _set_apart(self, portion: Portion[Item], refusal: BadItem) -> None:
        kinds = {place.kind for place in portion}
        if len(kinds) == 1:
            self._room[portion[0].kind] = len(portion) // 2
            return
        among = refusal.among or range(len(portion))
        self._room |= Counter(portion[number].kind for number in among)
