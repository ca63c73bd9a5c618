"""Messages as files hold them, in whichever protocol their source's profile names."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.facts.fact import Reading, Subject
from connectors.facts.profile import Profile
from connectors.protocols.events import read_event
from connectors.protocols.fhir import reading as fhir
from connectors.protocols.fields import read_fields
from connectors.protocols.hl7 import reading as hl7
from connectors.protocols.hl7.mllp import BEGIN, LONGEST, Frames
from connectors.protocols.openmhealth.reading import read_point


def messages(raw: bytes, profile: Profile) -> Iterator[bytes]:
    """The messages in a file: frames of MLLP where it has them, lines of JSON where it is none as a whole, else itself.

    Raises:
        ValueError: a frame of more than a mebibyte, or without an end.
    """
    if profile.protocol == "hl7" and BEGIN in raw:
        frames = Frames(LONGEST, bare=profile.end_without_return)
        yield from frames.feed(raw.rstrip() + b"\r")
        if frames.half:
            raise ValueError("the last frame of the file has no end (0x1C 0x0D); record it again")
    elif profile.protocol == "hl7" or not _is_lines(raw):
        yield raw
    else:
        yield from (line for line in raw.splitlines() if line.strip())


def _is_lines(raw: bytes) -> bool:
    """Whether each line is an object by itself: the first ends where its line does."""
    lines = [line for line in raw.splitlines() if line.strip()]
    return len(lines) > 1 and all(line.strip()[:1] == b"{" and line.strip()[-1:] == b"}" for line in lines)


def readings(raw: bytes, profile: Profile, subject: Subject | None = None, device: str = "") -> list[Reading]:
    """What a message says.

    Args:
        raw: its bytes.
        profile: of its source.
        subject: whose it is, where the protocol's messages do not say that themselves.
        device: that said it, likewise.

    Raises:
        NotAFact: nothing of it can be read.
    """
    match profile.protocol:
        case "hl7":
            return [hl7.read(hl7.message_of(raw, profile), profile)]
        case "fhir":
            return fhir.read(raw, profile)
        case "openmhealth":
            return [Reading(tuple(read_point(raw, profile, subject, device=device)))]
        case "dosetwin":
            return [Reading((read_event(raw, profile, subject, device),))]
        case "fields":
            return [Reading(tuple(read_fields(raw, profile, subject, device)))]
