"""What of the devices' topics is about a patient: bindings that name it, and words that were said while it was bound.

A word names nobody, so whose it was follows from the bindings of its device; one that is contested is left to nobody
else, and goes too. The clock of a device keeps the epoch that those words lay in, so that no other word moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Literal

from connectors.kafka.clients import confirm, open_producer
from connectors.kafka.naming import Naming
from connectors.kafka.rewriting import GONE, Gone, read_partition
from connectors.kafka.topics import DEVICE_STATE, DEVICE_TOPICS, DEVICES, describe_topics
from connectors.settings import Settings
from streams.devices.rows import BadRow, clock_key, clock_row, kept_row, read_clock, read_kept, read_key
from twin.devices.device_record import DeviceRecord, Told
from twin.devices.words import DeviceWord, device_of, read_word
from twin.events import BadEvent, DeviceAssociation


def device_topics(settings: Settings) -> list[str]:
    """Those of the devices' topics that exist, with prefix; raises `KafkaUnreachable`."""
    states = describe_topics(settings.kafka, settings.topic_prefix, DEVICE_TOPICS)
    return [state.name for state in states if state.partitions]


class DeviceTraces:
    """Of one patient, as the topics have them when it is made.

    Raises:
        KafkaUnreachable: no broker answers.
    """

    def __init__(self, settings: Settings, naming: Naming) -> None:
        self._settings, self._naming = settings, naming
        self._gone: dict[str, set[str]] = defaultdict(set)
        self._clocks: dict[tuple[int, bytes], bytes] = {}
        for topic in device_topics(settings):
            for number in range(settings.partitions):
                self._look(topic, number)

    def of(self, record: Any) -> Literal["about", "mentions", ""]:
        """What a record of the devices' topics has to do with the patient."""
        if record.topic == self._settings.topic_prefix + DEVICES:
            said = _said(record.value or b"")
            gone = isinstance(said, DeviceWord) and said.event.event_id in self._gone[device_of(said)]
            return "about" if gone else self._naming.of(None, record.value)
        value: bytes = record.value or b""
        if self.without(record) is not record.value:
            return "about"
        return "mentions" if self._naming.names(value) or self._naming.names(record.key or b"") else ""

    def without(self, record: Any) -> bytes | Gone | None:
        """What stays of a record that is about the patient; the value itself of any other."""
        value: bytes | None = record.value
        if record.topic == self._settings.topic_prefix + DEVICES:
            return GONE if self.of(record) == "about" else value
        try:
            kind, *rest = read_key(record.key or b"")
            if value is None:
                return GONE if self._naming.names(record.key) else value
            if kind not in ("word", "binding"):
                return value
            kept, told = read_kept(value)
        except BadRow:
            return GONE if self._naming.names(record.key or b"") or self._naming.names(value or b"") else value
        if kind == "binding":
            said = _said(kept.raw)
            mine = isinstance(said, DeviceAssociation) and said.patient_id == self._naming.patient_id
            return GONE if mine else value
        if rest[1] in self._gone[rest[0]]:
            return GONE
        others = {patient: one for patient, one in told.items() if patient != self._naming.patient_id}
        return value if len(others) == len(told) else kept_row(kept, others)

    def keep_clocks(self) -> None:
        """Write the rows of the clocks whose words are gone; raises `kafka.errors.KafkaError`."""
        producer = open_producer(self._settings.kafka, acks="all")
        try:
            topic = self._settings.topic_prefix + DEVICE_STATE
            confirm(
                [
                    producer.send(topic, partition=number, key=key, value=row)
                    for (number, key), row in self._clocks.items()
                ]
            )
        finally:
            producer.close()

    def _look(self, topic: str, number: int) -> None:
        """Find the words of one partition that are the patient's."""
        state = topic == self._settings.topic_prefix + DEVICE_STATE
        records: dict[str, DeviceRecord] = {}
        for device, said, told in self._stored(topic, number) if state else self._sent(topic, number):
            record = records.setdefault(device, DeviceRecord(device))
            if isinstance(said, bytes):
                record.epoch = read_clock(said)
                continue
            record.add(said)
            if isinstance(said, DeviceWord):
                record.told |= {(said.event.event_id, patient): one for patient, one in told.items()}
        for device, record in records.items():
            if not any(one.patient_id == self._naming.patient_id for one in record.bindings.values()):
                continue
            mine = {one.word.event.event_id for one in record.placed() if self._naming.patient_id in one.patients}
            mine |= {word for (word, who), one in record.told.items() if who == self._naming.patient_id and one.stands}
            self._gone[device] |= mine
            if state and mine:
                self._gone[device] |= record.settle(mine).words
                if record.epoch is not None:
                    self._clocks[number, clock_key(device)] = clock_row(record.epoch)

    def _sent(self, topic: str, number: int) -> Iterator[tuple[str, DeviceWord | DeviceAssociation, dict[str, Told]]]:
        from kafka import TopicPartition

        for record in read_partition(self._settings.kafka, TopicPartition(topic, number)):
            if (said := _said(record.value or b"")) is not None:
                yield device_of(said), said, {}

    def _stored(
        self, topic: str, number: int
    ) -> Iterator[tuple[str, DeviceWord | DeviceAssociation | bytes, dict[str, Told]]]:
        from kafka import TopicPartition

        newest = {one.key: one.value for one in read_partition(self._settings.kafka, TopicPartition(topic, number))}
        for key, row in newest.items():
            try:
                kind, *rest = read_key(key or b"")
                if row is None or kind == "partition":
                    continue
                if kind == "clock":
                    yield rest[0], row, {}
                    continue
                kept, told = read_kept(row)
            except BadRow:
                continue
            if (said := _said(kept.raw)) is not None:
                yield rest[0], said, told


def _said(raw: bytes) -> DeviceWord | DeviceAssociation | None:
    try:
        return read_word(raw)
    except BadEvent:
        return None
