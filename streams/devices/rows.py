"""Rows of the state topic: one of each word and binding that is kept, of each device's clock, and of the partition.

A key is a JSON list of what the row is of. A row of a word holds the bytes that it came as and what was told of it at
each patient, so that what is kept of a device is read back as it was; without a value a row is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twin.devices.clock import ClockEpoch
from twin.devices.device_record import Told
from twin.devices.words import Fact
from twin.events import decode, encode

Rows = dict[bytes, bytes | None]
"""Rows by their keys; None where one is dropped."""

PARTITION = b'["partition"]'
"""Key of the row that says which batch was the partition's last, and how far the topic was read."""


class BadRow(ValueError):
    """A row cannot be read; the message says which and how to mend it."""


@dataclass(slots=True)
class Kept:
    """A word or binding as it came: its bytes, where it stands and when the broker took it, and the number of the
    batch in which something was told of it last."""

    raw: bytes
    offset: int
    arrived_ms: int
    batch: int = 0


def word_key(device: str, event_id: str) -> bytes:
    """Key of the row of a word."""
    return _key("word", device, event_id)


def binding_key(device: str, event_id: str) -> bytes:
    """Key of the row of a binding."""
    return _key("binding", device, event_id)


def clock_key(device: str) -> bytes:
    """Key of the row of the epoch in which the last word lay that was dropped."""
    return _key("clock", device)


def _key(*parts: str) -> bytes:
    return json.dumps(parts, ensure_ascii=False).encode()


def read_key(key: bytes) -> tuple[str, ...]:
    """What a row is of: a kind, and then a device and an id where it has them.

    Raises:
        BadRow: it is no key of ours.
    """
    try:
        parts = json.loads(key)
    except ValueError:
        parts = None
    sizes = {"partition": 1, "clock": 2, "word": 3, "binding": 3}
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise BadRow(f"key {key[:80]!r} is none of a device's rows")
    if not parts or sizes.get(parts[0]) != len(parts):
        raise BadRow(f"key {key[:80]!r} is none of a device's rows")
    return tuple(parts)


def kept_row(kept: Kept, told: Mapping[str, Told]) -> bytes:
    """The row of a word or binding, with what was ``told`` of it by patient."""
    events = {
        patient: {"number": one.number, "stands": one.stands, "event": encode(one.event).decode()}
        for patient, one in told.items()
    }
    return _json({"batch": kept.batch, "offset": kept.offset, "arrived_ms": kept.arrived_ms,
                  "raw": kept.raw.decode(), "told": events})  # fmt: skip


def read_kept(row: bytes) -> tuple[Kept, dict[str, Told]]:
    """What `kept_row` wrote.

    Raises:
        BadRow: it is none.
    """
    try:
        read = json.loads(row)
        told = {patient: _told(one) for patient, one in read["told"].items()}
        return Kept(read["raw"].encode(), read["offset"], read["arrived_ms"], read["batch"]), told
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRow(f"{type(error).__name__} in a row of {len(row)} bytes") from None


def _told(one: dict[str, Any]) -> Told:
    event = decode(one["event"].encode())
    if not isinstance(event, Fact):
        raise TypeError(event.kind)
    return Told(event, one["number"], one["stands"])


def clock_row(epoch: ClockEpoch) -> bytes:
    """The row of a clock's epoch."""
    return _json(asdict(epoch))


def read_clock(row: bytes) -> ClockEpoch:
    """What `clock_row` wrote; raises `BadRow`."""
    try:
        return ClockEpoch(**json.loads(row))
    except (ValueError, TypeError) as error:
        raise BadRow(f"{type(error).__name__} in the row of a clock") from None


def partition_row(batch: int, read: int) -> bytes:
    """The row of the partition: its last batch's number, and up to where (exclusive) the topic was read then."""
    return _json({"batch": batch, "read": read})


def read_partition_row(row: bytes) -> tuple[int, int]:
    """What `partition_row` wrote; raises `BadRow`."""
    try:
        told = json.loads(row)
        return int(told["batch"]), int(told["read"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadRow(f"{type(error).__name__} in the row of the partition") from None


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
