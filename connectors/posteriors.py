"""Messages of twins as bytes, and as events that their patients' keys encrypt.

The bytes are an ``.npz`` of NumPy without pickled objects; of equal messages they are the same, and so are the events.
"""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from connectors.kafka.clients import kept_records
from connectors.kafka.records import decode_record
from connectors.kafka.topics import POSTERIORS
from connectors.privacy.cipher import NotOpened
from connectors.privacy.patient_keys import PatientKeys
from connectors.settings import Settings
from twin.events import Posterior, event_id
from twin.events.outputs.posterior import MOST_SEALED
from twin.learning.messages.message import BadMessage, Message, arrays_of, from_arrays, thinned

ROOM = 0.98
"""How much of a record particles may fill."""


def packed(message: Message) -> bytes:
    """A message as bytes."""
    file = io.BytesIO()
    np.savez(file, **arrays_of(message))
    return file.getvalue()


def unpacked(raw: bytes) -> Message:
    """Inverse of `packed`; other arrays may stand beside the message's.

    Raises:
        BadMessage: it is none, or damaged.
    """
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile):
        raise BadMessage(
            "is no message of a twin, or a damaged one; 'dosetwin replay' makes them of records, in posterior/"
        ) from None
    return from_arrays(found)


def sealed(message: Message, time: datetime, keys: PatientKeys) -> Posterior:
    """A message as an event of the value at ``time``, with no more particles than a record holds.

    Raises:
        KeyDestroyed: the patient was erased.
        KeysUnusable: the store cannot be used.
    """
    text = _text(message, keys)
    while len(text) > MOST_SEALED and len(message.eta) > 1:
        # What stands beside the particles is small, so that this is met once, or twice.
        message = thinned(message, max(1, int(len(message.eta) * MOST_SEALED / len(text) * ROOM)))
        text = _text(message, keys)
    return Posterior(
        event_id=event_id("posterior", message.patient_id, message.model_hash, time.isoformat(), message.observations),
        patient_id=message.patient_id,
        time=time,
        source="twin",
        model=message.model,
        model_hash=message.model_hash,
        observations=message.observations,
        particles=len(message.eta),
        sealed_base64=text,
    )


def _text(message: Message, keys: PatientKeys) -> str:
    hidden = keys.cipher_for(message.patient_id).encrypted(_purpose(message.patient_id), packed(message))
    return base64.b64encode(hidden).decode()


def opened(event: Posterior, keys: PatientKeys) -> Message:
    """The message in an event.

    Raises:
        BadMessage: the patient's key does not open it, or what it opens is none.
        KeyDestroyed: the patient was erased.
        KeysUnusable: the store has not this key, or cannot be used.
    """
    try:
        raw = base64.b64decode(event.sealed_base64, validate=True)
        found = unpacked(keys.cipher(event.patient_id).opened(_purpose(event.patient_id), raw))
    except (binascii.Error, NotOpened) as error:
        raise BadMessage(f"patient {event.patient_id}: the message does not open: {error}") from None
    if found.patient_id != event.patient_id:
        raise BadMessage(f"patient {event.patient_id}: the message is of another patient")
    return found


def newest(settings: Settings) -> Iterator[Posterior]:
    """The newest message of every patient that the topic holds, by patient.

    Raises:
        KafkaUnreachable: no broker answers.
        ValidationError: a record that is none.
    """
    from kafka import TopicPartition

    places = [TopicPartition(settings.topic_prefix + POSTERIORS, number) for number in range(settings.partitions)]
    found: dict[str, Posterior] = {}
    for record in kept_records(settings.kafka, places):
        if record.value:
            event = decode_record(POSTERIORS, record.value)
            assert isinstance(event, Posterior)
            found[event.patient_id] = event
    yield from (found[patient] for patient in sorted(found))


def _purpose(patient: str) -> bytes:
    return b"posterior " + patient.encode()
