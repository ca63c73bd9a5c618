"""What Kafka has of who looked."""

from __future__ import annotations

from kafka import TopicPartition

from connectors.audit.access import Access, read_access
from connectors.kafka.clients import kept_records
from connectors.kafka.topics import ACCESSES
from connectors.settings import Settings


def accesses(settings: Settings, seat: str | None = None) -> list[Access]:
    """All of a console's, or of every one, by partition in order."""
    places = [TopicPartition(settings.topic_prefix + ACCESSES, number) for number in range(settings.partitions)]
    found = [read_access(record.value) for record in kept_records(settings.kafka, places)]
    return [access for access in found if seat in (None, access.seat)]
