"""Which of the facts that correct one another stands.

Facts form families: an original, what replaces it, what replaces that in its turn. Of rivals, which replace the same
fact, the one with the greatest (time, id) prevails, or what replaces it in its turn; so one fact of a family stands,
whichever came first. What a correction costs does not grow with how often the same fact was corrected before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from twin.events import to_millis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Correcting(Protocol):
    """A fact that may replace another."""

    @property
    def event_id(self) -> str: ...

    @property
    def time(self) -> datetime: ...

    @property
    def replaces(self) -> str | None: ...


class Superseded(NamedTuple):
    """What is kept in a row of a fact that another stands in place of: it can never count again.

    Attributes:
        micros: its time in whole microseconds since 1970, as exact as it was told.
        sequence, rank, subject, value: its place among others of that time.
        supersedes: what it replaces, empty for nothing.
        digest: of its content, which tells a repeat from a contradiction.
        channel: device and drug of a word of a pump, otherwise empty.
    """

    event_id: str
    micros: int
    sequence: int
    rank: int
    subject: str
    value: float
    supersedes: str
    digest: bytes
    channel: tuple[str, str]

    @property
    def time(self) -> datetime:
        """When it was."""
        return _EPOCH + timedelta(microseconds=self.micros)

    @property
    def replaces(self) -> str | None:
        """The fact that it replaces."""
        return self.supersedes or None


def micros_of(time: datetime) -> int:
    """A time, which has an offset, in whole microseconds since 1970."""
    return (time - _EPOCH) // timedelta(microseconds=1)


class _Child(NamedTuple):
    """What replaces a fact: of several the greatest prevails."""

    time: datetime
    event_id: str


class Corrections:
    """The families of one record's facts.

    Attributes:
        superseded: ids of what another fact stands in place of, known or not.
    """

    def __init__(self) -> None:
        self.superseded: set[str] = set()
        self._replaces: dict[str, str] = {}
        self._prevailing: dict[str, _Child] = {}
        # Of a family, by its original (`_original` finds it along links that are shortened as they are followed):
        self._links: dict[str, str] = {}
        self._standing: dict[str, str] = {}
        self._earliest: dict[str, int] = {}

    def closes_circle(self, fact: Correcting) -> bool:
        """Whether a fact that is new would replace what replaces it."""
        return fact.replaces is not None and self._original(fact.replaces) == self._original(fact.event_id)

    def add(self, fact: Correcting) -> int:
        """Take a fact in, which closes no circle; the earliest time (ms) that any fact of its family has."""
        if fact.replaces is not None:
            self._replace(fact, fact.replaces)
        original = self._original(fact.event_id)
        self._earliest[original] = min(self._earliest.get(original, 2**62), to_millis(fact.time))
        return self._earliest[original]

    def _replace(self, fact: Correcting, target: str) -> None:
        own, original = self._original(fact.event_id), self._original(target)
        heir, standing = self._standing.get(own, own), self._standing.get(original, original)
        child = _Child(fact.time, fact.event_id)
        self._replaces[fact.event_id] = target
        if target not in self._prevailing or child > self._prevailing[target]:
            self._prevailing[target] = child
            prevails = target == standing or self._leads_to_standing(target)
        else:
            prevails = False
        self.superseded.add(standing if prevails else heir)
        self._links[own] = original
        self._standing[original] = heir if prevails else standing
        if own in self._earliest:
            self._earliest[original] = min(self._earliest.get(original, 2**62), self._earliest.pop(own))
        self._standing.pop(own, None)

    def _leads_to_standing(self, event_id: str) -> bool:
        """Whether a fact, and each that it replaces in turn, prevails among its rivals."""
        while (target := self._replaces.get(event_id)) is not None:
            if self._prevailing[target].event_id != event_id:
                return False
            event_id = target
        return True

    def _original(self, event_id: str) -> str:
        """The first of a family."""
        followed = []
        while event_id in self._links:
            followed.append(event_id)
            event_id = self._links[event_id]
        for passed in followed:
            self._links[passed] = event_id
        return event_id
