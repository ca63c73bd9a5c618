"""A patient's whole record at once, as the history that a twin would have folded: for what needs no fold.

Modes, diagnostics and calibration look at a finished record; a `twin.PatientTwin` that observed it would also make
every estimate and forecast on the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from twin.events import BadEvent, InputEvent
from twin.model.spec import Model
from twin.record.history import History
from twin.record.recording import insert_event
from twin.solver.settling import settles


def record_of(events: Iterable[InputEvent], model: Model) -> tuple[History, tuple[BadEvent, ...]]:
    """The history of these events, and what of them could not be used, in their order."""
    history = History()
    refused: list[BadEvent] = []
    for event in events:
        try:
            insert_event(history, event, model, settles)
        except BadEvent as bad:
            refused.append(bad)
    return history, tuple(refused)
