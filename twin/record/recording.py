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
    rate = None
    if isinstance(canonical, PumpDelivery) and canonical.phase == "sample":
        rate = 0.0 if canonical.delivery_status == "not-delivering" else canonical.rate.value
    insertion = history.insert(canonical, rate, asked_about(canonical, model))
    if insertion.outcome in ("conflict", "orphan"):
        reason = "id_conflict" if insertion.outcome == "conflict" else "not_correctable"
        raise BadEvent(reason, insertion.detail, event.patient_id, event.event_id)
    return insertion
