"""What of a record is held: told, kept, and not counted until more is known or a clinician says that it is true.

Held are events that lie too far from the rest (`twin.record.held.far`), and facts that say what is asked about first,
such as a hundred times the usual dose. What is held follows from the record as a whole, and comes to count as if it had
never been held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from twin.events import (
    AdviceRequested,
    AlertAction,
    ClinicalEnvelope,
    Covariate,
    DeviceAssociation,
    Enrolment,
    FollowUpBegun,
    InputEvent,
    PumpDelivery,
    PumpTotals,
    RegimenPlanned,
    Release,
    to_millis,
)
from twin.record.contact import DeviceContact
from twin.record.corrections import Superseded
from twin.record.held.far import AHEAD, BEFORE, BEFORE_MS, WITNESSES, Stretch, held_stretches

Mark = Enrolment | FollowUpBegun | RegimenPlanned | Release
"""What says where a record belongs."""

_NO_WITNESS = (
    Enrolment, Release, AlertAction, AdviceRequested, Covariate, PumpDelivery, PumpTotals, DeviceAssociation,
)  # fmt: skip
"""What bears out nothing by itself: no word of a patient's course, or the word of a device."""


class PlacedFact(Protocol):
    """A fact's place in the order of a record."""

    @property
    def millis(self) -> int: ...

    @property
    def event_id(self) -> str: ...


class HeldNow(NamedTuple):
    """Stretches that are held, and ids of facts that are held for what they say."""

    far: tuple[Stretch, ...] = ()
    asked: frozenset[str] = frozenset()

    def covers(self, millis: int) -> bool:
        """Whether what was told for an instant (ms) is held."""
        return any(stretch.first <= millis <= stretch.last for stretch in self.far)

    def overlaps(self, other: Stretch) -> bool:
        """Whether some of a stretch is held."""
        return any(stretch.first <= other.last and other.first <= stretch.last for stretch in self.far)


NOTHING = HeldNow()
"""What is held of most records."""


