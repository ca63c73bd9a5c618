"""What twins say that are told everything once, in order of event time and without any stream."""

from __future__ import annotations

from collections.abc import Iterable

from twin import PatientTwin, load_model
from twin.events import Alert, Enrolment, InputEvent, OutputEvent, encode


def said_in_order(events: Iterable[InputEvent], particles: int) -> dict[str, OutputEvent]:
    """Estimates, forecasts and predictions by id; of alerts the way there is told too, which depends on what came when.

    Events may come in any order and more than once; every patient among them is enrolled and nothing is refused.
    """
    once = sorted({encode(event): event for event in events}.values(), key=lambda event: event.time)
    said: dict[str, OutputEvent] = {}
    for enrolment in (event for event in once if isinstance(event, Enrolment)):
        twin = PatientTwin(enrolment.patient_id, load_model(enrolment.model), particles)
        update = twin.observe([event for event in once if event.patient_id == enrolment.patient_id])
        assert update.rejected == ()
        said |= {output.event_id: output for output in update.outputs if not isinstance(output, Alert)}
    return said
