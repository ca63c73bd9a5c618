"""Recorded messages of HL7 v2, FHIR or Open mHealth, read by their source's profile.

A file is one message, frames of MLLP, or a JSON object a line. Messages are taken in the order in which they stand,
as a live source sends them: a later one corrects or retracts what an earlier one told. Nothing is remembered between
two runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from connectors.facts.fact import NotAFact, Passed, Refusal, Subject
from connectors.facts.memory import Memory
from connectors.facts.profile import PatientSettings, Profile, read_profile
from connectors.facts.telling import Outcome, Teller
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Note, Said, Stream, TimedEvent
from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.pseudonyms import PseudonymStore, pseudonym_store
from connectors.protocols.recorded import messages, readings
from connectors.settings import SettingsError, load_settings
from twin.devices.words import NOBODY
from twin.events import to_millis

_OF_DEVICE = "a device's word; 'dosetwin listen' gives it to 'dosetwin devices run', which knows whose the device was"


def open_feed(
    profile: Annotated[Path, "the source's profile, a TOML file"],
    files: Annotated[list[Path], "recorded messages"],
    *,
    patient: Annotated[str, "whose data points these are, where messages do not say that themselves"] = "",
    device: Annotated[str, "that said it, likewise"] = "",
) -> Stream:
    """The events that follow from the messages, and what stands in them that cannot be used."""
    known = read_profile(profile, key_of_patients())
    return Stream(_said(known, files, Subject(patient, known.pseudonyms.authority) if patient else None, device))


def key_of_patients() -> bytes | PseudonymStore:
    """What makes pseudonyms: the store that the environment names, or else the secret that stands there.

    Raises:
        SettingsError: the store cannot be used.
    """
    try:
        return pseudonym_store() or secret_of_patients()
    except KeysUnusable as error:
        raise SettingsError(str(error)) from None


def secret_of_patients() -> bytes:
    """The secret of pseudonyms that stands in the environment; empty where none does."""
    return load_settings(PatientSettings).key.get_secret_value().encode()


def _said(profile: Profile, files: list[Path], subject: Subject | None, device: str) -> Iterator[Said]:
    passed: Counter[str] = Counter()
    for file, number, outcome in outcomes(profile, files, subject, device):
        match outcome:
            case Refusal():
                yield BadLine(number, f"{outcome.place}: {outcome.reason}: {outcome.detail}", file)
            case Passed():
                passed[outcome.what] += 1
            case _:
                for event in outcome.events:
                    if event.patient_id == NOBODY:
                        yield BadLine(number, f"{outcome.place}: no_patient: {_OF_DEVICE}", file)
                    else:
                        yield TimedEvent(to_millis(event.time), event)
    for what, count in sorted(passed.items()):
        yield Note(f"{count} passed over: {what}")


def outcomes(
    profile: Profile, files: list[Path], subject: Subject | None = None, device: str = ""
) -> Iterator[tuple[Path, int, Outcome]]:
    """What becomes of each fact: its file, the number of its message there, and the outcome."""
    teller = Teller(profile, Memory())
    for file in files:
        for number, raw in enumerate(messages(file.read_bytes(), profile), start=1):
            try:
                found = readings(raw, profile, subject, device)
            except NotAFact as error:
                yield file, number, Refusal("message", error.reason, error.detail)
                continue
            for reading in found:
                for outcome in teller.tell(reading):
                    yield file, number, outcome
