"""The topics: which event goes where, and their creation on a real broker."""

from __future__ import annotations

import contextlib
import threading
import uuid

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import MessageSizeTooLargeError
from kafka.producer.future import RecordMetadata

from connectors.kafka import topics
from connectors.kafka.clients import KafkaUnreachable, open_admin
from connectors.kafka.topics import (
    TOPICS,
    TopicError,
    describe_topics,
    ensure_topics,
    keep_topics,
    kept_by_settings,
    kept_days,
    topic_of,
    topic_settings,
)
from connectors.settings import SettingsError
from twin.events import EVENTS, MAX_EVENT_BYTES, InputEvent, Rejected


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}."


def test_every_input_goes_to_an_input_topic_and_every_output_to_an_output_topic() -> None:
    for event in EVENTS:
        assert topic_of(event) in (topics.INPUTS if issubclass(event, InputEvent) else topics.OUTPUTS)
        assert topic_of(event.example(), "x.") == "x." + topic_of(event)
    assert topic_of(Rejected, "x.") == "x.twin.rejected"
    assert not set(topics.INPUTS) & set(topics.OUTPUTS)


def test_an_oversized_input_fits_its_topic_and_its_dead_letter_fits_too() -> None:
    assert topics.INPUT_BYTES > 2 * MAX_EVENT_BYTES
    assert topics.REJECTED_BYTES > topics.INPUT_BYTES * 4 / 3


def test_creation_makes_every_topic_with_the_same_partition_count_once(kafka: str, prefix: str) -> None:
    assert ensure_topics(kafka, prefix, partitions=3) == tuple(prefix + topic for topic in TOPICS)
    assert ensure_topics(kafka, prefix, partitions=3) == ()
    assert [(state.name, state.partitions) for state in describe_topics(kafka, prefix)] == [
        (prefix + topic, 3) for topic in TOPICS
    ]


def test_two_processes_may_create_the_topics_at_once(kafka: str, prefix: str) -> None:
    created: list[str] = []
    failed: list[BaseException] = []

    def create() -> None:
        try:
            created.extend(ensure_topics(kafka, prefix))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=create) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(created) == sorted(prefix + topic for topic in TOPICS)


def test_another_partition_count_is_refused_with_the_way_to_mend_it(kafka: str, prefix: str) -> None:
    ensure_topics(kafka, prefix, partitions=2)
    with pytest.raises(TopicError, match=f"must all have 4 partitions, but {prefix}twin.commands has 2, .*PARTITIONS"):
        ensure_topics(kafka, prefix, partitions=4)


def test_a_topic_that_is_missing_is_reported_with_no_partitions(kafka: str, prefix: str) -> None:
    assert {state.partitions for state in describe_topics(kafka, prefix)} == {0}


def test_where_no_broker_answers_the_error_says_how_to_get_one() -> None:
    with pytest.raises(KafkaUnreachable, match=r"no Kafka answers at 127\.0\.0\.1:1 .*DOSETWIN_KAFKA"):
        ensure_topics("127.0.0.1:1")


def test_the_broker_makes_up_no_topic(kafka: str, prefix: str) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka, max_block_ms=500, retries=0)
    with pytest.raises(Exception, match=r"(?i)metadata|topic"):
        producer.send(prefix + "iomt.pumps", b"x").get(2)
    producer.close()
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    assert prefix + "iomt.pumps" not in admin.list_topics()
    admin.close()


def send(kafka: str, topic: str, size: int) -> RecordMetadata:
    with contextlib.closing(KafkaProducer(bootstrap_servers=kafka, max_request_size=16 * topics.MIB)) as producer:
        return producer.send(topic, b"x" * size, key=b"P-1", timestamp_ms=1).get(60)


def test_sizes_are_enforced_by_the_broker_and_records_are_stamped_on_arrival(kafka: str, prefix: str) -> None:
    ensure_topics(kafka, prefix)
    sent = send(kafka, prefix + topics.LABS, 2 * topics.MIB)
    with pytest.raises(MessageSizeTooLargeError):
        send(kafka, prefix + topics.LABS, 5 * topics.MIB)
    send(kafka, prefix + topics.REJECTED, 6 * topics.MIB)
    assert sent.timestamp > 1_000_000_000_000
    consumer = KafkaConsumer(
        prefix + topics.LABS, bootstrap_servers=kafka, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    assert len(next(consumer).value) == 2 * topics.MIB
    consumer.close()
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, prefix + topics.REJECTED)])
    admin.close()
    assert "8388608" in str(described)


def test_topics_keep_what_the_settings_say_when_made_and_when_told_later(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", "iomt.vitals=14")
    ensure_topics(kafka, prefix, partitions=1, topics=(topics.VITALS, topics.REJECTED, topics.LABS))
    assert keep_topics(kafka, prefix) == ()
    assert kept_days(kafka, prefix) == {topics.VITALS: 14, topics.REJECTED: 90, topics.LABS: 30}
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", "iomt.vitals=1,twin.rejected=ever,clinical.orders=5")
    assert keep_topics(kafka, prefix) == (topics.VITALS, topics.REJECTED), "one that is not there is made so later"
    assert kept_days(kafka, prefix) == {topics.VITALS: 1, topics.REJECTED: None, topics.LABS: 30}
    admin = open_admin(kafka)
    vitals = topic_settings(admin, prefix + topics.VITALS)
    admin.close()
    assert (vitals["retention.ms"], vitals["segment.ms"]) == ("86400000", "8640000"), "files of a tenth of it"
    monkeypatch.delenv("DOSETWIN_KEEP_TOPICS")
    assert keep_topics(kafka, prefix) == (), "what nobody names stays as it is"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("iomt.vital=3", "no topic is named 'iomt.vital'; use one of clinical.labs"),
        ("twin.heartbeats=3", "twin.heartbeats is not kept by time; leave it out"),
        ("twin.audit=3", "twin.audit is not kept by time"),
        ("iomt.vitals=0", "write NAME=DAYS with 1 to 36500 whole days, or NAME=ever"),
    ],
)
def test_settings_that_name_what_cannot_be_kept_are_refused(
    text: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", text)
    with pytest.raises(SettingsError, match=says):
        kept_by_settings()
