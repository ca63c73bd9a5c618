"""A dead letter.

| measurement | tags | fields | time |
|---|---|---|---|
| `rejected` | reason, topic, partition | position, patient, detail | arrival of the dead letter |

An unusable input often has no event time, so arrival counts; ``position`` names the original record, so that an input
refused twice (after a crash) can be counted once.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import NS_PER_MS, Fields, line
from twin.events import Rejected

EVENT = Rejected


def lines(event: Rejected, arrival: Arrival) -> Iterator[str]:
    origin = (event.topic, event.partition, event.offset)
    known = None not in origin
    fields: Fields = {
        "position": "/".join(map(str, origin)) if known else f"dead-letter/{arrival.partition}/{arrival.offset}",
        "patient": event.patient_id,
        "detail": event.detail,
    }
    tags = {"reason": event.reason, "topic": event.topic or "", "partition": str(arrival.partition)}
    yield line("rejected", tags, fields, arrival.millis * NS_PER_MS + arrival.offset % NS_PER_MS)
