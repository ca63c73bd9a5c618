"""Dead letters read back from their topic, and sent again when what they lacked is mended.

A letter holds the bytes of the record as they came, encrypted where there are keys. What was wrong is often not in
them: a model was missing, the enrolment or a device's binding came later, a twin was sealed, the sender used another
key or partitioner. Then the same bytes go once more to their own topic, under the key of the patient, or of the device
where a device said them. An event that was told already changes nothing, and what still cannot be used becomes another
letter. An alert that a subscriber was not given goes again to that one alone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from connectors.kafka.clients import confirm, kept_records, open_producer
from connectors.kafka.records import ONLY_FOR, Record, event_of, refused_by
from connectors.kafka.topics import ALERTS, DEVICES, INPUT_BYTES, INPUTS, REJECTED
from connectors.privacy.letters import NO_KEYS, opened_letter
from connectors.privacy.patient_keys import PatientKeys, patient_keys
from connectors.settings import Settings
from twin.devices.words import device_of, read_word
from twin.events import BadEvent, Rejected, to_millis


@dataclass(frozen=True)
class Letter:
    """A dead letter, when the broker took it (ms since the epoch), and its ``place`` among the letters."""

    arrived_ms: int
    rejected: Rejected
    place: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which letters are meant: those of which every part that is given is true.

    Attributes:
        topic: that the record came on, without prefix.
        since: letters that arrived then or later; with an offset from UTC.
    """

    reason: str | None = None
    patient_id: str | None = None
    topic: str | None = None
    since: datetime | None = None

    def __post_init__(self) -> None:
        if self.since is not None and self.since.tzinfo is None:
            raise ValueError(f"since {self.since.isoformat()}: a time needs an offset from UTC, as 2026-01-05T08:00Z")

    def holds(self, letter: Letter, prefix: str) -> bool:
        """Whether the letter is one of them."""
        one = letter.rejected
        return (
            self.reason in (None, one.reason)
            and self.patient_id in (None, one.patient_id)
            and self.topic in (None, (one.topic or "").removeprefix(prefix))
            and (self.since is None or letter.arrived_ms >= to_millis(self.since))
        )


def letters(settings: Settings, wanted: Wanted) -> Iterator[Letter]:
    """The letters that are there now, partition by partition in the order of their arrival.

    Raises:
        KafkaUnreachable: no broker answers.
        KeysUnusable: the store of keys that the environment names cannot be used.
    """
    from kafka import TopicPartition

    keys = patient_keys()
    places = [TopicPartition(settings.topic_prefix + REJECTED, number) for number in range(settings.partitions)]
    for consumed in kept_records(settings.kafka, places):
        letter = _letter(Record.of(consumed, settings.topic_prefix), keys)
        if letter is not None and wanted.holds(letter, settings.topic_prefix):
            yield letter


def _letter(record: Record, keys: PatientKeys | None) -> Letter | None:
    try:
        event = event_of(record)
    except ValueError:  # somebody else wrote there what is no letter
        return None
    place = f"{record.partition}-{record.offset}"
    return Letter(record.arrived_ms, opened_letter(event, keys), place) if isinstance(event, Rejected) else None


def cannot_be_sent(letter: Letter, prefix: str) -> str:
    """Why a letter's record cannot be sent again; empty if it can."""
    one = letter.rejected
    topic = (one.topic or "").removeprefix(prefix)
    if topic not in (*INPUTS, DEVICES) and not (topic == ALERTS and refused_by(one)):
        return f"it stands on {one.topic or 'no topic'}, which is no input"
    if one.original_base64 is None:
        return "it holds no bytes: they stand at its offset"
    if one.original_encrypted:
        return f"no key here opens its bytes, or its patient was erased; {NO_KEYS}"
    if _key_of(one, prefix):
        return ""
    return f"nobody can say which {'device' if topic == DEVICES else 'patient'} it is of"


def _key_of(letter: Rejected, prefix: str) -> str | None:
    """Of the record: the patient, or on the topic of devices the device; None where nobody can say."""
    if letter.topic != prefix + DEVICES:
        return letter.patient_id
    try:
        return device_of(read_word(base64.b64decode(letter.original_base64 or "")))
    except BadEvent:
        return None


def send_again(settings: Settings, chosen: Iterable[Letter]) -> int:
    """Send the records of letters again, each once however many letters it has; returns how many when all are durable.

    Letters that `cannot_be_sent` are passed over.

    Raises:
        KafkaUnreachable: no broker answers.
        kafka.errors.KafkaError: the broker does not take a record.
    """
    once: dict[tuple[str, str, str, str], None] = {}
    for letter in chosen:
        if not cannot_be_sent(letter, settings.topic_prefix):
            one = letter.rejected
            only = refused_by(one) if one.topic == settings.topic_prefix + ALERTS else ""
            once[str(one.topic), str(_key_of(one, settings.topic_prefix)), str(one.original_base64), only] = None
    producer = open_producer(settings.kafka, acks="all", max_request_size=INPUT_BYTES)
    try:
        sent = []
        for topic, key, original, only in once:
            headers = [(ONLY_FOR, only.encode())] if only else []
            sent.append(producer.send(topic, key=key.encode(), value=base64.b64decode(original), headers=headers))
        confirm(sent)
    finally:
        producer.close()
    return len(once)
