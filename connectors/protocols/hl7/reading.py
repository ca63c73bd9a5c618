"""What a message of HL7 v2 says, whichever it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from connectors.facts.fact import Fact, Found, NotAFact, Reading, Refusal
from connectors.facts.profile import Profile
from connectors.protocols.hl7.charset import decode_text
from connectors.protocols.hl7.devices.alarms import read_alarm
from connectors.protocols.hl7.devices.monitors import read_readings, read_weight
from connectors.protocols.hl7.devices.orders import read_order
from connectors.protocols.hl7.devices.pumps import read_infusion_event, read_periodic
from connectors.protocols.hl7.laboratory import read_laboratory
from connectors.protocols.hl7.message import Message, parse
from connectors.protocols.hl7.stamps import moment
from connectors.protocols.hl7.values import codings

AHEAD = timedelta(minutes=5)
"""How far the clock of a device may be ahead of the one that sends its message."""

_TYPE = re.compile(r"[A-Z]{3}(\^[A-Z]\d\d)?$")

_OF_DEVICES = ("IHE_PCD_001", "PCD_DEC_001", "IHE_PCD_DEC_001")
_DEVICE_PROFILE = "1.3.6.1.4.1.19376.1.6"
"""Root of the object identifiers of IHE PCD's profiles (MSH-21)."""


def message_of(frame: bytes, profile: Profile) -> Message:
    """The message in a frame.

    Raises:
        NotAFact: ``charset``, ``malformed`` or ``unsupported``: the frame as a whole cannot be read.
    """
    return parse(decode_text(frame, profile.charset))


def read(message: Message, profile: Profile) -> Reading:
    """All that a message says.

    Raises:
        NotAFact: ``unsupported`` of a kind of message that is not read, ``malformed``.
    """
    reader = _reader(message)
    sent = _sent(message)
    found = tuple(_not_of_the_future(one, sent) for one in reader(message, profile))
    return Reading(found, message.header(11, 1) in ("T", "D"))


def _not_of_the_future(found: Found, sent: datetime | None) -> Found:
    """What was observed after its message was sent has a wrong clock; a plan may be of later."""
    if not isinstance(found, Fact) or found.moment is None or found.kind == "regimen_planned":
        return found
    if sent is None or (sent.tzinfo is None) != (found.moment.at.tzinfo is None):
        return found
    if found.moment.resolution == "instant" and found.moment.at > sent + AHEAD:
        detail = "observed more than five minutes after the message was sent (MSH-7); set the clock of one of them"
        return Refusal(found.place, "contradictory", detail)
    return found


def _sent(message: Message) -> datetime | None:
    try:
        sent = moment(message.header(7))
    except NotAFact:
        return None
    return sent.at if sent is not None and sent.resolution == "instant" else None


def _reader(message: Message) -> Callable[[Message, Profile], Iterator[Found]]:
    kind, event = message.header(9, 1), message.header(9, 2)
    if kind in ("ACK", "RRG"):
        return lambda _message, _profile: iter(())
    if kind == "RGV" or (kind, event) == ("RGV", "O15"):
        return read_order
    if kind != "ORU":
        said = message.type if _TYPE.match(message.type) else "of no type"
        raise NotAFact("unsupported", f"message {said}: read are ORU^R01, ORU^R40, ORU^R42 and RGV^O15")
    if event == "R42":
        return _read_event
    if event == "R40":
        return read_alarm
    return _read_device if _of_device(message) else read_laboratory


def _read_event(message: Message, profile: Profile) -> Iterator[Found]:
    yield from read_infusion_event(message, profile)
    yield from read_weight(message, profile)


def _read_device(message: Message, profile: Profile) -> Iterator[Found]:
    yield from read_periodic(message, profile)
    yield from read_readings(message, profile)


def _of_device(message: Message) -> bool:
    """Whether a device says it: its profile does, or its observations are of places in a device."""
    profiles = [part for parts in message.header.repetitions(21) for part in parts]
    if any(part.strip() in _OF_DEVICES or part.strip().startswith(_DEVICE_PROFILE) for part in profiles):
        return True
    return any(c.name.startswith("MDC_DEV") for result in message.of("OBX") for c in codings(result, 3))
