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
    """The history of these events; what of them could not be used, in their order, and then what is held."""
    history = History()
    refused: list[BadEvent] = []
    for event in events:
        try:
            insert_event(history, event, model, settles)
        except BadEvent as bad:
            refused.append(bad)
    holding = history.holding
    refused += [BadEvent("held", holding.why(fact), fact.patient_id, fact.event_id) for fact in holding.held_facts()]
    counted = history.counted_samples()
    for (device, drug), line in history.samples.items():
        held = len(line.times) - len(counted[device, drug].times)
        if held:
            said = f"{held} reports of {device} lie too far from the rest of the record; set its clock and correct them"
            refused.append(BadEvent("held", said))
    for channel, windows in history.readings.items():
        held = sum(holding.now.covers(millis) for millis in windows.times)
        if held:
            said = f"{held} readings of {channel} lie too far from the rest of the record; set their device's clock"
            refused.append(BadEvent("held", said))
    return history, tuple(refused)
