"""The devices of one partition: a fold over its records into rows, events of patients and dead letters.

What a batch does is worked out first and then made so, in this order: dead letters, rows, events. All that is told is
in a row before it is told, so whoever comes after a crash knows it: `restore` gives what the last batch told, which may
not have arrived, to be told again with the same ids. A batch that left no rows is read again from the topic.

What is kept of a device is bounded: a word is *settled* when it is older than `Bounds.days`, by the time at which the
broker took it, or is not among the newest `Bounds.words` of its device. It is dropped before the next batch: what was
told of it stays as it is, whatever is said of bindings and clock later. What is nobody's by then becomes a dead letter,
``device_unbound``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.kafka.records import Record, dead_letter
from connectors.kafka.topics import DEVICES, home_partition
from streams.devices.rows import (
    PARTITION,
    BadRow,
    Kept,
    Rows,
    binding_key,
    clock_key,
    clock_row,
    kept_row,
    partition_row,
    read_clock,
    read_kept,
    read_key,
    read_partition_row,
    word_key,
)
from twin.clock import DAY_MS
from twin.devices.device_record import DeviceRecord, Placed, Told
from twin.devices.words import DeviceWord, device_of, read_word
from twin.events import BadEvent, DeviceAssociation, InputEvent, Rejected

MOST_BINDINGS = 1_000
"""Bindings and releases of one device that are kept: thousands within the days that are kept are a fault."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long words can still move: ``days`` since the broker took them, and the newest ``words`` of a device."""

    days: float = 7.0
    words: int = 2_000

    def __post_init__(self) -> None:
        if not self.days > 0:
            raise ValueError(f"days {self.days}: a binding that comes later moves something only if it is above 0")
        if not self.words > 0:
            raise ValueError(f"words {self.words}: a word that waits must be kept, so it must be above 0")


@dataclass
class Step:
    """What follows from a batch."""

    rows: Rows = field(default_factory=dict)
    events: list[InputEvent] = field(default_factory=list)
    letters: list[Rejected] = field(default_factory=list)


class _Device:
    """The record of a device, and how what it keeps came."""

    def __init__(self, device_id: str) -> None:
        self.record = DeviceRecord(device_id)
        self.words: dict[str, Kept] = {}
        self.bindings: dict[str, Kept] = {}


