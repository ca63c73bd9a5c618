"""Clients of Kafka: opened where a broker answers, and otherwise an error that says how to get one."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import NewPartitions
from kafka.errors import KafkaTimeoutError

from connectors.kafka import clients
from connectors.kafka.access.refusal import Refusal
from connectors.kafka.clients import (
    KafkaRefuses,
    KafkaUnreachable,
    broker_answers,
    kept_records,
    open_admin,
    open_consumer,
    open_producer,
)

OPENERS = (open_admin, open_producer, open_consumer)


@pytest.mark.parametrize("opener", OPENERS)
def test_where_no_broker_answers_the_error_says_how_to_get_one(opener: Callable[[str], Any]) -> None:
    with pytest.raises(KafkaUnreachable) as error:
        opener("127.0.0.1:1,127.0.0.1:2")
    assert str(error.value) == (
        "no Kafka answers at 127.0.0.1:1,127.0.0.1:2 (no connection): start one with 'dosetwin services up', "
        "or name yours in DOSETWIN_KAFKA"
    )
    assert error.value.summary == "no Kafka answers at 127.0.0.1:1,127.0.0.1:2"


@pytest.mark.parametrize("opener", OPENERS)
def test_a_server_that_is_no_broker_is_named_with_what_the_client_said(
    opener: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise KafkaTimeoutError("not a broker")

    monkeypatch.setattr(clients, "broker_answers", lambda _: True)
    for name in ("KafkaAdminClient", "KafkaProducer", "KafkaConsumer"):
        monkeypatch.setattr(f"kafka.{name}", refuse)
    with pytest.raises(KafkaUnreachable, match=r"answers at 127\.0\.0\.1:1 \(KafkaTimeoutError\): start one"):
        opener("127.0.0.1:1")
    monkeypatch.setattr(clients, "refusal", lambda *_: Refusal("it ended the connection", "set what it wants"))
    with pytest.raises(KafkaRefuses, match=r"does not let us in: it ended the connection: set what it wants"):
        opener("127.0.0.1:1")


@pytest.mark.parametrize("opener", OPENERS)
def test_what_would_be_said_in_the_clear_on_a_network_is_not_said(opener: Callable[[str], Any]) -> None:
    with pytest.raises(
        KafkaRefuses, match=r"DOSETWIN_KAFKA=kafka\.ward:9092: patients' facts would go .* in the clear"
    ):
        opener("kafka.ward:9092")


def test_one_address_that_answers_is_enough(kafka: str) -> None:
    assert broker_answers(f"127.0.0.1:1,{kafka}")
    assert not broker_answers("127.0.0.1:1")


def test_each_client_does_its_work_and_a_consumer_makes_up_no_topic(kafka: str) -> None:
    topic = f"clients-{uuid.uuid4().hex[:8]}"
    with contextlib.closing(open_admin(kafka)) as admin:
        with contextlib.closing(open_consumer(kafka)) as consumer:
            assert consumer.partitions_for_topic(topic) in (None, set())
        assert topic not in admin.list_topics()
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": -1}}, wait_for_metadata=True)
    with contextlib.closing(open_producer(kafka, acks="all")) as producer:
        assert producer.send(topic, b"x").get(60).offset == 0
    reading = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10_000}
    with contextlib.closing(open_consumer(kafka, **reading)) as consumer:
        consumer.subscribe([topic])
        assert next(consumer).value == b"x"
    assert [record.value for record in kept_records(kafka, [TopicPartition(topic, 0)])] == [b"x"]


def test_a_consumer_in_a_group_is_given_the_partitions_that_a_topic_gains_however_short_its_polls(kafka: str) -> None:
    topic = f"clients-{uuid.uuid4().hex[:8]}"
    with contextlib.closing(open_admin(kafka)) as admin:
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": -1}}, wait_for_metadata=True)
        with contextlib.closing(open_consumer(kafka, group_id=topic, metadata_max_age_ms=200)) as consumer:
            consumer.subscribe([topic])
            for partitions in (1, 2):
                if partitions > 1:
                    admin.create_partitions({topic: NewPartitions(total_count=partitions)})
                until = time.monotonic() + 90
                while len(consumer.assignment()) < partitions and time.monotonic() < until:
                    consumer.poll(3)
                assert len(consumer.assignment()) == partitions


def test_a_topic_that_is_not_there_holds_nothing_and_is_not_waited_for(kafka: str) -> None:
    begun = time.monotonic()
    assert list(kept_records(kafka, [TopicPartition(f"none-{uuid.uuid4().hex[:8]}", 0)])) == []
    assert time.monotonic() - begun < 20
