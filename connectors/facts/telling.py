"""From facts to events: whose, when, and as what they are told after what was told before.

What was never told is told as it is; the same again is silent; another value of the same fact corrects the version that
stands; what the source takes back is retracted as it was told, at the patient it was told of. So two corrections are
settled by the order in which the source sent them, and never by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import ValidationError

from connectors.facts.fact import Fact, Moment, NotAFact, OwnEvent, Passed, Reading, Refusal
from connectors.facts.memory import Memory, Told
from connectors.facts.moments import instant, reported
from connectors.facts.profile import Profile
from twin.devices.words import NOBODY
from twin.devices.words import Fact as DeviceFact
from twin.events import (
    INPUT_EVENTS,
    InputEvent,
    Measurement,
    PumpDelivery,
    Quantity,
    Status,
    encode,
    event_id,
    kind_of,
)

REPORTED = "reported"
"""When a result could first be read (`twin.events.Measurement`): a later telling of the same value is none."""

WHOLE = "*"
"""As the last part of a retraction's key: all that was told of what the parts before it name."""

OF_DEVICES = frozenset(kind_of(fact) for fact in get_args(DeviceFact))
"""Kinds of which a device may say one without knowing its patient: it is `NOBODY`'s until a binding says whose."""

_CLASSES = {kind_of(event): event for event in INPUT_EVENTS}


@dataclass(frozen=True, slots=True)
class Telling:
    """What becomes of a fact: no event of a repetition, two where it moves to another patient, else one."""

    place: str
    events: tuple[InputEvent, ...]


Outcome = Telling | Refusal | Passed


