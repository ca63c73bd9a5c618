"""How far groups are behind: nothing is known of one that nobody joined, and all counts that it never committed."""

from __future__ import annotations

import uuid

import pytest
from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition

from connectors.kafka.clients import KafkaUnreachable, open_consumer
from connectors.kafka.group_lags import group_lags
from connectors.kafka.topics import ESTIMATES, ensure_topics


def test_what_a_group_never_committed_counts_whole_and_what_it_committed_does_not(kafka: str) -> None:
    prefix = f"lag-{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix, 2)
    topic, group = prefix + ESTIMATES, f"{prefix}sink-some"
    producer = KafkaProducer(bootstrap_servers=kafka)
    for number in (0, 0, 0, 1, 1):
        producer.send(topic, value=b"x", partition=number)
    producer.close()
    consumer = open_consumer(kafka, group_id=group)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(2, "", -1)})
    consumer.close()
    lags = group_lags(kafka, {group: [topic], f"{prefix}sink-other": [topic]})
    assert lags.keys() == {group}
    assert (lags[group].records, lags[group].running) == (1 + 2, False)
    assert 0.0 < lags[group].behind_seconds < 3_600.0


def test_where_no_broker_answers_the_error_says_so() -> None:
    with pytest.raises(KafkaUnreachable):
        group_lags("127.0.0.1:1", {"sink-some": [ESTIMATES]})
