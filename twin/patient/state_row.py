"""A twin as bytes: history, published alerts and the newest belief.

A belief is stored as eta and weights in float32 (which is exact, see `twin.filter.belief`); particle states are
left out, since solving the history again gives them to the last bit. So a row stays near 30 bytes a particle plus the
history, however many states the model has. With drift it holds the effects within the lag, and the states at its
beginning, up to 160 bytes a particle. A column of eta that beliefs have in common (a datum that only weighs moves none)
is stored once, its bytes of sign and exponent compressed. Beliefs before the newest, which let a late event fold less
again, are kept as far as there is room.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
import numpy as np

from twin.alerts.ledger import AlertLedger
from twin.alerts.lifecycle import AlertBook
from twin.alerts.misfit import Evidence
from twin.arrays import Floats
from twin.events import BadEvent, ToxicityAhead, decode
from twin.filter.belief import Belief
from twin.filter.trunk import TrunkPosition
from twin.model.spec import Model
from twin.patient.advising.desk import NO_ADVICE, Adviser, DeskState, answered_alike
from twin.patient.checkpoints import Point
from twin.record.contact import DeviceContact
from twin.record.corrections import Superseded
from twin.record.facts import ClinicalEvent
from twin.record.history import History, SampleLine
from twin.record.readings.columns import (
    BadColumns,
    pack_clocks,
    pack_floats,
    pack_readings,
    pack_times,
    unpack_clocks,
    unpack_floats,
    unpack_readings,
    unpack_times,
)
from twin.record.readings.fevers import Fevers
from twin.record.readings.windows import ReadingWindows
from twin.resting_arrays import pack_numbers
from twin.solver.effects import width
from twin.timeline.pumps.mismatch import Mismatch
from twin.timeline.pumps.silence import Open
from twin.timeline.pumps.taking import Uncertain
from twin.timeline.segments import Layout

ROW_VERSION = 20
"""Raise when the meaning of a row changes: rows of another version are refused, and the twin is folded from events."""

LARGEST_HISTORY = 64 * 1024 * 1024
"""Bytes of a history before it is compressed: some 200,000 facts. A row that claims more is no row of ours."""


ROOM = 160
"""Bytes a particle that beliefs before the newest may fill, with it."""


class UnreadableState(ValueError):
    """Bytes that are no row of this version and model; the message says why."""


@dataclass(frozen=True)
class TwinState:
    """Where one model's twin stands: what is not derived from anything else.

    Attributes:
        rules_hash: of the thresholds that its alerts were judged by.
        particles: size of the cloud.
        history: every fact.
        ledger: the alerts that were published, and ``held`` those about what is held.
        points: of the fold, in order of time: those that a row keeps.
        desk: the advice that was given.
    """

    patient_id: str
    model_hash: str
    rules_hash: str
    particles: int
    history: History
    ledger: AlertLedger
    held: AlertLedger
    points: tuple[Point, ...]
    desk: DeskState = NO_ADVICE


class BeliefRow(msgspec.Struct, frozen=True, array_like=True):
    """A `twin.filter.belief.Belief` as bytes; ``columns`` are places of its columns of eta among those of the row."""

    columns: list[int]
    log_weight: bytes
    log_evidence: float
    observations: int
    layout: Layout


class PointRow(msgspec.Struct, frozen=True, array_like=True):
    """Where the fold stood (`twin.patient.checkpoints.Point`), and the numbers of its beliefs among the row's.

    Its alerts are among `TwinRow.books`.
    """

    millis: int
    belief: int
    foreseen: list[bytes]
    evidence: Evidence
    silence: tuple[Open, ...] = ()
    rest: tuple[int, ...] = ()
    mismatch: Mismatch | None = None
    doses: tuple[Uncertain, ...] = ()


class TwinRow(msgspec.Struct, frozen=True, array_like=True):
    """All of a twin that is not derived. ``beliefs`` begin with the newest; ``books`` are the alerts at each point,
    much alike, compressed."""

    version: int
    patient_id: str
    model_hash: str
    rules_hash: str
    particles: int
    history: bytes
    ledger: AlertLedger
    held: AlertLedger
    columns: list[bytes]
    beliefs: list[BeliefRow]
    points: list[PointRow]
    books: bytes
    desk: DeskState


class _HistoryRow(msgspec.Struct, frozen=True, array_like=True):
    facts: list[bytes]
    superseded: list[Superseded]
    samples: list[tuple[str, str, bytes, bytes]]
    contact: list[tuple[str, bytes, bytes]]
    told: tuple[bytes, bytes]
    asked: list[tuple[str, str]]
    readings: list[tuple[str, int, bytes, bytes, bytes, bytes]]
    fevers: tuple[bytes, bytes, bytes, bytes]
    clocks: tuple[list[tuple[str, bytes, bytes, bytes]], bytes]
    recent: list[tuple[str, bytes]]
    reported: int


# Made once, on import: to make a decoder builds its types, which two threads must never do at the same time.
_state_decoder = msgspec.msgpack.Decoder(TwinRow)
_books_decoder = msgspec.msgpack.Decoder(list[AlertBook])
_history_decoder = msgspec.msgpack.Decoder(_HistoryRow)


def pack_state(state: TwinState) -> bytes:
    """A twin's state as MessagePack; the same state gives the same bytes."""
    least = max((len(point.positions) for point in state.points[-1:]), default=1)
    beliefs = {id(one.belief): one.belief for point in reversed(state.points) for one in point.positions}
    rows, columns = pack_beliefs(list(beliefs.values()), least)
    numbers = {identity: number for number, identity in enumerate(list(beliefs)[: len(rows)])}
    points = [p for p in state.points if all(id(one.belief) in numbers for one in p.positions)]
    return msgspec.msgpack.encode(
        TwinRow(
            ROW_VERSION,
            state.patient_id,
            state.model_hash,
            state.rules_hash,
            state.particles,
            pack_history(state.history),
            state.ledger,
            state.held,
            columns,
            rows,
            [
                PointRow(
                    p.millis,
                    numbers[id(p.position.belief)],
                    pack_foreseen(p.foreseen),
                    p.evidence,
                    p.silence,
                    tuple(numbers[id(other.belief)] for other in p.rest),
                    p.mismatch,
                    p.doses,
                )
                for p in points
            ],
            pack_books([p.book for p in points]),
            state.desk,
        )
    )


