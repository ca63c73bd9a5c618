"""How long it takes from an event's arrival at the broker to what follows from it there: both by the broker's clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

from tests.streams.worker.stage import Stage
from twin.events import Estimate, Prediction, decode, decode_output, to_millis


def answers(stage: Stage, patients: Collection[str]) -> list[tuple[int, int]]:
    """When the event arrived (ms) and how long it took (ms), of each estimate and prediction of these patients.

    They must be told in order: then an output follows from the first event that is not before it.
    """
    told: dict[str, list[tuple[int, int]]] = {patient: [] for patient in patients}
    for record in stage.inputs():
        event = decode(record.value)
        if event.patient_id in told:
            told[event.patient_id].append((to_millis(event.time), record.timestamp))
    for events in told.values():
        events.sort()
    found: dict[str, tuple[int, int]] = {}
    for record in stage.outputs():
        output = decode_output(record.value)
        events = told.get(output.patient_id, [])
        if isinstance(output, Estimate | Prediction):
            place = bisect_left(events, (to_millis(output.time), 0))
            if place < len(events):
                arrived = events[place][1]
                found.setdefault(output.event_id, (arrived, record.timestamp - arrived))
    return sorted(found.values())


def at_most(spent: Sequence[int], share: float) -> float:
    """What so great a share of them does not exceed.

    >>> at_most([5, 1, 2, 3], 0.75)
    3.0
    """
    return float(sorted(spent)[max(round(share * len(spent)) - 1, 0)]) if spent else float("nan")
