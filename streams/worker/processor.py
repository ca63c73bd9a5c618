"""The event processor: turns records into twin updates, one patient at a time, knowing nothing of Kafka but positions.

A *patient state* is all that is known about one patient: the twin, the offsets the twin already contains, events that
came before the enrolment, alerts not yet published. The processor reads records (`EventProcessor.read`), lets the twin
observe them (`EventProcessor.handle`) and writes the state down as a row (`EventProcessor.row`). What cannot be used
becomes a `Rejected` with its reason, and the events beside it go on. Calls for one patient must not overlap; different
patients are independent, so they may be handled in parallel threads.

Reasons given here: those of `twin.events.decode` and of the twin, and

- ``wrong_key``: the record's key is not the event's patient, so its order among that patient's events is lost;
- ``far_future``: event time too far after the record's own time;
- ``unknown_patient``: no enrolment yet and the waiting room is full;
- ``unknown_model``: an enrolment names a model that does not load;
- ``already_enrolled``: an enrolment names another model than the one in use;
- those of `streams.worker.rows.patient_state`: the patient is sealed;
- those of `streams.worker.versions.moving`: a twin does not go on by another version;
- ``internal_error``: the twin failed on this event; it goes on from where it was before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.kafka.records import letter_about
from connectors.kafka.topics import topic_of
from connectors.privacy.letters import hidden_letter
from connectors.privacy.patient_keys import PatientKeys
from streams.worker.engine import KafkaRecord
from streams.worker.records.posteriors import posterior_of
from streams.worker.records.received import ReceivedEvent, reject
from streams.worker.rows.encrypted_row import encrypted_row
from streams.worker.rows.patient_state import Inputs, PatientState, held_of, released, row_of, state_of
from streams.worker.rows.state_row import Held
from streams.worker.twin_factory import TwinFactory, TwinUpdate, UnknownModel
from streams.worker.versions.moving import NotMoved, moving
from twin.clock import HOUR_MS
from twin.events import (
    Alert,
    BadEvent,
    ClinicalEnvelope,
    Enrolment,
    Estimate,
    ModelMove,
    OutputEvent,
    Rejected,
    decode,
    encode,
    from_millis,
    to_millis,
)
from twin.steps import Steps, finished

FAR_FUTURE_HOURS = 24.0
"""Default tolerance of event time after record time."""

WAITING_ROOM = 2_048
"""Most events held for a patient who is not enrolled yet."""

ENCODED = 64
"""Outputs that are encoded in one step."""

WAITING_ROOM_BYTES = 1_048_576
"""Most bytes of such events, so that a state row stays below a broker's limits."""


class Outgoing(NamedTuple):
    """An encoded output and the topic (without prefix) it belongs to."""

    topic: str
    value: bytes


@dataclass
class Outcome:
    """What handling some arrivals brought forth.

    Alerts are not among ``outputs``: they wait in the state's outbox. Here are rule and state of each. ``waited`` are
    late arrivals that were told together after they had waited, ``refolds`` how often late ones were told, together or
    each by itself, of which a twin may have to fold again, ``thinned`` messages of twins that had more particles than a
    record holds.
    """

    outputs: list[Outgoing] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    ess: list[float] = field(default_factory=list)
    alerts: list[tuple[str, str]] = field(default_factory=list)
    waited: list[ReceivedEvent] = field(default_factory=list)
    refolds: int = 0
    thinned: int = 0


