"""A question to the worker that has a patient's twin, and its answer, by way of the topics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from kafka import TopicPartition

from connectors.kafka.clients import NotConfirmed, open_consumer
from connectors.kafka.publish import publish
from connectors.kafka.records import decode_record
from connectors.kafka.topics import ADVICE, REJECTED, home_partition
from connectors.settings import Settings
from twin.events import Advice, AdviceRequested, Rejected

POLL_MS = 200


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
    if not publish(settings.kafka, [(None, request)], settings.topic_prefix).complete:
        raise NotConfirmed("the broker did not confirm the request; send it again once it is well")


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
