"""A patient's state in a worker, how it becomes a row, and how it comes back from one.

What a row cannot be trusted for seals the patient: nothing is moved any more and what comes is refused with the reason,
while all others go on. Reasons:

- ``bad_state_row``: the row is damaged, of another version, or of a key that is not there; it is kept as it is;
- ``model_changed``: the model's file is another than the one that made the twin; the row is kept as it is;
- ``row_too_large``: the record is longer than a row may be; a small row says so from then on;
- ``row_deleted``, ``row_overwritten``: no row is left that counts (`streams.worker.fencing.changelog_rows`);
- ``internal_error``: the twin failed and could not be rebuilt; the row is kept as it was.

``dosetwin patient repair`` says which way back applies, and goes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import structlog

from connectors.kafka.topics import MIB
from connectors.privacy.patient_keys import KeyDestroyed, KeyMissing, PatientKeys
from streams.worker.engine import KafkaRecord
from streams.worker.offset_continuity import TopicPartition
from streams.worker.records.bursts import Burst
from streams.worker.records.received import ReceivedEvent, read_again
from streams.worker.rows import erased
from streams.worker.rows.encrypted_row import opened_row
from streams.worker.rows.state_row import Held, StateRow, UnreadableRow, decode_row, encode_row, sealed_row, term_of
from streams.worker.twin_factory import Twin, TwinFactory, UnknownModel

NEVER = -(2**62)
"""Event time (ms) before every event."""

TOPIC_BYTES = 4 * MIB
"""Largest record that the changelog takes."""

LARGEST_ROW = TOPIC_BYTES - MIB // 2
"""Bytes of the largest row that is written: it reaches the changelog with its key and the batch around it."""

_log = structlog.get_logger("dosetwin.worker")


@dataclass
class PatientState:
    """All that is known of one patient.

    ``since`` is what the twin observed after ``saved``, its newest row, as it was received (events are a tenth of the
    memory as bytes, and no work for the garbage collector), and whether the topics were level then; ``withheld``: it
    waits for them to be. ``quarantined`` are reason and text of a patient that is sealed, ``burst``
    late arrivals that wait for one another.
    """

    patient_id: str
    model_id: str = ""
    model_hash: str = ""
    twin: Twin | None = None
    applied: dict[TopicPartition, int] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    outbox: list[bytes] = field(default_factory=list)
    quarantined: tuple[str, str] | None = None
    latest: int = NEVER
    saved: bytes = b""
    since: list[tuple[tuple[bytes, ...], bool]] = field(default_factory=list)
    withheld: bool = False
    level: bool = True
    burst: Burst = field(default_factory=Burst)

    def contains(self, record: KafkaRecord) -> bool:
        """Whether the twin already knows a record."""
        return record.offset <= self.applied.get(record[:2], -1)

    @property
    def trouble(self) -> str:
        """Why the twin is sealed, where that is to be mended."""
        return "" if self.quarantined is None or self.quarantined[0] == erased.REASON else self.quarantined[0]

    def seal(self, reason: str, detail: str) -> None:
        """Move the patient's twin no more, and say so."""
        self.quarantined = (reason, detail)
        _log.error("a patient is sealed: its twin moves no more", reason=reason,
                   mend="dosetwin doctor names the patient, dosetwin patient repair brings it back")  # fmt: skip


