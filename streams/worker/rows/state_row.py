"""State rows: everything a worker must remember about one patient, as one self-checking byte string.

A row is what a restarted worker starts from. It holds the twin's own bytes and what the stream around it must know:
which offsets the twin already contains (so that a replay does not count twice), events that came before the patient
was enrolled, and alerts that are decided but perhaps not yet published.

Layout, big-endian: ``b"DTR"``, schema version (1 byte), flags (1 byte), term of the writer (8 bytes), CRC-32 of the
body (4 bytes), CRC-32 of all before it (4 bytes), body (MessagePack of `StateRow`). So what is needed of many rows is
read from their heads, and no changed bit is believed: flags say whether alerts wait to be published, the term which of
two rows counts (`streams.worker.fencing`). A third flag says that the body is encrypted
(`streams.worker.rows.encrypted_row`).
"""

from __future__ import annotations

import struct
import zlib

import msgspec

VERSION = 3
"""Schema version; a row of another version is refused, never guessed at."""

MARK = b"#holder"
"""Key of what a holder of a partition writes before all rows (`mark_of`): no patient id begins so."""

_MAGIC = b"DTR"
_HEAD = struct.Struct(">3sBBQI")
_CHECK = struct.Struct(">I")
_BODY = _HEAD.size + _CHECK.size
_ALERTS_WAIT = 0b01
_SEALED = 0b10
_ENCRYPTED = 0b100


class UnreadableRow(ValueError):
    """Bytes that are no state row of this version; the message says what is wrong."""


class Held(msgspec.Struct, frozen=True, array_like=True):
    """One event that waits, for an enrolment or for others: its bytes, its place in Kafka, its record time (ms)."""

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
    input topics to be level. ``sealed`` are reason and text where the twin cannot go on: it is not in the row then.
    ``topic_ids`` are the ids that the topics in ``applied`` had: one that is made anew under its name has another.
    ``late`` are late arrivals that are to be told together, ``window`` when (`streams.worker.records.bursts`).
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
    sealed: tuple[str, str] | None = None
    topic_ids: tuple[tuple[str, str], ...] = ()
    late: tuple[Held, ...] = ()
    window: tuple[int, int] = (0, 0)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StateRow)


def encode_row(row: StateRow) -> bytes:
    """The row as bytes, of no holder's term yet; equal rows give equal bytes."""
    flags = (_ALERTS_WAIT if row.outbox or row.withheld or row.late else 0) | (_SEALED if row.sealed else 0)
    return _with_head(flags, 0, _encoder.encode(row))


def sealed_row(patient_id: str, reason: str, detail: str, row: StateRow | None = None) -> bytes:
    """The row of a patient whose twin cannot go on, with what is known beside the twin."""
    known = row or StateRow(patient_id, "", "", (), 0, b"", (), (), False)
    return encode_row(msgspec.structs.replace(known, twin=b"", sealed=(reason, detail)))


def lost_row(key: bytes, *, deleted: bool) -> bytes:
    """The row of a patient of whom none is left that counts."""
    reason, detail = "row_overwritten", "a worker that had lost the partition wrote over the patient's state row"
    if deleted:
        reason, detail = "row_deleted", "the patient's state row was deleted from the changelog"
    return sealed_row(key.decode(errors="replace"), reason, detail)


def of_term(raw: bytes, term: int) -> bytes:
    """The row as the holder of this term writes it."""
    return _with_head(raw[4], term, raw[_BODY:])


def mark_of(term: int) -> bytes:
    """What a holder of a partition writes before all rows: its term, and no patient."""
    return _with_head(0, term, b"")


def term_of(raw: bytes | None) -> int | None:
    """The term under which a row or mark was written, from its head alone; ``None`` for what has no sound head."""
    if raw is None or len(raw) < _BODY or raw[:4] != _MAGIC + bytes((VERSION,)):
        return None
    term: int = _HEAD.unpack_from(raw)[3]
    return term if _CHECK.unpack_from(raw, _HEAD.size)[0] == zlib.crc32(raw[: _HEAD.size]) else None


def term_after(newest: int, raw: bytes | None) -> int | None:
    """The newest term of a partition whose changelog goes on with ``raw``; ``None`` where that does not count.

    A row that is damaged, or of another version, is the patient's newest all the same: what came before it lacks events
    that were committed. Who reads it says what is wrong.
    """
    term = term_of(raw)
    if raw is None or (term is not None and term < newest):
        return None
    return newest if term is None else term


def decode_row(raw: bytes) -> StateRow:
    """Inverse of `encode_row`.

    Raises:
        UnreadableRow: not a row, of another schema version, truncated or altered.
    """
    if raw[:3] != _MAGIC:
        raise UnreadableRow(f"state row starts with {raw[:3]!r}, not {_MAGIC!r}")
    if len(raw) < _BODY:
        raise UnreadableRow(f"state row of {len(raw)} bytes is shorter than its head of {_BODY}")
    _, version, _, _, checksum = _HEAD.unpack_from(raw)
    if version != VERSION:
        raise UnreadableRow(f"state row has schema version {version}, this worker reads {VERSION}")
    body = memoryview(raw)[_BODY:]
    if term_of(raw) is None or zlib.crc32(body) != checksum:
        raise UnreadableRow("state row is truncated or altered: its CRC-32 does not match")
    if is_encrypted(raw):
        raise UnreadableRow("state row is encrypted, and was not opened by its patient's key")
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise UnreadableRow(f"state row does not decode: {error}") from None


def calls_for_attention(raw: bytes) -> bool:
    """Whether the patient is to be looked at before anything is said of it: alerts wait to be published, or it is
    sealed; from its head alone, and what has no sound head does too."""
    return term_of(raw) is None or bool(flags_of(raw))


def flags_of(raw: bytes) -> int:
    """What the head says of the patient, whether or not the body is encrypted."""
    return raw[4] & ~_ENCRYPTED


def is_encrypted(raw: bytes) -> bool:
    """Whether the row has a sound head that says so."""
    return term_of(raw) is not None and bool(raw[4] & _ENCRYPTED)


def body_of(raw: bytes) -> bytes:
    """What stands behind the head, in clear or not."""
    return raw[_BODY:]


def with_body(raw: bytes, body: bytes, *, encrypted: bool) -> bytes:
    """The row with another body, of the same flags and term."""
    return _with_head(flags_of(raw) | (_ENCRYPTED if encrypted else 0), term_of(raw) or 0, body)


def _with_head(flags: int, term: int, body: bytes) -> bytes:
    head = _HEAD.pack(_MAGIC, VERSION, flags, term, zlib.crc32(body))
    return head + _CHECK.pack(zlib.crc32(head)) + body
