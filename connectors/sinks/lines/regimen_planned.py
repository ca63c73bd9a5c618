"""The doses of a plan, and from when on it rules.

| measurement | tags | fields | time |
|---|---|---|---|
| `planned_dose` | patient, drug, route | amount_mg, duration_h, plan | planned |
| `planned_dose` | patient, drug, route | in_force: the plan that rules from here on | event of the plan |
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import NS_PER_MS, Fields, in_unit, line, nanos, scatter
from twin.events import PlannedDose, RegimenPlanned

EVENT = RegimenPlanned


def lines(event: RegimenPlanned, _: Arrival) -> Iterator[str]:
    """The doses of a plan and the mark from which it rules; a retracted plan leaves an empty mark."""
    tags = {"patient": event.patient_id, "drug": event.drug, "route": event.route}
    retracted = event.status == "retracted"
    yield line("planned_dose", tags, {"in_force": "" if retracted else event.event_id}, nanos(event.time))
    if retracted:
        return
    below_ms = 1 + scatter(event.event_id, NS_PER_MS - 1)  # after the mark of the same millisecond
    for dose in event.doses:
        amount, hours = in_unit(dose.amount, "mg"), _hours(dose)
        if amount is not None and hours is not None:
            fields: Fields = {"amount_mg": amount, "duration_h": hours, "plan": event.event_id}
            yield line("planned_dose", tags, fields, nanos(dose.time) + below_ms)


def _hours(dose: PlannedDose) -> float | None:
    return 0.0 if dose.duration is None else in_unit(dose.duration, "h")