class DevicePartition:
    """Everything that is kept of the devices of partition ``number`` of ``partitions``.

    Attributes:
        read: offset of the first record that no row knows of.
    """

    def __init__(self, number: int, partitions: int, bounds: Bounds | None = None, prefix: str = "") -> None:
        self._number, self._partitions, self._prefix = number, partitions, prefix
        self._bounds = bounds or Bounds()
        self._devices: dict[str, _Device] = {}
        self._batch = 0
        self.read = 0

    @property
    def kept(self) -> int:
        """Words that can still move."""
        return sum(len(device.words) for device in self._devices.values())

    @property
    def waiting(self) -> int:
        """Words among them that are nobody's yet."""
        return sum(len(device.record.waiting()) for device in self._devices.values())

    def restore(self, rows: Mapping[bytes, bytes]) -> list[InputEvent]:
        """Take over what another process left; what its last batch told.

        Raises:
            BadRow: a row cannot be read.
        """
        if PARTITION in rows:
            self._batch, self.read = read_partition_row(rows[PARTITION])
        again: list[InputEvent] = []
        for key, row in rows.items():
            if key == PARTITION:
                continue
            kind, device_id, *name = read_key(key)
            device = self._device(device_id)
            if kind == "clock":
                device.record.epoch = read_clock(row)
                continue
            arrival, told = read_kept(row)
            try:
                said = read_word(arrival.raw)
            except BadEvent as error:
                raise BadRow(f"row {key.decode()}: {error}") from None
            device.record.add(said)
            if isinstance(said, DeviceAssociation):
                device.bindings[name[0]] = arrival
                again += [said] if arrival.batch == self._batch else []
            else:
                device.words[name[0]] = arrival
                device.record.told |= {(name[0], patient): one for patient, one in told.items()}
                again += [one.event for one in told.values()] if arrival.batch == self._batch else []
        for device in self._devices.values():
            device.words = dict(sorted(device.words.items(), key=lambda item: item[1].offset))
        return again

    def take(self, records: Sequence[Record]) -> Step:
        """What follows from records, in their order."""
        step, heard, number = Step(), dict[str, set[str]](), self._batch + 1
        for record in records:
            try:
                said = read_word(record.value)
                self._require_place(record, device_of(said))
                device = self._device(device_of(said))
                if device.record.device_id not in heard:
                    self._settle(device, records[0].arrived_ms, step)
                    heard[device.record.device_id] = set()
                heard[device.record.device_id] |= self._hear(device, said, record, step, number)
            except BadEvent as error:
                step.letters.append(dead_letter(record, error.reason, error.detail, self._prefix))
        for device_id, names in heard.items():
            self._tell(self._devices[device_id], names, step, number)
        return self._closed(step, number, records[-1].offset + 1 if records else self.read)

    def expire(self, now_ms: int) -> Step:
        """What follows from nothing but time: words that waited too long."""
        step = Step()
        for device_id, device in list(self._devices.items()):
            self._settle(device, now_ms, step)
            if not device.words and not device.bindings:
                del self._devices[device_id]
                step.rows[clock_key(device_id)] = None
        return self._closed(step, self._batch + 1, self.read)

    def _closed(self, step: Step, number: int, read: int) -> Step:
        if step.rows:
            self._batch, self.read = number, read
            step.rows[PARTITION] = partition_row(number, read)
        return step

    def _device(self, device_id: str) -> _Device:
        return self._devices.setdefault(device_id, _Device(device_id))

    def _hear(
        self, device: _Device, said: DeviceWord | DeviceAssociation, record: Record, step: Step, number: int
    ) -> set[str]:
        """Add what a record says; the word whose row changes, if one does.

        Raises:
            BadEvent: it cannot be used.
        """
        device_id, kept = device.record.device_id, Kept(record.value, record.offset, record.arrived_ms)
        if isinstance(said, DeviceAssociation):
            known = device.record.bindings.get(said.event_id)
            if known is None:
                if len(device.bindings) >= MOST_BINDINGS:
                    raise BadEvent("too_many_bindings", _many(device_id))
                kept.batch = number
                device.bindings[said.event_id] = kept
                step.rows[binding_key(device_id, said.event_id)] = kept_row(kept, {})
                step.events.append(said)
                device.record.add(said)
            elif known != said:
                raise BadEvent("id_conflict", _conflict(said.event_id))
            return set()
        name = said.event.event_id
        first = device.record.words.get(name)
        if first is not None and first.event != said.event:
            raise BadEvent("id_conflict", _conflict(name))
        if first is not None and first.received_at <= said.received_at:
            return set()
        device.record.add(said)
        if (before := device.words.pop(name, None)) is not None:  # words stand in the order of their offsets
            kept.batch = before.batch
        device.words[name] = kept
        return {name}

    def _require_place(self, record: Record, device_id: str) -> None:
        if record.key != device_id.encode():
            shown = "no key" if record.key is None else f"key {record.key[:80]!r}"
            raise BadEvent("wrong_key", f"record with {shown} for field 'device_id' {device_id!r}: the key of every "
                           "record must be its device_id in UTF-8")  # fmt: skip
        if (home := home_partition(record.key, self._partitions)) != record.partition:
            raise BadEvent("wrong_partition", f"record in partition {record.partition}, but key {device_id!r} belongs "
                           f"in {home}: the producer must use the murmur2 partitioner (librdkafka: "
                           "partitioner=murmur2_random)")  # fmt: skip

    def _tell(self, device: _Device, names: set[str], step: Step, number: int) -> None:
        """What patients come to know, and the rows of these words and of those of which something is told."""
        changed = set(names)
        for word, event in device.record.changes():
            step.events.append(event)
            changed.add(word)
            device.words[word].batch = number
        told: dict[str, dict[str, Told]] = {name: {} for name in changed}
        for (name, patient), one in device.record.told.items():
            if name in changed:
                told[name][patient] = one
        for name in changed:
            step.rows[word_key(device.record.device_id, name)] = kept_row(device.words[name], told[name])

    def _settle(self, device: _Device, now_ms: int, step: Step) -> None:
        old = self._old(device, now_ms)
        if not old:
            return
        record = device.record
        for placed in record.waiting():
            if placed.word.event.event_id in old:
                step.letters.append(self._unclaimed(device, placed))
        epoch, settled = record.epoch, record.settle(old)
        for name in settled.words:
            del device.words[name]
            step.rows[word_key(record.device_id, name)] = None
        for name in settled.bindings:
            del device.bindings[name]
            step.rows[binding_key(record.device_id, name)] = None
        if record.epoch is not None and record.epoch != epoch:
            step.rows[clock_key(record.device_id)] = clock_row(record.epoch)

    def _old(self, device: _Device, now_ms: int) -> set[str]:
        surplus = len(device.words) - self._bounds.words
        before = now_ms - self._bounds.days * DAY_MS
        return {
            name for at, (name, kept) in enumerate(device.words.items()) if at < surplus or kept.arrived_ms < before
        }

    def _unclaimed(self, device: _Device, placed: Placed) -> Rejected:
        device_id, event = device.record.device_id, placed.word.event
        kept = device.words[event.event_id]
        who = f"bound to {' and '.join(placed.patients)} at once" if placed.patients else "bound to nobody"
        record = Record(DEVICES, self._number, kept.offset, kept.arrived_ms, device_id.encode(), kept.raw)
        detail = (
            f"field 'event.device_id' {device_id!r}: {who} at 'event.time' {event.time.isoformat()}; send the "
            "'device_association' that is right, then 'dosetwin rejected resend --reason device_unbound'"
        )
        return dead_letter(record, "device_unbound", detail, self._prefix)


def _conflict(event_id: str) -> str:
    return f"field 'event_id' {event_id!r}: told before with other content; give it a new id"


def _many(device_id: str) -> str:
    return (
        f"field 'device_id' {device_id!r}: bound and released {MOST_BINDINGS} times within what is kept; send what its "
        "holder is once, then 'dosetwin rejected resend --reason too_many_bindings'"
    )