class EventProcessor:
    """See the module's docstring. ``twins`` makes and restores twins; with ``keys`` what is stored is encrypted.

    With ``posteriors`` each value is followed by what the twin says of itself, under the patient's key.

    Raises:
        ValueError: ``posteriors`` without keys.
    """

    def __init__(
        self,
        twins: TwinFactory,
        *,
        far_future_hours: float = FAR_FUTURE_HOURS,
        keys: PatientKeys | None = None,
        posteriors: bool = False,
    ) -> None:
        if posteriors and keys is None:
            raise ValueError(
                "DOSETWIN_POSTERIORS: particles of patients are sent encrypted alone, and no store of keys is set: "
                "name it in DOSETWIN_KEYS_STORE, or leave this out"
            )
        self._posteriors = keys if posteriors else None
        self._twins = twins
        self._keys = keys
        self._far_future_ms = round(far_future_hours * HOUR_MS)
        self.inputs = Inputs()

    # --- records in -------------------------------------------------------------------------------------------------

    def read(self, record: KafkaRecord) -> ReceivedEvent | Rejected:
        """Decode one record and check what can be checked without the patient."""
        key, raw = record.key, record.value
        try:
            event = decode(raw)
        except BadEvent as error:
            return letter_about(error.reason, error.detail, record[:3], raw, error.patient_id, error.event_id)
        except Exception as error:  # decoding must not be able to stop a partition
            detail = f"decoding failed: {type(error).__name__}: {error}"
            return letter_about("internal_error", detail, record[:3], raw)
        arrival = ReceivedEvent(event, record)
        if key != event.patient_id.encode():
            shown = "no key" if key is None else f"key {key[:80]!r}"
            return reject(arrival, "wrong_key", f"record with {shown} for field 'patient_id' {event.patient_id!r}: "
                          "the key of every record must be its patient_id in UTF-8")  # fmt: skip
        ahead = to_millis(event.time) - record.timestamp
        if ahead > self._far_future_ms:
            return reject(
                arrival,
                "far_future",
                f"field 'time' {event.time.isoformat()} is {ahead / HOUR_MS:.1f} h after the record's own time "
                f"{from_millis(record.timestamp).isoformat()}, more than the {self._far_future_ms / HOUR_MS:g} h "
                "that are allowed: check the sender's clock",
            )
        return arrival

    # --- patient states ---------------------------------------------------------------------------------------------

    def open(self, patient_id: str, row: bytes | None) -> PatientState:
        """The patient's state from its row, or a new one; see `streams.worker.rows.patient_state`."""
        return state_of(patient_id, row, self._twins, self.inputs, self._keys)

    def row(self, state: PatientState) -> bytes:
        """The patient's state as a row, which says that the patient is sealed where it would be too large."""
        return encrypted_row(row_of(state, self.inputs.ids), state.patient_id, self._keys)

    def stored(self, letter: Rejected) -> Rejected:
        """A dead letter as it is stored: its original bytes are encrypted where there are keys."""
        return hidden_letter(letter, self._keys)

    # --- events -----------------------------------------------------------------------------------------------------

    def releasing(self, state: PatientState) -> Steps[Outcome]:
        """What the twin withheld, now that the input topics are level."""
        outcome = Outcome()
        if state.twin is not None and state.quarantined is None:
            state.level = True
            yield from self._observe(state, (), outcome)
        return outcome

    def take(self, state: PatientState, arrival: ReceivedEvent, *, level: bool) -> bool:
        """Handle an arrival at once, if nothing follows from it but that the twin knows it.

        Returns:
            Whether it was; otherwise nothing was done, and it is still to be handled.
        """
        event, record, twin = arrival.event, arrival.record, state.twin
        place, offset = record[:2], record.offset
        if twin is None or state.quarantined is not None or offset <= state.applied.get(place, -1):
            return False
        if state.burst.waiting and state.burst.has_ended(record.timestamp):
            return False
        try:
            taken = twin.take(event, level=level)
        except Exception:  # the twin's fault must cost this event only: `handle` will meet it again, and say so
            self._go_back(state)
            return False
        if taken:
            state.applied[place] = offset
            state.since.append(((record.value,), level))
            if (millis := to_millis(event.time)) > state.latest:
                state.latest = millis
        return taken

    def handle(self, state: PatientState, arrivals: Iterable[ReceivedEvent], *, level: bool = True) -> Outcome:
        """As `handling`, all of it."""
        return finished(self.handling(state, arrivals, level=level))

    def handling(self, state: PatientState, arrivals: Iterable[ReceivedEvent], *, level: bool = True) -> Steps[Outcome]:
        """Let the patient's twin observe the arrivals, in the order given; arrivals it already contains are skipped.

        Consecutive arrivals in order of event time are observed together. One that is earlier than what the twin knows
        is observed by itself, or, where it lets the twin fold again, with others of its burst
        (`streams.worker.records.bursts`). So the outputs do not depend on how the arrivals were cut into calls.
        """
        outcome = Outcome()
        state.level = level
        run: list[ReceivedEvent] = []
        for arrival in arrivals:
            if state.contains(arrival.record):
                continue
            state.applied[arrival.record[:2]] = arrival.record.offset
            if state.burst.has_ended(arrival.record.timestamp):
                yield from self._flush(state, run, outcome)
                yield from self.ending_burst(state, outcome)
            if state.quarantined is not None:
                outcome.rejected.append(reject(arrival, *state.quarantined))
            elif isinstance(arrival.event, ModelMove):
                yield from self._flush(state, run, outcome)
                yield from self._move(state, arrival, arrival.event, outcome)
            elif state.twin is None:
                yield from self._without_twin(state, arrival, outcome)
            elif isinstance(arrival.event, Enrolment) and arrival.event.model != state.model_id:
                detail = f"field 'model': patient has a twin of {state.model_id!r}, not of {arrival.event.model!r}"
                outcome.rejected.append(reject(arrival, "already_enrolled", detail))
            else:
                yield from self._meet(state, run, arrival, outcome)
        yield from self._flush(state, run, outcome)
        return outcome

    def end_burst(self, state: PatientState, outcome: Outcome) -> None:
        """As `ending_burst`, all of it."""
        finished(self.ending_burst(state, outcome))

    def ending_burst(self, state: PatientState, outcome: Outcome) -> Steps[None]:
        """Let the twin observe the late arrivals that wait, when no others of their window are to be expected."""
        if state.quarantined is not None or state.twin is None:
            return
        together: list[ReceivedEvent] = []
        for arrival in state.burst.close(state.latest):
            outcome.waited.append(arrival)
            if any(arrival.event.event_id == other.event.event_id for other in together):
                yield from self._flush(state, together, outcome)
            together.append(arrival)
        outcome.refolds += bool(together)
        yield from self._flush(state, together, outcome)

    def _meet(
        self, state: PatientState, run: list[ReceivedEvent], arrival: ReceivedEvent, outcome: Outcome
    ) -> Steps[None]:
        """Let the twin observe an arrival after the ``run`` before it, with which it goes on if it can."""
        event, known = arrival.event, run[-1].event.time if run else None
        late = to_millis(event.time) < state.latest or (known is not None and event.time < known)
        corrects = isinstance(event, ClinicalEnvelope) and event.replaces is not None
        if late or corrects or not _continues(run, arrival):
            yield from self._flush(state, run, outcome)
        if not (late or corrects):
            run.append(arrival)
        elif state.twin is not None and state.twin.reaches_back(event):
            if not state.burst.takes(arrival, state.latest):
                outcome.refolds += 1
                yield from self._observe(state, [arrival], outcome)
        else:
            yield from self._observe(state, [arrival], outcome)

    def _flush(self, state: PatientState, run: list[ReceivedEvent], outcome: Outcome) -> Steps[None]:
        if run:
            yield from self._observe(state, tuple(run), outcome)
            run.clear()

    def _without_twin(self, state: PatientState, arrival: ReceivedEvent, outcome: Outcome) -> Steps[None]:
        event = arrival.event
        if isinstance(event, Enrolment) and event.status != "retracted":
            yield from self._enrol(state, arrival, event.model, outcome)
        elif len(state.held) >= WAITING_ROOM or _size(state.held) + len(arrival.raw) > WAITING_ROOM_BYTES:
            detail = (
                f"patient {event.patient_id!r} is not enrolled and {len(state.held)} events of "
                f"{_size(state.held)} bytes are waiting already (at most {WAITING_ROOM} of {WAITING_ROOM_BYTES} "
                "bytes): send an 'enrolment' first"
            )
            outcome.rejected.append(reject(arrival, "unknown_patient", detail))
        else:
            state.held.append(held_of(arrival))

    def _enrol(self, state: PatientState, arrival: ReceivedEvent, model_id: str, outcome: Outcome) -> Steps[None]:
        try:
            model_hash = self._twins.model_hash(model_id)
            twin = self._twins(model_id, state.patient_id)
        except UnknownModel as error:
            outcome.rejected.append(reject(arrival, "unknown_model", f"field 'model': {error}"))
            return
        except Exception as error:  # a model that breaks must not stop the partition
            outcome.rejected.append(reject(arrival, "internal_error", f"enrolling: {type(error).__name__}: {error}"))
            return
        state.model_id, state.model_hash, state.twin = model_id, model_hash, twin
        refused_before = len(outcome.rejected)
        yield from self._observe(state, [arrival], outcome)
        if len(outcome.rejected) > refused_before:
            state.model_id, state.model_hash, state.twin = "", "", None
            state.since.clear()
            return
        waiting, state.held = state.held, []
        run: list[ReceivedEvent] = []
        for held in sorted((released(held) for held in waiting), key=lambda held: held.event.time):
            if not _continues(run, held):
                yield from self._flush(state, run, outcome)
            run.append(held)
        yield from self._flush(state, run, outcome)

    def _move(self, state: PatientState, arrival: ReceivedEvent, event: ModelMove, outcome: Outcome) -> Steps[None]:
        """Let the patient's twin go on by another version of its model."""
        try:
            moved = yield from moving(state, event, self._twins)
        except NotMoved as refusal:
            outcome.rejected.append(reject(arrival, refusal.reason, refusal.detail))
            return
        if moved is None:
            return
        letters = yield from self._letters(moved.update)
        state.model_id, state.model_hash, state.twin = event.model, event.model_hash, moved.twin
        state.saved, state.withheld = moved.row, moved.update.withheld
        state.since.clear()
        self._collect(state, [arrival], moved.update, letters, outcome)

    def _observe(self, state: PatientState, run: Sequence[ReceivedEvent], outcome: Outcome) -> Steps[None]:
        assert state.twin is not None
        events = tuple(arrival.event for arrival in run)
        try:
            update = yield from state.twin.observing(events, level=state.level)
            letters = yield from self._letters(update)
        except Exception as error:  # the twin's fault must cost this event only
            yield from self._after_failure(state, run, outcome, error)
            return
        state.since.append((tuple(arrival.raw for arrival in run), state.level))
        state.withheld = update.withheld
        state.latest = max([state.latest, *(to_millis(event.time) for event in events)])
        self._collect(state, run, update, letters, outcome)
        if self._posteriors is not None:
            said = posterior_of(state.twin, update.outputs, self._posteriors)
            if said is not None:
                outcome.outputs.append(Outgoing(topic_of(said.posterior), encode(said.posterior)))
                outcome.thinned += said.left_out > 0

    @staticmethod
    def _letters(update: TwinUpdate) -> Steps[list[tuple[OutputEvent, bytes]]]:
        found = []
        for number, output in enumerate(update.outputs, start=1):
            found.append((output, encode(output)))
            if number % ENCODED == 0:
                yield
        return found

    @staticmethod
    def _collect(
        state: PatientState,
        run: Sequence[ReceivedEvent],
        update: TwinUpdate,
        letters: list[tuple[OutputEvent, bytes]],
        outcome: Outcome,
    ) -> None:
        for output, value in letters:
            if isinstance(output, Alert):
                state.outbox.append(value)
                outcome.alerts.append((output.rule, output.state))
                continue
            outcome.outputs.append(Outgoing(topic_of(output), value))
            if isinstance(output, Estimate):
                outcome.ess.append(output.ess)
        by_id = {arrival.event.event_id: arrival for arrival in run}
        for refusal in update.rejected:
            source = by_id.get(refusal.event_id or "", run[0] if len(run) == 1 else None)
            outcome.rejected.append(reject(source, refusal.reason, refusal.detail) if source else refusal)

    def _after_failure(
        self, state: PatientState, run: Sequence[ReceivedEvent], outcome: Outcome, error: Exception
    ) -> Steps[None]:
        """Bring the twin back to where it was before ``run``; then find the event that it failed on."""
        self._go_back(state)
        if len(run) == 1 or state.quarantined is not None:
            detail = f"the twin failed on this event: {type(error).__name__}: {error}"
            outcome.rejected.extend(reject(arrival, "internal_error", detail) for arrival in run)
            return
        for half in (run[: len(run) // 2], run[len(run) // 2 :]):
            if state.quarantined is None:
                yield from self._observe(state, half, outcome)
            else:
                outcome.rejected.extend(reject(arrival, *state.quarantined) for arrival in half)

    def _go_back(self, state: PatientState) -> None:
        """Make the twin anew from all that it observed before it failed."""
        try:
            if state.saved:
                state.twin = self._twins.restore(state.model_id, state.saved)
            else:
                state.twin = self._twins(state.model_id, state.patient_id)
            for told, level in state.since:
                finished(state.twin.observing([decode(raw) for raw in told], level=level))
        except Exception as second:  # nothing sound to go on from: keep the stored row and refuse what comes
            state.seal("internal_error", f"the twin failed and could not be rebuilt: {type(second).__name__}")


def _continues(run: Sequence[ReceivedEvent], arrival: ReceivedEvent) -> bool:
    """Whether ``arrival`` may be observed together with ``run``: not earlier, and not another word on the same fact."""
    return not run or (
        arrival.event.time >= run[-1].event.time
        and all(arrival.event.event_id != earlier.event.event_id for earlier in run)
    )


def _size(held: Iterable[Held]) -> int:
    return sum(len(event.raw) for event in held)
