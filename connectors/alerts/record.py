"""The record behind an alert: what the input topics hold of its patient."""

from __future__ import annotations

from kafka import TopicPartition

from connectors.kafka.clients import kept_records
from connectors.kafka.topics import INPUTS, home_partition
from connectors.settings import Settings
from twin.events import BadEvent, InputEvent, decode


def record_of(settings: Settings, patient_id: str) -> list[InputEvent]:
    """Every event of a patient on the input topics, by time and id, each id once; what cannot be read is left out.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    home = home_partition(patient_id.encode(), settings.partitions)
    places = [TopicPartition(settings.topic_prefix + topic, home) for topic in INPUTS]
    found: dict[str, InputEvent] = {}
    for record in kept_records(settings.kafka, places):
        try:
            event = decode(record.value or b"")
        except BadEvent:
            continue
        if event.patient_id == patient_id:
            found.setdefault(event.event_id, event)
    return sorted(found.values(), key=lambda event: (event.time, event.event_id))
