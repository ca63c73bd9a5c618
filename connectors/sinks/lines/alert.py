"""A transition of an alert.

| measurement | tags | fields | time |
|---|---|---|---|
| `alert` | patient, model, rule, subject, subject_kind | alert_id, state, phase, severity, revision, …, text | event |
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import NS_PER_MS, Fields, line, model_tag, nanos, scatter
from twin.events import Alert

EVENT = Alert


def lines(event: Alert, _: Arrival) -> Iterator[str]:
    fields: Fields = {
        "alert_id": event.alert_id,
        "state": event.state,
        "phase": event.phase,
        "severity": event.severity,
        "revision": event.revision,
        "onset": nanos(event.onset),
        "probability": event.probability,
        "horizon_hours": event.horizon_hours,
        "freshness_hours": event.freshness_hours,
        "text": event.text,
        "advice": event.advice,
        "shelved_until": None if event.shelved_until is None else nanos(event.shelved_until),
        "inhibited_by": None if event.inhibited_by is None else event.inhibited_by.rule,
        "inhibiting_alert": None if event.inhibited_by is None else event.inhibited_by.alert_id,
        "handled": None if event.handled is None else event.handled.action,
        "handled_by": None if event.handled is None else event.handled.by,
        "rules_hash": event.rules_hash,
    }
    tags = {"patient": event.patient_id, "model": model_tag(event.model), "rule": event.rule}
    tags |= {"subject": event.subject.name, "subject_kind": event.subject.kind}
    # Many alerts of one patient may change in one millisecond: which, and how often before, tells them apart.
    below_ms = scatter(f"{event.alert_id} {event.revision}", NS_PER_MS)
    yield line("alert", tags, fields, nanos(event.time) + below_ms)
