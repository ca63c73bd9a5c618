"""What is held of patients, read from their state rows: told, kept, and not counted.

Held is what lies too far from the rest of a record or says what is asked about first (`twin.record.held.holding`), and
what waits for its patient to be enrolled. Of a pump's unchanged samples only their times are kept, so they are held as
a stretch of time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from connectors.kafka.clients import kept_records
from connectors.kafka.topics import home_partition
from connectors.settings import Settings
from streams.worker.rows.erased import PREFIX, erased_key
from streams.worker.rows.state_row import MARK, decode_row, lost_row, term_after
from twin.events import BadEvent, Release, decode, event_id, from_millis
from twin.patient.averaged import histories_in
from twin.record.history import History


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """An event, or what a device repeated through a stretch of time, that is held.

    Attributes:
        event_id: empty for repeated reports, which have none left.
        what: its kind; for repeated reports of which device.
        begins, ends: event times; the same for one event.
        why: why it does not count, and how to let it.
        releasable: whether a ``release`` lets it count; an event that waits for an enrolment needs that.
    """

    patient_id: str
    event_id: str
    what: str
    begins: datetime
    ends: datetime
    why: str
    releasable: bool


def newest_rows(settings: Settings, changelog: str, patients: Collection[str] | None = None) -> dict[str, bytes]:
    """The row of each patient that counts, by the terms of those who wrote them; none of who was erased.

    With ``patients`` those of these alone. Where nothing that counts is left of a row, another says so.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    from kafka import TopicPartition

    keys = None if patients is None else {patient.encode() for patient in patients}
    wanted = None if keys is None else keys | {erased_key(key) for key in keys}
    numbers = range(settings.partitions) if keys is None else {home_partition(key, settings.partitions) for key in keys}
    places = [TopicPartition(changelog, number) for number in numbers]
    terms: dict[int, int] = {}
    rows: dict[bytes, bytes] = {}
    for record in kept_records(settings.kafka, places):
        term = term_after(terms.get(record.partition, 0), record.value)
        terms[record.partition] = terms.get(record.partition, 0) if term is None else term
        if record.key == MARK or (wanted is not None and record.key not in wanted):
            continue
        if term is not None:
            rows[record.key] = record.value
        elif record.key not in rows:
            rows[record.key] = lost_row(record.key, deleted=record.value is None)
    gone = {key for key in rows if key.startswith(PREFIX)}
    known = {key: row for key, row in rows.items() if key not in gone and erased_key(key) not in gone}
    return {key.decode(errors="replace"): row for key, row in known.items()}


def held_in(raw: bytes) -> Iterator[HeldEvent]:
    """What a state row in clear holds back, in order of event time; rival models may each ask about something else.

    Raises:
        UnreadableRow, UnreadableState: damaged, or of another version.
    """
    row = decode_row(raw)
    for waiting in row.held:
        try:
            event = decode(waiting.raw)
        except BadEvent:  # refused when the patient is enrolled
            continue
        why = "waits for the patient's enrolment"
        yield HeldEvent(row.patient_id, event.event_id, event.kind, event.time, event.time, why, releasable=False)
    if not row.twin:
        return
    found: dict[tuple[str, str, datetime], HeldEvent] = {}
    for history in histories_in(row.twin):
        for held in (*_facts(history, row.patient_id), *_repeated(history, row.patient_id)):
            found.setdefault((held.event_id, held.what, held.begins), held)
    yield from sorted(found.values(), key=lambda held: (held.begins, held.event_id, held.what))


def release_of(
    patient_id: str, now: datetime, events: Iterable[str] = (), begins: datetime | None = None,
    ends: datetime | None = None,
) -> Release:  # fmt: skip
    """The event by which a clinician lets these events, or all from ``begins`` to ``ends``, count.

    Raises:
        ValueError: neither or both are named, or only one end of the time.
    """
    named = tuple(events)
    name = event_id("release", patient_id, now.isoformat(), *named, begins, ends)
    return Release(
        event_id=name, patient_id=patient_id, time=now, source="dosetwin held", events=named, begins=begins, ends=ends
    )


def _facts(history: History, patient_id: str) -> Iterator[HeldEvent]:
    for fact in history.holding.held_facts():
        why = history.holding.why(fact)
        yield HeldEvent(patient_id, fact.event_id, fact.kind, fact.time, fact.time, why, releasable=True)


def _repeated(history: History, patient_id: str) -> Iterator[HeldEvent]:
    """Stretches of which nothing is left but that a device spoke, or what it repeated."""
    holding = history.holding
    for first, last in holding.now.far:
        begins, ends = from_millis(first), from_millis(last)
        for device in sorted(d for d, heard in history.contact.items() if heard.speaks_within(first, last)):
            why = "held and not counted: too far from the rest; set its clock, or release the time if it is right"
            yield HeldEvent(patient_id, "", f"reports of {device}", begins, ends, why, releasable=True)
