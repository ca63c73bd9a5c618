"""What was published on a topic of MQTT: a payload in the protocol of its source, from whom the topic names.

A payload of JSON is one document, an array, or lines (content type ``application/x-ndjson``); each document stands
alone. What a topic's user may not say, and what is of a time that has not come yet, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from connectors.facts.fact import Fact, Found, NotAFact, OwnEvent, Reading, Refusal, Subject
from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from connectors.facts.topics import Origin, Topics
from connectors.protocols.events import check_mode
from connectors.protocols.items import items
from connectors.protocols.recorded import readings
from connectors.protocols.status import read_status
from twin.devices.words import NOBODY
from twin.events.envelope import PatientId

LONGEST = 1_048_576
"""Bytes of a payload."""

MOST_ITEMS = 1_000
"""Documents in a payload."""

AHEAD = timedelta(minutes=5)
"""How far the clock of a sender may be ahead of ours."""

_PATIENT: TypeAdapter[str] = TypeAdapter(PatientId)

_MARK = b"dosetwin publication 1 "

_LINES = "application/x-ndjson"

_WHOLE = ("hl7", "fhir")
"""Protocols whose payloads are one message each."""

_PLANNED = ("regimen_planned", "device_association")
"""Kinds whose time may lie ahead."""


@dataclass(frozen=True, slots=True)
class Published:
    """A publication; ``repeated`` where the broker says that it may have delivered it before."""

    topic: str
    payload: bytes
    received_at: datetime
    content_type: str = ""
    repeated: bool = False

    def record(self) -> bytes:
        """All of it as bytes, as it is kept where something of it is refused; of a payload too long only the head."""
        said = {"topic": self.topic, "received_at": self.received_at.isoformat(), "content_type": self.content_type}
        return _MARK + json.dumps(said).encode() + b"\n" + self.payload[: LONGEST + 1]

    @classmethod
    def of(cls, record: bytes) -> Published | None:
        """Read a record; None where it is none."""
        head, end, payload = record.partition(b"\n")
        if not end or not head.startswith(_MARK):
            return None
        try:
            said = json.loads(head.removeprefix(_MARK))
            return cls(said["topic"], payload, datetime.fromisoformat(said["received_at"]), said["content_type"])
        except (ValueError, KeyError, TypeError):
            return None


def read_published(said: Published, profile: Profile, memory: Memory) -> list[Reading]:
    """What a publication says.

    Args:
        said: as it came.
        profile: of its source, which has topics.
        memory: of the source; holds the lives of its devices.

    Raises:
        NotAFact: nothing of it can be read, or it is not its user's to say anything.
    """
    topics = profile.topics
    origin = topics.origin(said.topic) if topics is not None else None
    if topics is None or origin is None:
        raise NotAFact("unsupported", "a topic of none of the profile's templates")
    if not topics.takes(origin.user):
        raise NotAFact("forbidden", "a user that the profile does not name under mqtt.users")
    if len(said.payload) > LONGEST:
        raise NotAFact("malformed", f"a payload of {len(said.payload)} bytes; at most {LONGEST}")
    if topics.is_status(said.topic):
        return [_status(said, origin, topics, profile, memory)]
    subject = Subject(origin.patient, profile.pseudonyms.authority) if origin.patient else None
    found = []
    for place, raw in _documents(said, profile):
        try:
            of_one = readings(raw, profile, subject, origin.device)
        except NotAFact as error:
            if not place:
                raise
            of_one = [Reading((Refusal("document", error.reason, error.detail),))]
        found += [
            replace(one, found=tuple(_placed(place, _checked(each, origin, topics, said)) for each in one.found))
            for one in of_one
        ]
    if topics.status is not None and origin.device:
        _note_patient(found, origin, profile, memory)
    return found


def _documents(said: Published, profile: Profile) -> Iterator[tuple[str, bytes]]:
    """The documents of a payload, each with its place; without one where it stands alone."""
    if profile.protocol in _WHOLE:
        yield "", said.payload
        return
    lines = said.content_type.split(";")[0].strip().lower() == _LINES
    parts = items(said.payload, lines=lines)
    if not 0 < len(parts) <= MOST_ITEMS:
        raise NotAFact("malformed", f"from 1 to {MOST_ITEMS} documents in a payload")
    for number, part in enumerate(parts):
        yield (f"/{number} " if len(parts) > 1 else ""), part


def _placed(place: str, found: Found) -> Found:
    return replace(found, place=place + found.place)


def _checked(found: Found, origin: Origin, topics: Topics, said: Published) -> Found:
    """What is found, or a refusal where its user may not say it or its time has not come."""
    if isinstance(found, Fact):
        patient = found.subject.id if found.subject is not None else NOBODY
        at = found.moment.at if found.moment is not None and found.moment.resolution == "instant" else None
        kind, device = found.kind, str(found.fields.get("device_id", ""))
    elif isinstance(found, OwnEvent):
        patient, at, kind = found.event.patient_id, found.event.time, found.event.kind
        device = str(getattr(found.event, "device_id", None) or "")
    else:
        return found
    if patient == NOBODY:
        own = bool(origin.device) and (device == origin.device or device.startswith(f"{origin.device}/"))
        if not own and not topics.may(origin.user, "*"):
            return Refusal(found.place, "forbidden", "a device that is not of its topic; the user may not speak for it")
    elif not topics.may(origin.user, patient):
        return Refusal(found.place, "forbidden", "a patient of whom the profile (mqtt.users) lets its user say nothing")
    early = at is not None and at.tzinfo is not None and at > said.received_at + AHEAD
    if early and patient != NOBODY and kind not in _PLANNED:
        return Refusal(found.place, "contradictory", "a time ahead of ours; look at the device's clock")
    return found


def _status(said: Published, origin: Origin, topics: Topics, profile: Profile, memory: Memory) -> Reading:
    patient = ""
    if origin.patient:
        if not topics.may(origin.user, origin.patient):
            raise NotAFact("forbidden", "a patient of whom the profile (mqtt.users) lets its user say nothing")
        patient = _patient(Subject(origin.patient, profile.pseudonyms.authority), profile)
    patient = patient or memory.noted(("speaks of", origin.device))
    found = read_status(
        said.payload, origin.device, patient, profile, memory, repeated=said.repeated, at=said.received_at
    )
    return Reading((found,))


def _patient(subject: Subject, profile: Profile) -> str:
    """The patient's id here; our own events have no other.

    Raises:
        NotAFact: it is none, or of a patient whom the source may not speak of.
    """
    if profile.protocol != "dosetwin":
        return profile.pseudonyms.pseudonym(subject)
    check_mode(subject.id, profile)
    try:
        return _PATIENT.validate_python(subject.id)
    except ValidationError:
        raise NotAFact("no_patient", "the topic's patient is no id that patients have here") from None


def _note_patient(found: Sequence[Reading], origin: Origin, profile: Profile, memory: Memory) -> None:
    """Note of whom a device spoke last: its silence is theirs."""
    for one in (each for reading in found for each in reading.found):
        patient = ""
        if isinstance(one, OwnEvent):
            patient = one.event.patient_id
        elif isinstance(one, Fact) and one.subject is not None:
            try:
                patient = profile.pseudonyms.pseudonym(one.subject)
            except NotAFact:
                continue
        if patient and patient != NOBODY and patient != memory.noted(("speaks of", origin.device)):
            memory.note(("speaks of", origin.device), patient)


def readings_again(record: bytes, profile: Profile, memory: Memory) -> list[Reading]:
    """What a message that was kept says. A source with topics has publications alone: nobody else says their topics.

    Raises:
        NotAFact: nothing of it can be read.
    """
    if profile.topics is None:
        return readings(record, profile)
    if (said := Published.of(record)) is None:
        raise NotAFact("malformed", "no publication, though its source has topics")
    return read_published(said, profile, memory)
