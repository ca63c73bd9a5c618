"""A question to the worker that has a patient's twin, and its answer, by way of the topics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from typing import Any, Literal

from kafka import TopicPartition
from pydantic import ValidationError

from connectors.kafka.clients import open_consumer
from connectors.kafka.publish import Sender
from connectors.kafka.records import decode_record
from connectors.kafka.topics import ADVICE, REJECTED, home_partition
from connectors.settings import Settings
from twin.events import Advice, AdviceRequested, Genotype, Rejected, event_id
from twin.events.malformed import first_fault

POLL_MS = 200


def request_of(
    patient: str,
    by: str,
    now: datetime,
    source: str,
    reason: str = "",
    drug: str | None = None,
    protocol: str | None = None,
    genotypes: Sequence[tuple[str, str]] = (),
    branches: Sequence[str] = (),
    asks: Literal["dose", "what_if"] = "dose",
) -> AdviceRequested:
    """What ``by`` asks of a patient's twin ``now``, `twin.events.AdviceRequested`; the same question has the same id.

    Raises:
        ValueError: it says too little, or too much; the message names field, value and mend.
    """
    try:
        return AdviceRequested(
            event_id=event_id("ask", patient, by, now.isoformat(), asks, drug, protocol, reason, *genotypes, *branches),
            patient_id=patient,
            time=now,
            source=source,
            by=by,
            reason=reason,
            asks=asks,
            drug=drug,
            protocol=protocol,
            genotypes=tuple(Genotype(gene=gene, value=value) for gene, value in genotypes),
            branches=tuple(branches),
        )
    except ValidationError as error:
        raise ValueError(first_fault(error, whole="")) from None


def ask(settings: Settings, request: AdviceRequested, seconds: float = 0.0) -> Advice | Rejected | None:
    """Send a request, and wait for the answer.

    Args:
        settings: which topics.
        request: what is asked.
        seconds: how long to wait; 0: not at all.

    Returns:
        The advice that answers it, or the dead letter of it; ``None`` where neither came in time.

    Raises:
        KafkaUnreachable: no broker answers.
        NotConfirmed: the broker did not confirm the request.
    """
    if not seconds:
        _send(settings, request)
        return None
    consumer = open_consumer(settings.kafka)
    try:
        prefix, home = settings.topic_prefix, home_partition(request.patient_id.encode(), settings.partitions)
        places = [TopicPartition(prefix + ADVICE, home)]
        places += [TopicPartition(prefix + REJECTED, number) for number in range(settings.partitions)]
        consumer.assign(places)
        for place, end in consumer.end_offsets(places).items():  # what is said from now on: before it is asked
            consumer.seek(place, end)
        _send(settings, request)
        until = time.monotonic() + seconds
        return next((said for said in _said(consumer, prefix, until) if _answers(said, request)), None)
    finally:
        consumer.close()


def _send(settings: Settings, request: AdviceRequested) -> None:
    with closing(Sender(settings)) as sender:
        sender.send(request)


def _said(consumer: Any, prefix: str, until: float) -> Iterator[Any]:
    """What comes on the topics until then (monotonic s); what is no event of ours is left out."""
    while time.monotonic() < until:
        for batch in consumer.poll(timeout_ms=POLL_MS).values():
            for record in batch:
                with suppress(ValueError):
                    yield decode_record(record.topic.removeprefix(prefix), record.value or b"")


def _answers(said: Any, request: AdviceRequested) -> bool:
    if isinstance(said, Advice):
        return said.cause == request.event_id
    return isinstance(said, Rejected) and said.event_id == request.event_id
