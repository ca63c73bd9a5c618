"""Our own events as a source sends them, in the vocabulary of `twin.events`: they are told as they are.

What topic and profile say already may be left out: ``source``, the patient, the device. A fact of a device that knows
no patient waits for the binding that says whose it was.
"""

from __future__ import annotations

import json
from typing import Any

from connectors.facts.fact import Found, NotAFact, OwnEvent, Refusal, Subject
from connectors.facts.profile import Profile
from connectors.facts.telling import OF_DEVICES
from connectors.protocols.items import decoded
from twin.devices.words import NOBODY
from twin.events import BadEvent, InputEvent, decode
from twin.events.repeated_keys import repeated_key

_REASONS = {"unknown_kind": "unsupported"}
"""Of the reasons of `BadEvent`; the others are ``malformed``."""

OF_PEOPLE = frozenset({"enrolment", "release", "alert_action", "advice_requested", "clock", "model_move"})
"""Kinds that no device or laboratory says: decisions of a person or a worker, and the time for everybody."""


def read_event(
    raw: bytes, profile: Profile, subject: Subject | None = None, device: str = "", place: str = "event"
) -> Found:
    """The event that a document is.

    Args:
        raw: its JSON.
        profile: of its source.
        subject: whose it is, where whoever brings it knows; by the id that patients have here.
        device: that said it, likewise.
        place: where it stands.
    """
    try:
        event = _event(raw, profile, subject, device)
        _check(event, profile, subject, device)
    except NotAFact as error:
        return Refusal(place, error.reason, error.detail)
    return OwnEvent(event, place)


def _event(raw: bytes, profile: Profile, subject: Subject | None, device: str) -> InputEvent:
    said = decoded(raw)
    if not isinstance(said, dict):
        raise NotAFact("malformed", "an event is one JSON object")
    if said.get("patient_id") == NOBODY:
        raise NotAFact("no_patient", "field 'patient_id': leave it out of what a device says of nobody")
    given = {"source": profile.source} | _known(said, subject, device)
    missing = {name: value for name, value in given.items() if name not in said}
    try:
        if missing and (twice := repeated_key(raw)) is not None:
            raise NotAFact("malformed", f"field '{twice}': the key comes twice in one object; send it once")
        return decode(json.dumps(said | missing).encode() if missing else raw)
    except BadEvent as error:
        reason = _REASONS.get(error.reason, "malformed")
        detail = "field 'kind': none that is read" if reason == "unsupported" else error.detail.split(" (got ")[0]
        raise NotAFact(reason, detail[:300]) from None
    except (ValueError, RecursionError) as error:
        raise NotAFact("malformed", f"no event can be made of it: {type(error).__name__}") from None


def _known(said: dict[str, Any], subject: Subject | None, device: str) -> dict[str, str]:
    """What stands in the topic, or nowhere, in fields of the event."""
    kind = said.get("kind")
    of_device = isinstance(kind, str) and kind in OF_DEVICES
    known = {"patient_id": subject.id if subject is not None else NOBODY if of_device else ""}
    if device and (of_device or kind == "device_alert"):
        known["device_id"] = device
    if not known["patient_id"] and "patient_id" not in said:
        raise NotAFact("no_patient", "field 'patient_id' is missing, and no level of the topic names the patient")
    return known


def check_mode(patient: str, profile: Profile) -> None:
    """Whether a patient is one of tests where the source is, and only there.

    Raises:
        NotAFact: ``test_message`` where not.
    """
    if patient.startswith("test-") != profile.test:
        mode = "'test' are called test-..." if profile.test else "'real' are not called test-..."
        raise NotAFact("test_message", f"field 'patient_id': patients of a source with mode = {mode}")


def _check(event: InputEvent, profile: Profile, subject: Subject | None, device: str) -> None:
    """Whether it is its source's to tell, and of whom topic and mode say."""
    kind, patient = event.kind, event.patient_id
    if kind in OF_PEOPLE:
        raise NotAFact("forbidden", f"field 'kind' {kind!r}: no source says that; publish it with 'dosetwin feed'")
    if event.source != profile.source and not event.source.startswith(f"{profile.source}/"):
        raise NotAFact("forbidden", f"field 'source': this source is {profile.source!r}; leave it out, or send that")
    if subject is not None and patient != subject.id:
        raise NotAFact("forbidden", "field 'patient_id': its topic is another patient's")
    if patient != NOBODY:
        check_mode(patient, profile)
    said = getattr(event, "device_id", None)
    short = patient != NOBODY and device.endswith(f"/{said}")
    if device and said and said != device and not said.startswith(f"{device}/") and not short:
        raise NotAFact("contradictory", "field 'device_id': its topic is another device's; leave it out, or send that")