class Holding:
    """What of one record is held, as the record grows.

    Args:
        keys, facts, superseded, contact: of the history, which goes on to fill them.

    Attributes:
        told: when anything was told, with its long silences.
        asked: by event id why a fact is held, which has to be released to count.
        now: what is held.
        oldest, newest: ms of the oldest and of the newest event that counts.
    """

    def __init__(
        self,
        keys: Sequence[PlacedFact],
        facts: Mapping[str, ClinicalEnvelope | Superseded],
        superseded: Collection[str],
        contact: Mapping[str, DeviceContact],
    ) -> None:
        self.told = DeviceContact(pause=BEFORE_MS)
        self.asked: dict[str, str] = {}
        self.now = NOTHING
        self.oldest: int | None = None
        self.newest: int | None = None
        self._keys = keys
        self._facts = facts
        self._superseded = superseded
        self._contact = contact
        self._marks: list[str] = []
        self._planned: dict[str, tuple[int, tuple[int, ...]]] = {}

    def tell(self, millis: int) -> None:
        """Take note that something new to the record, but a release, was told for this time (ms); then `judge`."""
        self.told.insert(millis)

    def add_fact(self, fact: ClinicalEnvelope) -> None:
        """Take note of a fact of the record."""
        if isinstance(fact, Mark):
            self._marks.append(fact.event_id)
        if isinstance(fact, RegimenPlanned):
            doses = tuple(sorted(to_millis(dose.time) for dose in fact.doses))
            self._planned[fact.event_id] = to_millis(fact.time), doses

    def judge(self) -> None:
        """Find out what is held now that the record has grown."""
        if len(self.told.first) == 1 and not self.asked:
            self.now, self.oldest, self.newest = NOTHING, self.told.first[0], self.told.last[0]
            return
        marks = [mark for mark in self._standing(self._marks) if isinstance(mark, Mark)]
        told = [Stretch(*each) for each in zip(self.told.first, self.told.last, strict=True)]
        far: tuple[Stretch, ...] = ()
        if len(told) > 1:
            enrolled = [to_millis(mark.time) for mark in marks if isinstance(mark, Enrolment)]
            followed = [to_millis(mark.time) for mark in marks if isinstance(mark, FollowUpBegun)]
            plans = [self._planned[mark.event_id] for mark in marks if isinstance(mark, RegimenPlanned)]
            released = list(self._released(marks))
            known = min(enrolled, default=None), min(followed, default=None)
            far = held_stretches(told, *known, plans, released, self._witnesses)
        self.now = HeldNow(far, self._asked_about(marks) if self.asked else frozenset())
        counted = [stretch for stretch in told if stretch not in far]
        self.oldest, self.newest = (counted[0].first, counted[-1].last) if counted else (None, None)

    def goes_on_with(self, millis: int) -> bool:
        """Whether all that was told, and a word at ``millis``, lies too close together for any of it to be held."""
        first = self.told.first
        return len(first) == 1 and first[0] <= millis <= self.told.last[0] + BEFORE_MS and not self.asked

    def go_on(self, millis: int) -> None:
        """As to `tell` and to `judge`, of a word that the record `goes_on_with`."""
        last = self.told.last
        if millis > last[0]:
            last[0] = self.newest = millis

    def holds(self, fact: ClinicalEnvelope) -> bool:
        """Whether a fact does not count."""
        if isinstance(fact, Enrolment | Release) or self.now == NOTHING:
            return False
        millis = to_millis(fact.time)
        # What characterises a patient may be old: a genotype, a height.
        old = isinstance(fact, Covariate) and self.newest is not None and millis < self.newest
        return fact.event_id in self.now.asked or (self.now.covers(millis) and not old)

    def held_facts(self) -> Iterator[ClinicalEnvelope]:
        """Facts that stand and do not count, in event-time order."""
        if self.now != NOTHING:
            yield from (fact for fact in self._standing(key.event_id for key in self._keys) if self.holds(fact))

    def why(self, fact: ClinicalEnvelope) -> str:
        """Why a fact that is held does not count, and how to let it."""
        before = self.oldest is not None and to_millis(fact.time) < self.oldest
        reason = self.asked.get(fact.event_id, f"it lies {BEFORE if before else AHEAD}")
        return f"held and not counted: {reason}; correct it, or send a 'release' that names it if it is right"

    def stands(self, fact: ClinicalEnvelope) -> bool:
        """Whether a fact is neither corrected nor retracted, nor itself a retraction."""
        return fact.status != "retracted" and fact.event_id not in self._superseded

    def changed_since(self, before: HeldNow, event: InputEvent) -> Iterator[int]:
        """Times (ms) from which other things count than ``before``; ``event`` is what was told in between."""
        millis = to_millis(event.time)
        yield from (stretch.first for stretch in before.far if not self.now.overlaps(stretch))
        # A new word that is held changes nothing; what counted and does not any more does.
        alone = Stretch(millis, millis)
        yield from (s.first for s in self.now.far if not before.overlaps(s) and s != alone)
        changed = before.asked ^ self.now.asked
        yield from (to_millis(self._facts[event_id].time) for event_id in changed if event_id != event.event_id)

    def _released(self, marks: Iterable[Mark]) -> Iterator[tuple[int, int]]:
        """Begin and end (ms) of all that was released: known facts by their ids, and stretches of time."""
        for mark in marks:
            if isinstance(mark, Release):
                times = (to_millis(self._facts[event_id].time) for event_id in mark.events if event_id in self._facts)
                yield from ((millis, millis) for millis in times)
                if mark.begins is not None and mark.ends is not None:
                    yield to_millis(mark.begins), to_millis(mark.ends)

    def _asked_about(self, marks: Iterable[Mark]) -> frozenset[str]:
        """Ids of standing facts that are held for what they say, and that nobody has released."""
        releases = [mark for mark in marks if isinstance(mark, Release)]
        named = {event_id for release in releases for event_id in release.events}
        facts = self._standing(event_id for event_id in self.asked if event_id not in named)
        return frozenset(fact.event_id for fact in facts if not any(release.spans(fact.time) for release in releases))

    def _standing(self, event_ids: Iterable[str]) -> Iterator[ClinicalEnvelope]:
        """Those of these facts that stand."""
        facts = (self._facts[event_id] for event_id in event_ids)
        yield from (fact for fact in facts if not isinstance(fact, Superseded) and self.stands(fact))

    def _witnesses(self, stretch: Stretch) -> int:
        """How many bear out a stretch, up to `WITNESSES`."""
        devices = (d for d, contact in self._contact.items() if contact.speaks_within(stretch.first, stretch.last))
        found: set[int | str] = set(devices)
        at = bisect_left(self._keys, stretch.first, key=lambda key: key.millis)
        while len(found) < WITNESSES and at < len(self._keys) and self._keys[at].millis <= stretch.last:
            standing = self._standing([self._keys[at].event_id])
            found.update(self._keys[at].millis for fact in standing if not isinstance(fact, _NO_WITNESS))
            at += 1
        return len(found)
