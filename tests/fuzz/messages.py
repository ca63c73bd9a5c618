"""``python -m tests.fuzz.messages [COUNT] [SEED]``: mutated messages, told as a feed tells them.

Whatever the bytes are, reading them ends soon, either with facts, each told or refused with its reason and its place,
or with the one error that says why nothing can be read; no event lacks its patient or its time, and no name or
number of a patient is in what is said of what is refused. Ends with what was wrong and exit code 1, if anything was.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

from connectors.facts.fact import REASONS, NotAFact, Refusal, Subject
from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from connectors.facts.telling import Teller, Telling
from connectors.facts.topics import MqttPart, Topics
from connectors.listeners.fhir.entries import version_of
from connectors.listeners.fhir.references import KEPT, entry, is_bare
from connectors.protocols.fhir.reading import FACTS
from connectors.protocols.fhir_servers.server import entries_of
from connectors.protocols.hl7 import reading as hl7
from connectors.protocols.hl7.acknowledgement import answer
from connectors.protocols.published import Published, readings_again
from connectors.protocols.recorded import readings
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from twin.events import decode, encode

LONGEST = 5.0
"""Seconds of processor that any message may take."""

PROTOCOLS = (*spoken.SOUND, "mqtt")
"""What is mutated: messages of each protocol, and publications with their topics."""

STATUSES = (b"online", b"offline", b'{"online": true, "bdSeq": 7}', b'{"state": "offline", "timestamp": 7}')

_MARKS = (
    *(mark.encode() for mark in '|^~&"{[]}:,-+.e90'), b"\\", b"\r", b"\n", b"\x0b", b"\x1c", b"\x00", b"\xff", b"\xe4",
    b"\x1f", rb"MSH|^~\&|", b"OBX|", b'""', b"\\X0D\\",
)  # fmt: skip

_NUMBERS = (b"9" * 40, b"-1e309", b"20269999999999", b"", b"\r")

_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, 10**400, "", " ", "x", "\x1f", [], {}, [None], [[]], {"x": []}, "9" * 400, "2026", "NaN",
    "2026-03-02T25:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "#", "urn:", "\u0660", 1e-320,
)  # fmt: skip


def mutated(raw: bytes, random: Random) -> bytes:
    """A message that somebody broke in a few places."""
    if raw[:1] == b"{" and b"\n" not in raw and random.random() < 0.6:
        said = json.loads(raw)
        for _ in range(random.randint(1, 3)):
            _set_somewhere(said, random)
        return json.dumps(said).encode()
    text = bytearray(raw)
    for _ in range(random.randint(1, 4)):
        at, end = sorted(random.randrange(len(text) + 1) for _ in range(2))
        match random.randrange(7):
            case 0 if text:
                text[at % len(text)] = random.randrange(256)
            case 1:
                del text[at : min(end, at + 40)]
            case 2:
                text[at:at] = random.choice(_MARKS)
            case 3:
                text[at:at] = text[at:end] * random.randint(1, 3)
            case 4:
                del text[at:]
            case 5:
                text[at : at + random.randint(0, 9)] = random.choice(
                    (b"9" * 40, b"-1e309", b"20269999999999", b"", b"\r")
                )
            case _:
                parts = bytes(text).split(random.choice((b"\r", b"|", b",")))
                random.shuffle(parts)
                text = bytearray(random.choice((b"\r", b"|", b",")).join(parts))
    return bytes(text)


def _set_somewhere(said: Any, random: Random) -> None:
    """Put something that does not belong there into a document."""
    while True:
        keys = list(said) if isinstance(said, dict) else list(range(len(said)))
        if not keys:
            return
        key = random.choice(keys)
        if isinstance(said[key], dict | list) and said[key] and random.random() < 0.8:
            said = said[key]
            continue
        if random.random() < 0.2:
            del said[key]
        else:
            said[key] = deepcopy(random.choice(_VALUES))
        return


def publication(random: Random) -> bytes:
    """A publication that somebody broke: its topic, its payload, or both."""
    own = spoken.SOUND["dosetwin"]
    payload = random.choice((*own, b"[" + b", ".join(own) + b"]", b"\n".join(own), *STATUSES))
    topic = "ingest/phone/wrist" + ("/status" if payload in STATUSES else "")
    if random.random() < 0.2:
        topic = mutated(topic.encode(), random).decode("utf-8", "replace")
    content_type = random.choice(("", "application/json", "application/x-ndjson; charset=utf-8"))
    said = Published(topic, mutated(payload, random), datetime(2026, 3, 2, 9, tzinfo=UTC), content_type)
    return said.record()


def profile_of(protocol: str) -> Profile:
    """The source whose messages are mutated."""
    if protocol == "mqtt":
        part = MqttPart(
            topic="ingest/{user}/{device}", status="ingest/{user}/{device}/status", users={"phone": ["P-1"]}
        )
        return sources.profile("dosetwin", topics=Topics.of(part))
    if protocol == "fhir":
        return sources.profile(protocol, servers=("https://ehr.example/fhir",), devices=("urn:eui",))
    return sources.profile(protocol)


def examine(raw: bytes, profile: Profile) -> str:
    """Tell one message and say what became of it: ``told``, ``refused``, ``passed`` or ``unreadable``.

    Raises:
        AssertionError: it took too long, or what was said of it is not what it may be.
    """
    begun = time.process_time()
    memory = Memory()
    try:
        return _examined(raw, profile, memory)
    finally:
        memory.close()
        took = time.process_time() - begun
        assert took < LONGEST, f"took {took:.1f} s of processor"


def _examined(raw: bytes, profile: Profile, memory: Memory) -> str:
    subject = Subject("someone", "login") if profile.protocol == "openmhealth" else None
    try:
        if profile.protocol == "hl7":
            answer(hl7.message_of(raw, profile), "safe", control_id="A", now=datetime(2026, 3, 2, tzinfo=UTC))
        if profile.protocol == "fhir":
            _taken_apart(raw)
        found = readings_again(raw, profile, memory) if profile.topics else readings(raw, profile, subject, "phone/w")
    except NotAFact as error:
        _said_well(error.reason, error.detail)
        return "unreadable"
    teller = Teller(profile, memory)
    outcomes = [outcome for reading in found for outcome in teller.tell(reading)]
    for outcome in outcomes:
        assert outcome.place
        if isinstance(outcome, Refusal):
            _said_well(outcome.reason, outcome.detail)
        elif isinstance(outcome, Telling):
            for event in outcome.events:
                assert decode(encode(event)) == event
                assert getattr(event, "patient_id", "")
                assert event.time.tzinfo is not None
    kinds = {type(outcome).__name__ for outcome in outcomes}
    return "told" if "Telling" in kinds else "refused" if "Refusal" in kinds else "passed"


def _taken_apart(raw: bytes) -> None:
    """A page of a FHIR server becomes a message for each version on it, whatever stands there."""
    try:
        entries = entries_of(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # no page
    for one in entries:
        for kind in (*FACTS, *KEPT):
            version = version_of(one, kind, after=datetime(2026, 3, 2, tzinfo=UTC))
            if version is not None:
                is_bare(version.body)
                assert version.message([entry(version.body)] if version.body and kind in KEPT else [])


def _said_well(reason: str, detail: str) -> None:
    assert reason in REASONS
    assert detail
    assert spoken.NAME not in detail, detail
    assert spoken.NUMBER not in detail, detail
    assert len(detail) < 600, detail


def run(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Examine ``count`` messages of each protocol; what became of them, and what was wrong with which."""
    became: Counter[str] = Counter()
    wrong: list[str] = []
    for protocol in PROTOCOLS:
        random, profile = Random(f"{seed} {protocol}"), profile_of(protocol)
        for _ in range(count):
            mqtt = protocol == "mqtt"
            raw = publication(random) if mqtt else mutated(random.choice(spoken.SOUND[protocol]), random)
            try:
                became[f"{protocol} {examine(raw, profile)}"] += 1
            except Exception:
                wrong.append(f"{protocol} {raw!r}\n{traceback.format_exc()}")
    return became, wrong


def main() -> int:
    """The command."""
    numbers = [int(given) for given in sys.argv[1:3]]
    count, seed = (*numbers, *(10_000, 1)[len(numbers) :])
    became, wrong = run(count, seed)
    for what, number in sorted(became.items()):
        print(f"{what}: {number}")
    for one in wrong[:20]:
        print(one)
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
