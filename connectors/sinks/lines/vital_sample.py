"""A reading of a wearable or monitor.

| measurement | tags | fields | time |
|---|---|---|---|
| `vital` | patient, channel, unit | value, status | event |
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import line, nanos
from twin.events import VitalSample

EVENT = VitalSample


def lines(event: VitalSample, _: Arrival) -> Iterator[str]:
    tags = {"patient": event.patient_id, "channel": event.channel, "unit": event.value.unit}
    yield line("vital", tags, {"value": event.value.value, "status": event.status}, nanos(event.time))
