"""One event into a patient's history: admitted in canonical units, or refused with the reason."""

from __future__ import annotations

from twin.events import BadEvent, InputEvent, PumpDelivery
from twin.model.spec import Model
from twin.record.admission import Settles, admit
from twin.record.history import History, Insertion
from twin.record.limits import asked_about


def insert_event(history: History, event: InputEvent, model: Model, settles: Settles) -> Insertion:
    """Put an event into the history, in canonical units.

    Raises:
        BadEvent: the model cannot use it, or it contradicts what was told before.
    """
    canonical = admit(event, model, settles)
    asked, windows = asked_about(canonical, model), windows_of(model)
    insertion = history.insert(canonical, sample_rate(canonical), asked, windows)
    if insertion.outcome in ("conflict", "orphan"):
        reason = "id_conflict" if insertion.outcome == "conflict" else "not_correctable"
        raise BadEvent(reason, insertion.detail, event.patient_id, event.event_id)
    return insertion


def windows_of(model: Model) -> dict[str, int]:
    """The channels whose readings observe an output of a model, with the length (ms) of their windows."""
    return {output.vital.channel: output.vital.window_ms for output in model.outputs if output.vital is not None}


def sample_rate(canonical: InputEvent) -> float | None:
    """The rate (mg/h) that a pump's periodic report tells; ``None`` for any other event."""
    if not isinstance(canonical, PumpDelivery) or canonical.phase != "sample":
        return None
    return 0.0 if canonical.delivery_status == "not-delivering" else canonical.rate.value
