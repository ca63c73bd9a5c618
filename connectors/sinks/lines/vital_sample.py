"""A reading of a wearable or monitor, in the one unit of its channel: what cannot be told in it is not drawn.

| measurement | tags | fields | time |
|---|---|---|---|
| `vital` | patient, channel, unit | value, status | event |
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import in_unit, line, nanos
from twin.events import VitalSample

EVENT = VitalSample

UNITS = {
    "heart_rate": "/min",
    "spo2": "%",
    "body_temperature": "Cel",
    "systolic_bp": "mm[Hg]",
    "diastolic_bp": "mm[Hg]",
    "respiratory_rate": "/min",
    "body_weight": "kg",
    "steps": "1",
}
"""The unit of each channel: a tag that a device may choose would make a series for each of its choices."""


def lines(event: VitalSample, _: Arrival) -> Iterator[str]:
    unit = UNITS[event.channel]
    value = event.value.value if event.value.unit == unit else in_unit(event.value, unit)
    if value is not None:
        tags = {"patient": event.patient_id, "channel": event.channel, "unit": unit}
        yield line("vital", tags, {"value": float(value), "status": event.status}, nanos(event.time))
