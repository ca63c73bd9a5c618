"""One event into a patient's history: admitted in canonical units, or refused with the reason."""

from __future__ import annotations

from twin.events import BadEvent, InputEvent, PumpDelivery, VitalSample, to_millis
from twin.model.spec import Model
from twin.record.admission import Settles, admit
from twin.record.history import History, Insertion
from twin.record.limits import asked_about
from twin.record.readings.clocks import Clocks
from twin.record.readings.fevers import LINE
from twin.record.readings.windows import rank_of

FEVERED = "body_temperature"
"""The channel that tells of fevers."""


def insert_event(history: History, event: InputEvent, model: Model, settles: Settles) -> Insertion:
    """Put an event into the history, in canonical units.

    Raises:
        BadEvent: the model cannot use it, or it contradicts what was told before.
    """
    canonical = admit(event, model, settles)
    asked, windows = asked_about(canonical, model), windows_of(model)
    newest = history.newest
    feverish = isinstance(canonical, VitalSample) and is_feverish(canonical)
    if isinstance(canonical, VitalSample) and _contradicts(history, canonical):
        detail = f"event_id '{event.event_id}' was told before with other content; give it a new id"
        raise BadEvent("id_conflict", detail, event.patient_id, event.event_id)
    insertion = history.insert(canonical, sample_rate(canonical), asked, windows)
    if insertion.outcome in ("conflict", "orphan"):
        reason = "id_conflict" if insertion.outcome == "conflict" else "not_correctable"
        raise BadEvent(reason, insertion.detail, event.patient_id, event.event_id)
    if feverish and insertion.outcome == "new":
        return _with_fever(history, canonical, insertion, newest)
    return insertion


def is_feverish(event: VitalSample) -> bool:
    """Whether an event matters to the fevers of a record: of a fever, or it corrects or retracts a temperature."""
    return event.channel == FEVERED and (event.value.value >= LINE or event.replaces is not None)


def turns_clock(event: VitalSample, millis: int, clocks: Clocks) -> bool:
    """Whether a reading of ``millis`` says of its device's clock what was not known yet."""
    if event.clock_behind is None:
        return False
    behind = event.clock_behind.value
    return event.replaces is not None or not clocks.goes_on(event.device_id, rank_of(event.event_id), millis, behind)


def _contradicts(history: History, event: VitalSample) -> bool:
    """Whether a reading says other than what is kept of one of its id."""
    feverish = is_feverish(event) and event.value.value >= LINE
    if event.status == "retracted" or not (feverish or event.clock_behind is not None):
        return False
    rank, millis = rank_of(event.event_id), to_millis(event.time)
    if feverish and history.fevers.contradicts(rank, millis, event.value.value):
        return True
    behind = event.clock_behind
    return behind is not None and history.clocks.contradicts(event.device_id, rank, millis, behind.value)


def _with_fever(history: History, event: InputEvent, insertion: Insertion, newest: int | None) -> Insertion:
    """What telling a temperature did: the patient is judged otherwise from what is late, or counts no more."""
    assert isinstance(event, VitalSample), "it is a temperature"
    millis = to_millis(event.time)
    changed = [] if insertion.since is None else [insertion.since]
    if event.status != "retracted" and history.fevers.insert(rank_of(event.event_id), millis, event.value.value):
        changed += [millis] if newest is not None and millis <= newest else []
    gone = None if event.replaces is None else history.fevers.take_back(rank_of(event.replaces))
    changed += [] if gone is None else [gone]
    return insertion._replace(since=min(changed, default=None))


def windows_of(model: Model) -> dict[str, int]:
    """The channels whose readings observe an output of a model, with the length (ms) of their windows."""
    return {output.vital.channel: output.vital.window_ms for output in model.outputs if output.vital is not None}


def sample_rate(canonical: InputEvent) -> float | None:
    """The rate (mg/h) that a pump's periodic report tells; ``None`` for any other event."""
    if not isinstance(canonical, PumpDelivery) or canonical.phase != "sample":
        return None
    return 0.0 if canonical.delivery_status == "not-delivering" else canonical.rate.value
