"""State rows: everything a worker must remember about one patient, as one self-checking byte string.

A row is what a restarted worker starts from. It holds the twin's own bytes and what the stream around it must know:
which offsets the twin already contains (so that a replay does not count twice), events that came before the patient
was enrolled, and alerts that are decided but perhaps not yet published.

Layout: ``b"DTR"``, schema version (1 byte), flags (1 byte), CRC-32 (4 bytes, big-endian, over version, flags and
body), body (MessagePack of `StateRow`). The flags say without decoding whether alerts wait to be published.
"""

from __future__ import annotations

import struct
import zlib

import msgspec

VERSION = 2
"""Schema version; a row of another version is refused, never guessed at."""

_MAGIC = b"DTR"
_HEAD = struct.Struct(">3sBBI")
_ALERTS_WAIT = 0b1


class UnreadableRow(ValueError):
    """Bytes that are no state row of this version; the message says what is wrong."""


class Held(msgspec.Struct, frozen=True, array_like=True):
    """One event that waits for its patient's enrolment: its bytes, where it stood in Kafka, its record time (ms)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    raw: bytes


class StateRow(msgspec.Struct, frozen=True, array_like=True):
    """One patient's state at a barrier.

    ``applied`` lists (topic, partition, last offset contained in ``twin``), sorted; ``latest`` is the newest event time
    in it (ms). ``model_id`` and ``twin`` are empty while the patient is not enrolled. ``outbox`` holds encoded alerts
    that the twin has decided and that may not yet be on their topic; ``withheld``: the twin has one that waits for the
    input topics to be level.
    """

    patient_id: str
    model_id: str
    model_hash: str
    applied: tuple[tuple[str, int, int], ...]
    latest: int
    twin: bytes
    held: tuple[Held, ...]
    outbox: tuple[bytes, ...]
    withheld: bool


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StateRow)


def encode_row(row: StateRow) -> bytes:
    """The row as bytes; equal rows give equal bytes."""
    body = _encoder.encode(row)
    flags = _ALERTS_WAIT if row.outbox or row.withheld else 0
    return _HEAD.pack(_MAGIC, VERSION, flags, _checksum(VERSION, flags, body)) + body


def decode_row(raw: bytes) -> StateRow:
    """Inverse of `encode_row`.

    Raises:
        BadRow: not a row, of another schema version, truncated or altered.
    """
    if len(raw) < _HEAD.size:
        raise UnreadableRow(f"state row of {len(raw)} bytes is shorter than its head of {_HEAD.size}")
    magic, version, flags, checksum = _HEAD.unpack_from(raw)
    if magic != _MAGIC:
        raise UnreadableRow(f"state row starts with {magic!r}, not {_MAGIC!r}")
    if version != VERSION:
        raise UnreadableRow(f"state row has schema version {version}, this worker reads {VERSION}")
    body = memoryview(raw)[_HEAD.size :]
    if _checksum(version, flags, body) != checksum:
        raise UnreadableRow("state row is truncated or altered: its CRC-32 does not match")
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise UnreadableRow(f"state row does not decode: {error}") from None


def alerts_wait(raw: bytes) -> bool:
    """Whether the row holds alerts to publish, read from its head alone."""
    return len(raw) >= _HEAD.size and raw[:3] == _MAGIC and bool(raw[4] & _ALERTS_WAIT)


def _checksum(version: int, flags: int, body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(bytes((version, flags))))
