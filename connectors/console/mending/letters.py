"""Dead letters on the page: the newest, with their bytes, and sending one again as it came or mended.

::

    GET  /api/mending/letters
    POST /api/mending/letters/PLACE/resend        {}, or {"original": "{...the event, mended...}"}

What is mended must be an event that its topic takes, of a patient whom the engineer sees. It goes the same way as by
``dosetwin rejected resend``: an event that was told already changes nothing, and what still cannot be used becomes
another letter.
"""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import replace

import msgspec

from connectors.access.roles import Who
from connectors.kafka.dead_letters import Letter, Wanted, cannot_be_sent, letters
from connectors.kafka.topics import ALERTS, DEVICES, topic_of
from connectors.settings import Settings
from twin.devices.words import read_word
from twin.events import BadEvent, Rejected, decode

MOST_SHOWN = 200
"""Letters that are shown, the newest by their arrival."""

MOST_TEXT = 20_000
"""Characters of an original that are shown, and that a mended one may have."""


class CannotMend(ValueError):
    """A letter cannot be sent again, or not so; the message says why."""


class UnknownLetter(KeyError):
    """There is no such letter for whoever asks."""


class ShownLetter(msgspec.Struct, frozen=True):
    """A dead letter. ``original`` is its event as text, cut where ``whole`` is false; ``stays`` why it cannot be sent
    again, empty where it can."""

    place: str
    arrived: int
    reason: str
    detail: str
    patient_id: str | None
    event_id: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    original: str | None
    whole: bool
    stays: str


def shown_letters(settings: Settings, who: Who) -> tuple[ShownLetter, ...]:
    """The newest letters that somebody sees, the newest first.

    Raises:
        KafkaUnreachable: no broker answers.
        KeysUnusable: the store of keys that the environment names cannot be used.
    """
    seen = deque((one for one in letters(settings, Wanted()) if _seen(one, who)), maxlen=10 * MOST_SHOWN)
    newest = sorted(seen, key=lambda one: (one.arrived_ms, one.place), reverse=True)[:MOST_SHOWN]
    return tuple(_shown(one, settings.topic_prefix) for one in newest)


def letter_to_send(settings: Settings, who: Who, place: str, mended: str | None) -> Letter:
    """The letter at a place as it may be sent again, with what is ``mended`` instead of what came.

    Raises:
        UnknownLetter: there is none, or not for them.
        CannotMend: it cannot be sent, or what is mended is no event of its topic.
        KafkaUnreachable: no broker answers.
        KeysUnusable: the store of keys that the environment names cannot be used.
    """
    letter = next((one for one in letters(settings, Wanted()) if one.place == place and _seen(one, who)), None)
    if letter is None:
        raise UnknownLetter(place)
    if mended is not None:
        letter = _mended(letter, mended, settings.topic_prefix, who)
    topic = (letter.rejected.topic or "").removeprefix(settings.topic_prefix)
    why = cannot_be_sent(letter, settings.topic_prefix)
    if topic == ALERTS:
        why = "what a subscriber was not given goes to it again by 'dosetwin rejected resend'"
    if why:
        raise CannotMend(why)
    return letter


def _seen(letter: Letter, who: Who) -> bool:
    patient = letter.rejected.patient_id
    return patient is None or who.sees(patient)


def _shown(letter: Letter, prefix: str) -> ShownLetter:
    one = letter.rejected
    text = None
    if one.original_base64 is not None and not one.original_encrypted:
        text = base64.b64decode(one.original_base64).decode(errors="replace")
    return ShownLetter(
        letter.place,
        letter.arrived_ms,
        one.reason,
        one.detail,
        one.patient_id,
        one.event_id,
        one.topic,
        one.partition,
        one.offset,
        None if text is None else text[:MOST_TEXT],
        text is not None and len(text) <= MOST_TEXT,
        cannot_be_sent(letter, prefix),
    )


def _mended(letter: Letter, text: str, prefix: str, who: Who) -> Letter:
    """The letter with a mended event in place of its own."""
    topic, raw = (letter.rejected.topic or "").removeprefix(prefix), text.encode()
    if len(text) > MOST_TEXT:
        raise CannotMend(f"field 'original': {len(text)} characters; at most {MOST_TEXT} can be mended here")
    try:
        patient = None if topic == DEVICES else _patient_of(raw, topic)
        if topic == DEVICES:
            read_word(raw)
    except BadEvent as error:
        raise CannotMend(f"field 'original': {error}") from None
    if patient is not None and not who.sees(patient):
        raise CannotMend(f"field 'original': patient {patient!r} is none of yours")
    mended = base64.b64encode(raw).decode()
    changes = {"original_base64": mended, "original_encrypted": False, "patient_id": patient}
    return replace(letter, rejected=Rejected(**(dict(letter.rejected) | changes)))


def _patient_of(raw: bytes, topic: str) -> str:
    """Whose event it is. Raises `BadEvent` where it is none, and `CannotMend` where it comes on another topic."""
    event = decode(raw)
    if topic_of(event) != topic:
        raise CannotMend(f"field 'original': a {event.kind} comes on {topic_of(event)}, and not on {topic}")
    return event.patient_id