def unpack_state(raw: bytes, model: Model, rules_hash: str, adviser: Adviser | None = None) -> TwinState:
    """Inverse of `pack_state`, for a twin of ``model``.

    Points whose alerts were judged by other thresholds than those of ``rules_hash``, or knew of advice by other
    protocols than those of ``adviser``, are left out: the history is folded again, and its alerts with it.

    Raises:
        UnreadableState: not a row, damaged, or one of another version or model.
    """
    row = unpack(raw, model.hash)
    history = unpack_history(row.history)
    beliefs = unpack_beliefs(row.beliefs, row.columns, row.particles)
    for belief in beliefs:
        if belief.eta.shape[1] != width(model, belief.layout, len(model.states)):
            raise UnreadableState(
                f"damaged belief: {belief.eta.shape[1]} numbers a particle do not fit {belief.layout}"
            )
    positions = [TrunkPosition(belief, None, None, None) for belief in beliefs]
    points = [
        Point(
            p.millis,
            positions[p.belief],
            book,
            unpack_foreseen(p.foreseen),
            p.evidence,
            silence=p.silence,
            rest=tuple(positions[other] for other in p.rest),
            mismatch=p.mismatch,
            doses=p.doses,
        )
        for p, book in zip(row.points, unpack_books(row.books, len(row.points)), strict=True)
    ]
    alike = row.rules_hash == rules_hash and answered_alike(row.desk, adviser, (model,))
    kept = tuple(points) if alike else ()
    head = row.patient_id, row.model_hash, rules_hash, row.particles
    return TwinState(*head, history, row.ledger, row.held, kept, row.desk)