@dataclass(frozen=True)
class Teller:
    """Tells the facts of one source; ``memory`` is what it told before."""

    profile: Profile
    memory: Memory

    def tell(self, reading: Reading) -> Iterator[Outcome]:
        """What becomes of each fact of a message, in order; each is remembered before the next is looked at."""
        if reading.is_test and not self.profile.test:
            if any(not isinstance(found, Passed) for found in reading.found):
                detail = "it says that it is a test; only a source with mode = 'test' may send those"
                yield Refusal("message", "test_message", detail)
            return
        if reading.version is not None and self.memory.is_older(*reading.version):
            yield Passed("resource", "an older version of what was told")
            return
        rivals = _rivals(reading.found)
        for found in reading.found:
            if not isinstance(found, Fact | OwnEvent):
                yield found
                continue
            try:
                if isinstance(found, OwnEvent):
                    yield self._own(found)
                    continue
                if found.key in rivals:
                    raise NotAFact(
                        "contradictory", "the message tells this fact twice, and differently; send one of them"
                    )
                if found.status == "retracted" and found.key[-1] == WHOLE:
                    yield self._whole(found)
                else:
                    yield self._retraction(found) if found.status == "retracted" else self._version(found)
            except NotAFact as error:
                yield Refusal(found.place, error.reason, error.detail)
        if reading.all_of and not any(isinstance(found, Refusal) for found in reading.found):
            yield from self._left_out(reading)

    def _own(self, said: OwnEvent) -> Outcome:
        """An event that its sender made is told as it is, and once."""
        key, event = ("event", said.event.event_id), said.event
        content = event_id(encode(event).decode())
        last = self.memory.last(key)
        if last is None:
            self.memory.put(key, Told(1, "final", content, event), (event,))
            return Telling(said.place, (event,))
        if last.content != content:
            mend = "a correction has an id of its own, and 'replaces' names what it corrects"
            raise NotAFact("contradictory", f"field 'event_id': it was told before, with other content; {mend}")
        return Telling(said.place, ())

    def _left_out(self, reading: Reading) -> Iterator[Outcome]:
        """What was told of a resource and its new version does not say any more."""
        said = {found.key for found in reading.found if isinstance(found, Fact)}
        for key in self.memory.family(reading.all_of):
            if key not in said:
                outcome = self._retraction(Fact(key, "", {}, None, None, "resource", "retracted"))
                if isinstance(outcome, Telling) and outcome.events:
                    yield outcome

    def _version(self, fact: Fact) -> Outcome:
        event = self._event(fact, 1, "preliminary" if fact.status == "preliminary" else "final")
        content = _content(event)
        last = self.memory.last(fact.key)
        if last is None:
            return self._told(fact, Told(1, event.status, content, event), event)
        if last.content == content and last.status != "retracted":
            if last.status == "preliminary" and fact.status != "preliminary":
                self.memory.put(fact.key, last._replace(status="final"), ())
            return Telling(fact.place, ())
        if isinstance(event, PumpDelivery) and event.phase == "sample":
            return Passed(fact.place, "another telling of a periodic report, which cannot be corrected")
        if event.status == "preliminary" and last.status in ("final", "corrected"):
            return Passed(fact.place, "a preliminary telling of what is final already")
        version = last.version + 1
        if last.status == "retracted":
            again = self._event(fact, version, event.status)
            return self._told(fact, Told(version, again.status, content, again), again)
        if last.event.patient_id != event.patient_id:
            gone = _again(last.event, self._id(fact.key, version), "retracted")
            there = self._event(fact, version + 1, event.status)
            return self._told(fact, Told(version + 1, there.status, content, there), gone, there)
        new = self._event(fact, version, "corrected", last.event.event_id)
        status: Status = "preliminary" if event.status == "preliminary" else "corrected"
        return self._told(fact, Told(version, status, content, new), new)

    def _whole(self, fact: Fact) -> Outcome:
        """All that was told of a resource is taken back."""
        told = [self._retraction(replace(fact, key=key)) for key in self.memory.family(fact.key)]
        events = tuple(event for one in told if isinstance(one, Telling) for event in one.events)
        return Telling(fact.place, events) if told else Passed(fact.place, "a retraction of what was never told")

    def _retraction(self, fact: Fact) -> Outcome:
        last = self.memory.last(fact.key)
        if last is None:
            return Passed(fact.place, "a retraction of what was never told")
        if last.status == "retracted":
            return Telling(fact.place, ())
        if isinstance(last.event, PumpDelivery) and last.event.phase == "sample":
            return Passed(fact.place, "a retraction of a periodic report, which cannot be retracted")
        gone = _again(last.event, self._id(fact.key, last.version + 1), "retracted")
        return self._told(fact, Told(last.version + 1, "retracted", last.content, gone), gone)

    def _told(self, fact: Fact, told: Told, *events: InputEvent) -> Telling:
        self.memory.put(fact.key, told, events)
        return Telling(fact.place, events)

    def _id(self, key: tuple[str, ...], version: int) -> str:
        return event_id(self.profile.source, *key, version)

    def _event(self, fact: Fact, version: int, status: Status, replaces: str | None = None) -> Any:
        """The event of a fact, as this telling of it.

        Raises:
            NotAFact: of its patient or time, or ``incomplete`` where a field of the event is missing or too long.
        """
        if fact.subject is None and fact.kind not in OF_DEVICES:
            raise NotAFact("no_patient", "no patient's id, or a placeholder")
        kind: Any = _CLASSES[fact.kind]
        days = issubclass(kind, Measurement) and self.profile.days
        time, sd_hours = instant(fact.moment, self.profile.zone, days=days)
        fields = {name: self._value(value) for name, value in fact.fields.items() if name != REPORTED}
        said = fact.fields.get(REPORTED)
        if isinstance(said, Moment) and (at := reported(said, self.profile.zone)) is not None:
            fields[REPORTED] = at
        if sd_hours is not None:
            fields["draw_time_sd"] = Quantity(value=sd_hours, unit="h")
        try:
            return kind(
                event_id=self._id(fact.key, version),
                patient_id=NOBODY if fact.subject is None else self.profile.pseudonyms.pseudonym(fact.subject),
                time=time,
                source="/".join(part for part in (self.profile.source, fact.manner) if part)[:64],
                status=status,
                replaces=replaces,
                **fields,
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, first["loc"])) or fact.kind
            raise NotAFact("incomplete", f"field {field!r} of a {fact.kind}: {first['msg']}") from None

    def _value(self, value: object) -> object:
        """A field of the event, in which a source's times are instants."""
        if isinstance(value, Moment):
            return instant(value, self.profile.zone)[0]
        if isinstance(value, Mapping):
            return {name: self._value(part) for name, part in value.items()}
        if isinstance(value, tuple):
            return tuple(self._value(part) for part in value)
        return value


def _rivals(found: Iterable[object]) -> set[tuple[str, ...]]:
    """The facts that one message tells twice with one status and not alike; which of them is true nobody knows."""
    first: dict[tuple[object, ...], Fact] = {}
    rivals = set()
    for one in found:
        if isinstance(one, Fact) and one.status != "retracted":
            other = first.setdefault((one.key, one.status), one)
            if (other.fields, other.moment) != (one.fields, one.moment):
                rivals.add(one.key)
    return rivals


def _again(event: Any, id_: str, status: Status) -> Any:
    """The same event, corrected or taken back."""
    return event.model_copy(update={"event_id": id_, "status": status, "replaces": event.event_id})


def _content(event: InputEvent) -> str:
    """A digest of what an event says, whichever telling of it this is."""
    same = {"event_id": "-", "status": "final", "replaces": None}
    bare = event.model_copy(update=same | ({REPORTED: None} if isinstance(event, Measurement) else {}))
    return event_id(encode(bare).decode())
