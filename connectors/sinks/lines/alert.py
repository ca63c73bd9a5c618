"""A transition of an alert.

| measurement | tags | fields | time |
|---|---|---|---|
| `alert` | patient, model, rule, subject, subject_kind | alert_id, state, severity, revision, onset, …, text | event |
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import Fields, line, nanos, scatter
from twin.events import Alert

EVENT = Alert


def lines(event: Alert, _: Arrival) -> Iterator[str]:
    fields: Fields = {
        "alert_id": event.alert_id,
        "state": event.state,
        "severity": event.severity,
        "revision": event.revision,
        "onset": nanos(event.onset),
        "probability": event.probability,
        "horizon_hours": event.horizon_hours,
        "freshness_hours": event.freshness_hours,
        "text": event.text,
    }
    tags = {"patient": event.patient_id, "model": event.model, "rule": event.rule}
    tags |= {"subject": event.subject.name, "subject_kind": event.subject.kind}
    # Thousands tell alerts apart, units order the transitions of one alert.
    below_ms = scatter(event.alert_id, 1000) * 1000 + min(event.revision, 999)
    yield line("alert", tags, fields, nanos(event.time) + below_ms)