def history_in(raw: bytes) -> History:
    """The history that a row holds, whatever its model.

    Raises:
        UnreadableState: not a row, damaged, or one of another version.
    """
    return unpack_history(_of_this_version(raw).history)


def unpack(raw: bytes, model_hash: str) -> TwinRow:
    """Read a row.

    Raises:
        UnreadableState: not a row, damaged, or one of another version or model.
    """
    row = _of_this_version(raw)
    if row.model_hash != model_hash:
        raise UnreadableState(f"row of model {row.model_hash}; the patient's model is now {model_hash}")
    for belief in row.beliefs:
        if len(belief.log_weight) != 4 * row.particles:
            raise UnreadableState(f"damaged belief: not a weight for each of {row.particles} particles")
        if not all(0 <= column < len(row.columns) for column in belief.columns):
            raise UnreadableState(f"damaged belief: it has others than the row's {len(row.columns)} columns")
    used = [number for point in row.points for number in (point.belief, *point.rest)]
    if not all(0 <= number < len(row.beliefs) for number in used):
        raise UnreadableState(f"damaged points: one rests on none of the row's {len(row.beliefs)} beliefs")
    return row


def _of_this_version(raw: bytes) -> TwinRow:
    try:
        row = _state_decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise UnreadableState(f"not a twin's row: {error}") from None
    if row.version != ROW_VERSION:
        raise UnreadableState(f"row of version {row.version}; this program reads version {ROW_VERSION}")
    return row


def pack_beliefs(beliefs: Sequence[Belief], least: int = 1) -> tuple[list[BeliefRow], list[bytes]]:
    """Beliefs of one twin, the newest first, and the columns of eta they share: as many as there is `ROOM` for, and at
    ``least`` so many."""
    rows: list[BeliefRow] = []
    columns: dict[bytes, int] = {}
    packed: list[bytes] = []
    filled = 0
    for belief in beliefs:
        eta = np.ascontiguousarray(belief.eta.T, dtype="<f4")
        new = {raw: pack_numbers(column) for column in eta if (raw := column.tobytes()) not in columns}
        filled += sum(map(len, new.values())) + 4 * len(belief.log_weight)
        if len(rows) >= least and filled > ROOM * len(belief.log_weight):
            break
        for raw, column in new.items():
            columns[raw] = len(packed)
            packed.append(column)
        rows.append(
            BeliefRow(
                [columns[column.tobytes()] for column in eta],
                belief.log_weight.astype("<f4").tobytes(),
                belief.log_evidence,
                belief.observations,
                belief.layout,
            )
        )
    return rows, packed


def unpack_beliefs(rows: Sequence[BeliefRow], columns: Sequence[bytes], particles: int) -> list[Belief]:
    """The beliefs of a row, bit for bit; those of the same columns share their eta.

    Raises:
        UnreadableState: a damaged column.
    """
    found = [unpack_column(column, particles) for column in columns]
    etas: dict[tuple[int, ...], Floats] = {}
    beliefs = []
    for row in rows:
        eta = etas.get(tuple(row.columns))
        if eta is None:
            eta = etas[tuple(row.columns)] = np.empty((particles, len(row.columns)))
            for i, column in enumerate(row.columns):
                eta[:, i] = found[column]
        log_weight = np.frombuffer(row.log_weight, dtype="<f4").astype(np.float64)
        beliefs.append(Belief(eta, log_weight, row.log_evidence, row.observations, row.layout))
    return beliefs


def unpack_column(packed: bytes, count: int) -> Floats:
    """Inverse of `twin.resting_arrays.pack_numbers`: (count,) numbers.

    Raises:
        UnreadableState: it is no column of so many.
    """
    each = np.empty((count, 4), dtype=np.uint8)
    try:
        each[:, :3] = np.frombuffer(packed[: 3 * count], dtype=np.uint8).reshape(count, 3)
        each[:, 3] = np.frombuffer(_inflated(packed[3 * count :], count, "column"), dtype=np.uint8)
    except (ValueError, zlib.error) as error:
        raise UnreadableState(f"damaged column: it does not hold {count} numbers ({error})") from None
    return np.asarray(each.view("<f4")[:, 0], dtype=np.float64)


