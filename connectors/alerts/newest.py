"""What was told of alerts, read from the topic: the newest word on each, or all of one."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.kafka.records import kept_outputs
from connectors.kafka.topics import ALERTS, home_partition
from connectors.settings import Settings
from twin.events import Alert


def newest_alerts(settings: Settings, patient: str | None = None) -> list[Alert]:
    """How every alert that was told stands, or those of one patient, by patient and onset; the rest is left out.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    newest: dict[str, Alert] = {}
    for alert in _told(settings, patient):
        known = newest.get(alert.alert_id)
        if known is None or alert.revision >= known.revision:
            newest[alert.alert_id] = alert
    return sorted(newest.values(), key=lambda alert: (alert.patient_id, alert.onset, alert.alert_id))


def told_alerts(settings: Settings, begins: str, patient: str | None = None) -> list[Alert]:
    """All that was told of the alerts whose ids begin so, by alert and revision, each revision once.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    found = {(a.alert_id, a.revision): a for a in _told(settings, patient) if a.alert_id.startswith(begins)}
    return [found[each] for each in sorted(found)]


def _told(settings: Settings, patient: str | None) -> Iterator[Alert]:
    """Every alert on the topic, in its order; what is none is left out."""
    numbers = None if patient is None else [home_partition(patient.encode(), settings.partitions)]
    for alert in kept_outputs(settings, ALERTS, numbers):
        if isinstance(alert, Alert) and patient in (None, alert.patient_id):
            yield alert