@dataclass
class Inputs:
    """What is known of the input topics besides their records.

    Attributes:
        ids: of each topic by its name: a topic that was deleted and made anew has another, and its offsets begin anew.
        cut: partitions of which the broker lost the end, with the term from which on rows know of it.
    """

    ids: dict[str, str] = field(default_factory=dict)
    cut: dict[TopicPartition, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def still_applied(self, row: StateRow, term: int) -> dict[TopicPartition, int]:
        """The offsets in a row that still mean what they did when it was written under ``term``."""
        then, kept = dict(row.topic_ids), {}
        for topic, partition, offset in row.applied:
            anew = then.get(topic, "") != self.ids.get(topic, "") and then.get(topic) and topic in self.ids
            if not anew and term >= self.cut.get((topic, partition), 0):
                kept[topic, partition] = offset
            elif topic not in self.told:
                self.told.add(topic)
                _log.warning("an input topic was made anew or lost its end: its offsets begin again", topic=topic)
        return kept


def held_of(arrival: ReceivedEvent) -> Held:
    """A received event as a row keeps it."""
    return Held(*arrival.record[:4], arrival.raw)


def released(held: Held) -> ReceivedEvent:
    """The event that a row kept."""
    place = held.topic, held.partition, held.offset, held.timestamp
    return read_again(KafkaRecord(*place, None, held.raw))


def row_of(state: PatientState, topic_ids: Mapping[str, str]) -> bytes:
    """The patient's state as a row; a patient whose row would be larger than `LARGEST_ROW` is sealed."""
    state.saved = state.twin.row() if state.twin is not None else b""
    state.since.clear()
    row = StateRow(
        state.patient_id,
        state.model_id,
        state.model_hash,
        tuple(sorted((topic, partition, offset) for (topic, partition), offset in state.applied.items())),
        state.latest,
        state.saved,
        tuple(state.held),
        tuple(state.outbox),
        state.withheld,
        topic_ids=tuple(sorted((topic, topic_ids[topic]) for topic, _ in state.applied if topic in topic_ids)),
        late=tuple(held_of(arrival) for arrival in state.burst.waiting),
        window=(state.burst.ends, state.burst.length),
    )
    raw = encode_row(row)
    if len(raw) <= LARGEST_ROW:
        return raw
    state.seal("row_too_large", f"the twin's row has {len(raw):,} bytes, and a row may have {LARGEST_ROW:,}")
    state.twin, state.saved, state.withheld = None, b"", False
    assert state.quarantined is not None
    small = sealed_row(state.patient_id, *state.quarantined, row)
    if len(small) <= LARGEST_ROW:
        return small
    return sealed_row(state.patient_id, *state.quarantined, msgspec.structs.replace(row, outbox=(), held=(), late=()))


def state_of(
    patient_id: str, raw: bytes | None, twins: TwinFactory, inputs: Inputs, keys: PatientKeys | None = None
) -> PatientState:
    """As `restored`; that a patient is sealed is logged, unless that was asked for."""
    state = restored(patient_id, raw, twins, inputs, keys)
    if state.quarantined is not None and state.trouble:
        state.seal(*state.quarantined)
    return state


def restored(
    patient_id: str, raw: bytes | None, twins: TwinFactory, inputs: Inputs, keys: PatientKeys | None = None
) -> PatientState:
    """The patient's state from its row, or a new one; sealed where the row cannot be continued.

    Raises:
        KeysUnusable: the row is encrypted, and no store of keys is set or it cannot be used.
    """
    if raw is None:
        return PatientState(patient_id)
    try:
        row = decode_row(opened_row(raw, patient_id, keys))
    except (UnreadableRow, KeyMissing) as error:
        return PatientState(patient_id, quarantined=("bad_state_row", str(error)))
    except KeyDestroyed:
        return PatientState(patient_id, quarantined=(erased.REASON, erased.DETAIL))
    state = PatientState(
        patient_id,
        model_id=row.model_id,
        model_hash=row.model_hash,
        applied=inputs.still_applied(row, term_of(raw) or 0),
        held=list(row.held),
        outbox=list(row.outbox),
        latest=row.latest,
        saved=row.twin,
        withheld=row.withheld,
        burst=Burst(*row.window, [released(late) for late in row.late]),
    )
    if row.sealed is not None:
        state.quarantined = row.sealed
    elif row.twin:
        state.quarantined = _restore(state, twins)
    return state


def _restore(state: PatientState, twins: TwinFactory) -> tuple[str, str] | None:
    """Bring the twin back; reason and text where that cannot be."""
    try:
        current = twins.model_hash(state.model_id)
        if current == state.model_hash:
            state.twin = twins.restore(state.model_id, state.saved)
            return None
    except UnknownModel as error:
        return "model_changed", f"{error}; its file must come back for this twin to go on"
    except Exception as error:  # whatever it is, the other patients go on and the row stays as it is
        return "bad_state_row", f"the twin's row does not restore: {type(error).__name__}: {error}"
    detail = f"model {state.model_id!r} has hash {current}, this twin was made by {state.model_hash}"
    return "model_changed", f"{detail}: put the old model file back, or fold the patient anew by the new one"