def pack_books(books: Sequence[AlertBook]) -> bytes:
    """The alerts at some points: they say much the same, so that together they are little more than one."""
    return zlib.compress(msgspec.msgpack.encode(books), 1)


def unpack_books(raw: bytes, count: int) -> list[AlertBook]:
    """Inverse of `pack_books`; raises `UnreadableState` where it is not so many."""
    try:
        found = _books_decoder.decode(_inflated(raw, LARGEST_HISTORY, "books"))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise UnreadableState(f"damaged alerts: {error}") from None
    if len(found) != count:
        raise UnreadableState(f"damaged alerts: {len(found)} books for {count} points")
    return found


def pack_foreseen(foreseen: Sequence[ToxicityAhead]) -> list[bytes]:
    """The toxicities last foreseen, as JSON."""
    return [one.model_dump_json().encode() for one in foreseen]


def unpack_foreseen(raw: Sequence[bytes]) -> tuple[ToxicityAhead, ...]:
    """Inverse of `pack_foreseen`; raises `UnreadableState` for damaged bytes."""
    try:
        return tuple(ToxicityAhead.model_validate_json(one) for one in raw)
    except ValueError as error:
        raise UnreadableState(f"damaged toxicity: {error}") from None


def pack_history(history: History) -> bytes:
    """A history as bytes; the same facts give the same bytes, in whatever order they came (but for recent ids)."""
    row = _HistoryRow(
        *history.compact(),
        [(d, drug, pack_times(s.times), pack_floats(s.rates)) for (d, drug), s in sorted(history.samples.items())],
        [(d, pack_times(h.first), pack_times(h.last)) for d, h in sorted(history.contact.items())],
        (pack_times(history.holding.told.first), pack_times(history.holding.told.last)),
        sorted(history.holding.asked.items()),
        [(channel, w.length, *pack_readings(w)) for channel, w in sorted(history.readings.items())],
        pack_readings(history.fevers),
        pack_clocks(history.clocks),
        list(history.recent.items()),
        history.reported,
    )
    return zlib.compress(msgspec.msgpack.encode(row), 1)


def unpack_history(raw: bytes) -> History:
    """Inverse of `pack_history`.

    Raises:
        UnreadableState: damaged bytes.
    """
    try:
        row = _history_decoder.decode(_inflated(raw, LARGEST_HISTORY, "history"))
        facts = [cast(ClinicalEvent, decode(text)) for text in row.facts]
    except (zlib.error, msgspec.MsgspecError, BadEvent) as error:
        raise UnreadableState(f"damaged history: {error}") from None
    history = History()
    for fact in facts:
        history.add_fact(fact)
    for superseded in row.superseded:
        history.add_superseded(superseded)
    for device, drug, times, rates in row.samples:
        history.samples[device, drug] = SampleLine(array("q", unpack_times(times)), unpack_floats(rates))
    for device, first, last in row.contact:
        history.contact[device] = DeviceContact(unpack_times(first), unpack_times(last))
    told = history.holding.told
    told.first, told.last = (unpack_times(times) for times in row.told)
    history.holding.asked.update(row.asked)
    history.holding.judge()
    try:
        for channel, length, *columns in row.readings:
            history.readings[channel] = ReadingWindows(length, *unpack_readings(*columns, length=length))
        history.fevers = Fevers(*unpack_readings(*row.fevers))
        history.clocks = unpack_clocks(*row.clocks)
    except BadColumns as error:
        raise UnreadableState(f"damaged history: {error}") from None
    history.recent.update(row.recent)
    history.reported = row.reported
    return history


def _inflated(raw: bytes, most: int, what: str) -> bytes:
    """The bytes that were compressed; raises `UnreadableState` where they are more than there can be."""
    inflate = zlib.decompressobj()
    found = inflate.decompress(raw, most)
    if inflate.unconsumed_tail:
        raise UnreadableState(f"damaged {what}: it is more than {most} bytes")
    if not inflate.eof:
        raise UnreadableState(f"damaged {what}: it ends too early")
    return found
