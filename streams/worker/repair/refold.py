"""A patient folded anew from the input topics, or made ready to be enrolled anew: the way back of one that is sealed.

A twin is a pure fold of its record, so what the inputs still hold of a patient gives the belief that an undisturbed
worker would have, to the same bytes. What is published on the way repeats itself under the same ids. Workers hold rows
in memory and write them: none may run meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from connectors.kafka.clients import confirm, open_consumer, open_producer, records_to
from connectors.kafka.membership import lives, members
from connectors.kafka.topics import INPUTS, REJECTED_BYTES, home_partition, topic_ids
from connectors.settings import Settings
from streams.worker.engine import KafkaRecord
from streams.worker.offset_continuity import TopicPartition
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.erased import erased_key
from streams.worker.rows.patient_state import NEVER, PatientState
from streams.worker.rows.state_row import StateRow, encode_row, of_term, term_of
from twin.events import Enrolment, encode


class CannotRefold(RuntimeError):
    """The patient's row cannot be made; the message says why, and what to do."""


@dataclass
class Told:
    """What the inputs still hold of one patient.

    Attributes:
        records: in the order of each topic.
        ends: of the partitions that the patient is told of on.
        shortened: topics whose first records are gone.
    """

    records: list[KafkaRecord] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    shortened: tuple[str, ...] = ()


def require_rest(settings: Settings, group: str) -> None:
    """Raises `CannotRefold` where a worker runs."""
    # One that ended keeps its name for the session timeout; of another machine nobody here knows whether it has.
    if running := sorted(
        client for member in members(settings.kafka, group) if lives(client := str(member["client_id"])) is not False
    ):
        who = ", ".join(running)
        raise CannotRefold(f"workers run ({who}): stop them first, they hold the rows and would write over this one")


def told_of(settings: Settings, patients: Collection[str], *, with_records: bool = True) -> dict[str, Told]:
    """What the inputs hold of each of these patients.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    from kafka import TopicPartition as Place

    homes = {patient: home_partition(patient.encode(), settings.partitions) for patient in patients}
    found = {patient: Told() for patient in patients}
    places = [Place(settings.topic_prefix + topic, number) for topic in INPUTS for number in sorted({*homes.values()})]
    consumer = open_consumer(settings.kafka)
    try:
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for patient, told in found.items():
            mine = [place for place in places if place.partition == homes[patient]]
            told.ends = {(place.topic, place.partition): ends[place] for place in mine}
            told.shortened = tuple(place.topic for place in mine if begins[place])
        for record in records_to(consumer, ends) if with_records else ():
            patient = (record.key or b"").decode(errors="replace")
            if patient in found:
                position = record.topic, record.partition, record.offset, record.timestamp
                found[patient].records.append(KafkaRecord(*position, record.key, record.value or b""))
    finally:
        consumer.close()
    return found


def refold(
    processor: EventProcessor, patient_id: str, told: Told, version: str | None = None
) -> tuple[PatientState, Outcome]:
    """The patient's state after all that was told, and what followed from it.

    Enrolments stand for those in the model ``version``, where one is named; what was published under another keeps its
    ids, which are made of the model.

    Raises:
        CannotRefold: the inputs hold no enrolment that a twin can be made of.
    """
    arrivals = []
    for record in told.records:
        read = processor.read(record)
        if isinstance(read, ReceivedEvent):
            arrivals.append(read if version is None else _enrolled_in(version, read))
    # In order of time each event is folded once. Offsets are not in that order, so they are counted off meanwhile.
    arrivals.sort(key=lambda arrival: (not isinstance(arrival.event, Enrolment), arrival.event.time))
    counted = [
        ReceivedEvent(arrival.event, arrival.record._replace(topic="", partition=0, offset=number))
        for number, arrival in enumerate(arrivals)
    ]
    state = processor.open(patient_id, None)
    outcome = processor.handle(state, counted)
    processor.end_burst(state, outcome)
    if state.twin is None and state.quarantined is None:
        why = "; ".join(sorted({f"{letter.reason}: {letter.detail}" for letter in outcome.rejected})[:3])
        gone = f"; the first records of {', '.join(told.shortened)} are gone" if told.shortened else ""
        raise CannotRefold(
            f"patient {patient_id}: the inputs hold no enrolment to begin with{gone} ({why or 'nothing was refused'}): "
            f"'dosetwin patient reenrol {patient_id}', then send a new enrolment"
        )
    state.applied = applied_of(told)
    return state, outcome


def _enrolled_in(version: str, arrival: ReceivedEvent) -> ReceivedEvent:
    if not isinstance(arrival.event, Enrolment):
        return arrival
    event = arrival.event.model_copy(update={"model": version})
    return ReceivedEvent(event, arrival.record._replace(value=encode(event)))


def applied_of(told: Told) -> dict[TopicPartition, int]:
    """Offset of the last record of each input that was there."""
    return {place: end - 1 for place, end in told.ends.items() if end}


def empty_rows(settings: Settings, patients: Collection[str]) -> dict[str, bytes]:
    """Rows of patients of whom nothing is known, and who are not told again what was told so far.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    ids = tuple(sorted(topic_ids(settings.kafka, [settings.topic_prefix + topic for topic in INPUTS]).items()))
    rows = {}
    for patient, told in told_of(settings, patients, with_records=False).items():
        applied = tuple(sorted((*place, offset) for place, offset in applied_of(told).items()))
        rows[patient] = encode_row(StateRow(patient, "", "", applied, NEVER, b"", (), (), False, None, ids))
    return rows


def write_rows(settings: Settings, changelog: str, rows: Mapping[str, tuple[bytes, Outcome]]) -> None:
    """Publish what followed and, when that is durable, write each patient's row, under the newest term there is.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    terms = newest_terms(settings, changelog, rows)
    producer = open_producer(settings.kafka, acks="all", max_request_size=REJECTED_BYTES)
    try:
        sent = [
            producer.send(settings.topic_prefix + output.topic, key=patient.encode(), value=output.value)
            for patient, (_, outcome) in rows.items()
            for output in outcome.outputs
        ]
        confirm(sent)
        written = []
        for patient, (row, _) in rows.items():
            number = home_partition(patient.encode(), settings.partitions)
            row = of_term(row, terms.get(number, 0))
            written.append(producer.send(changelog, partition=number, key=patient.encode(), value=row))
        confirm(written)
    finally:
        producer.close()


def processor_for(settings: Settings, processor: EventProcessor) -> EventProcessor:
    """The processor, that knows which topics these are."""
    processor.inputs.ids = topic_ids(settings.kafka, [settings.topic_prefix + topic for topic in INPUTS])
    return processor


def newest_terms(settings: Settings, changelog: str, patients: Collection[str]) -> dict[int, int]:
    """The newest term in each partition of the changelog that these patients are in.

    Raises:
        CannotRefold: one of them was erased.
        KafkaUnreachable: no broker answers.
    """
    from kafka import TopicPartition as Place

    numbers = sorted({home_partition(patient.encode(), settings.partitions) for patient in patients})
    places = [Place(changelog, number) for number in numbers]
    terms: dict[int, int] = {}
    erased = {erased_key(patient.encode()): patient for patient in patients}
    consumer = open_consumer(settings.kafka)
    try:
        for record in records_to(consumer, consumer.end_offsets(places)):
            terms[record.partition] = max(terms.get(record.partition, 0), term_of(record.value) or 0)
            if (patient := erased.get(record.key)) is not None:
                raise CannotRefold(
                    f"patient {patient} was erased: nothing may come back, enrol under another pseudonym"
                )
    finally:
        consumer.close()
    return terms
