"""A patient's whole record at once, as the history that a twin would have folded: for what needs no fold.

Modes, diagnostics and calibration look at a finished record; telling it to a `twin.PatientTwin` would also make every
estimate and forecast on the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from twin.events import BadEvent, InputEvent, PumpDelivery
from twin.modelfile.library import Model
from twin.record.admission import admit
from twin.record.history import History, Insertion


def recorded(events: Iterable[InputEvent], model: Model) -> tuple[History, tuple[BadEvent, ...]]:
    """The history of these events, and what of them could not be used, in their order."""
    history = History()
    refused: list[BadEvent] = []
    for event in events:
        try:
            tell(history, event, model)
        except BadEvent as bad:
            refused.append(bad)
    return history, tuple(refused)


def tell(history: History, event: InputEvent, model: Model) -> Insertion:
    """Put an event into the history, in canonical units.

    Raises:
        BadEvent: the model cannot use it, or it contradicts what was told before.
    """
    canonical = admit(event, model)
    rate = None
    if isinstance(canonical, PumpDelivery) and canonical.phase == "sample":
        rate = 0.0 if canonical.delivery_status == "not-delivering" else canonical.rate.value
    told = history.insert(canonical, rate)
    if told.outcome in ("conflict", "orphan"):
        reason = "id_conflict" if told.outcome == "conflict" else "not_correctable"
        raise BadEvent(reason, told.detail, event.patient_id, event.event_id)
    return told
