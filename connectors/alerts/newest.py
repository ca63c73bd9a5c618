"""The newest word on each alert, read from the topic."""

from __future__ import annotations

from kafka import TopicPartition

from connectors.kafka.clients import open_consumer, records_to
from connectors.kafka.topics import ALERTS, home_partition
from connectors.settings import Settings
from twin.events import Alert, decode_output


def newest_alerts(settings: Settings, patient: str | None = None) -> list[Alert]:
    """How every alert that was told stands, or those of one patient, by patient and onset; the rest is left out.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    numbers = range(settings.partitions) if patient is None else [home_partition(patient.encode(), settings.partitions)]
    places = [TopicPartition(settings.topic_prefix + ALERTS, number) for number in numbers]
    consumer = open_consumer(settings.kafka)
    newest: dict[str, Alert] = {}
    try:
        for record in records_to(consumer, consumer.end_offsets(places)):
            try:
                alert = decode_output(record.value or b"")
            except ValueError:
                continue
            if not isinstance(alert, Alert) or (patient is not None and alert.patient_id != patient):
                continue
            known = newest.get(alert.alert_id)
            if known is None or alert.revision >= known.revision:
                newest[alert.alert_id] = alert
    finally:
        consumer.close()
    return sorted(newest.values(), key=lambda alert: (alert.patient_id, alert.onset, alert.alert_id))
