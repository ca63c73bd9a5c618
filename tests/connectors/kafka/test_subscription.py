"""Reading in a consumer group whose partitions change hands: nothing is passed over, and what is void is said."""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from connectors.kafka.clients import open_consumer, open_producer
from connectors.kafka.records import Record
from connectors.kafka.subscription import MOST_METADATA, Subscription, left_undone
from connectors.kafka.topics import ESTIMATES, VITALS, ensure_topics
from tests.connectors.sinks.fake_kafka import Broker, Clock, Consumer

PARTITION = TopicPartition("ward1." + ESTIMATES, 0)
PLACE = (ESTIMATES, 0)


@pytest.fixture
def broker() -> Broker:
    broker = Broker(Clock())
    broker.add(PARTITION.topic, PARTITION.partition, b"a", b"b", b"c", b"d")
    broker.most_at_once = 2
    return broker


def offsets(subscription: Subscription) -> list[int]:
    return [record.offset for record in subscription.poll(200).records]


def test_records_come_in_order_under_the_topics_name_without_prefix(broker: Broker) -> None:
    broker.add("other." + ESTIMATES, 0, b"not ours")
    subscription = Subscription(Consumer(broker), (ESTIMATES, VITALS), "ward1.")
    polled = subscription.poll(200)
    assert polled.records == (
        Record(ESTIMATES, 0, 0, 0, b"P-1", b"a"),
        Record(ESTIMATES, 0, 1, 1_000, b"P-1", b"b"),
    )
    assert polled.lost == frozenset()
    assert offsets(subscription) == [2, 3]


def test_it_knows_its_topics_before_it_joins(broker: Broker) -> None:
    consumer = Consumer(broker)
    Subscription(consumer, (ESTIMATES, VITALS), "ward1.")
    assert consumer.known == {"ward1." + ESTIMATES, "ward1." + VITALS}


def test_what_is_assigned_and_committed_is_named_without_prefix(broker: Broker) -> None:
    subscription = Subscription(Consumer(broker), (ESTIMATES,), "ward1.")
    assert subscription.assigned() == {PLACE}
    assert subscription.committed(*PLACE) is None
    subscription.commit({PLACE: 3})
    assert subscription.committed(*PLACE) == 3


def test_it_reads_on_from_where_it_is_told_or_from_the_beginning_of_a_topic_made_anew(broker: Broker) -> None:
    subscription = Subscription(Consumer(broker), (ESTIMATES,), "ward1.")
    subscription.read_from(*PLACE, 3)
    assert offsets(subscription) == [3]
    subscription.read_from(*PLACE, 5)
    assert offsets(subscription) == [0, 1]


def test_reading_goes_on_from_what_was_committed(broker: Broker) -> None:
    Subscription(Consumer(broker), (ESTIMATES,), "ward1.").commit({PLACE: 3})
    assert broker.committed == {PARTITION: 3}
    assert offsets(Subscription(Consumer(broker), (ESTIMATES,), "ward1.")) == [3]


@pytest.mark.parametrize("when", ["revoked before", "revoked after"])
@pytest.mark.parametrize("committed", [None, 1])
def test_a_poll_in_which_partitions_change_hands_is_read_again(
    broker: Broker, when: str, committed: int | None
) -> None:
    broker.troubles = iter(["", when])  # type: ignore[arg-type]
    subscription = Subscription(Consumer(broker), (ESTIMATES,), "ward1.")
    assert offsets(subscription) == [0, 1]
    if committed is not None:
        broker.committed = {PARTITION: committed}
    polled = subscription.poll(200)
    assert (polled.records, polled.lost) == ((), {PLACE})
    first = committed or 0
    assert offsets(subscription) == [first, first + 1]


def test_a_partition_that_comes_back_is_read_again_also_where_that_poll_brought_nothing(broker: Broker) -> None:
    broker.troubles = iter(["", "", "revoked before"])  # type: ignore[arg-type]
    subscription = Subscription(Consumer(broker), (ESTIMATES,), "ward1.")
    assert [offsets(subscription) for _ in range(2)] == [[0, 1], [2, 3]]
    broker.committed = {PARTITION: 1}
    polled = subscription.poll(200)
    assert (polled.records, polled.lost) == ((), {PLACE})
    assert [offsets(subscription) for _ in range(2)] == [[1, 2], [3]]


def test_a_partition_that_cannot_be_turned_back_yet_is_passed_over_until_it_can(broker: Broker) -> None:
    broker.troubles = iter(["", "revoked after", "committed", "", "committed", ""])  # type: ignore[arg-type]
    subscription = Subscription(Consumer(broker), (ESTIMATES,), "ward1.")
    assert [offsets(subscription) for _ in range(5)] == [[0, 1], [], [], [], [0, 1]]


def test_nothing_is_read_while_on_hold(broker: Broker) -> None:
    subscription = Subscription(Consumer(broker), (ESTIMATES,), "ward1.")
    subscription.hold()
    assert offsets(subscription) == []
    subscription.resume()
    assert offsets(subscription) == [0, 1]


def test_what_is_unread_is_counted_where_kafka_says(broker: Broker) -> None:
    subscription = Subscription(Consumer(broker), (ESTIMATES,), "ward1.")
    assert subscription.unread() == 4
    offsets(subscription)
    assert subscription.unread() == 2
    broker.troubles = iter(["ends"])
    assert subscription.unread() is None


def test_a_commit_that_is_not_answered_is_an_error(broker: Broker) -> None:
    broker.troubles = iter(["commit"])
    with pytest.raises(KafkaError):
        Subscription(Consumer(broker), (ESTIMATES,), "ward1.").commit({PLACE: 1})
    assert broker.committed == {}


@given(st.sets(st.integers(0, 5_000), max_size=1_500), st.integers(0, 4_000))
def test_what_is_left_undone_is_named_by_the_commit_or_comes_after_it(left: set[int], offset: int) -> None:
    broker = Broker(Clock())
    broker.add(PARTITION.topic, 0, b"a")
    Subscription(Consumer(broker), (ESTIMATES,), "ward1.", leaves=True).commit({PLACE: offset}, {PLACE: left})
    committed, metadata = broker.committed[PARTITION], broker.metadata[PARTITION]
    named = left_undone(OffsetAndMetadata(committed, metadata, -1))
    assert committed <= offset
    assert len(metadata) <= MOST_METADATA
    assert set(named) == {one for one in left if one < committed}
    assert committed == offset or len(metadata) > MOST_METADATA - 10


def test_what_was_left_undone_comes_again_and_of_the_rest_only_what_is_new(broker: Broker) -> None:
    first = Subscription(Consumer(broker), (ESTIMATES,), "ward1.", leaves=True)
    first.commit({PLACE: 3}, {PLACE: [0, 2]})
    again = Subscription(Consumer(broker), (ESTIMATES,), "ward1.", leaves=True)
    assert [offsets(again) for _ in range(3)] == [[], [0], [2, 3]]
    again.commit({PLACE: 1})
    assert (broker.committed, broker.metadata) == ({PARTITION: 3}, {PARTITION: ""})


def test_what_did_not_come_again_yet_stays_left_undone(broker: Broker) -> None:
    Subscription(Consumer(broker), (ESTIMATES,), "ward1.", leaves=True).commit({PLACE: 4}, {PLACE: [1, 3]})
    again = Subscription(Consumer(broker), (ESTIMATES,), "ward1.", leaves=True)
    assert [offsets(again) for _ in range(2)] == [[], [1]]
    again.commit({PLACE: 2})
    assert (broker.committed, broker.metadata) == ({PARTITION: 4}, {PARTITION: "left 3"})


def test_what_was_read_and_not_committed_comes_again_when_another_joins(kafka: str) -> None:
    prefix = f"joined-{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix, 2, (ESTIMATES,))
    producer = open_producer(kafka, acks="all")
    for number in range(20):
        producer.send(prefix + ESTIMATES, value=b"%d" % number, partition=number % 2)
    producer.flush()
    producer.close()
    told: dict[tuple[int, int], set[int]] = {}
    with ExitStack() as readers:

        def reader() -> Subscription:
            opened = open_consumer(kafka, group_id=f"{prefix}readers", auto_offset_reset="earliest")
            readers.callback(opened.close)
            return Subscription(opened, (ESTIMATES,), prefix)

        def read(number: int, subscription: Subscription) -> None:
            polled = subscription.poll(200)
            for _, partition in polled.lost:
                told.pop((number, partition), None)
            for record in polled.records:
                told.setdefault((number, record.partition), set()).add(record.offset)

        def both(two: list[Subscription]) -> bool:
            return {partition for one in two for _, partition in one.assigned()} == {0, 1} and all(
                one.assigned() for one in two
            )

        two, until = [reader()], time.monotonic() + 120
        while sum(map(len, told.values())) < 20 and time.monotonic() < until:
            read(0, two[0])
        two.append(reader())
        while (not both(two) or sum(map(len, told.values())) < 20) and time.monotonic() < until:
            for number, subscription in enumerate(two):
                read(number, subscription)
    assert sorted((partition, len(found)) for (_, partition), found in told.items()) == [(0, 10), (1, 10)]
    assert {number for number, _ in told} == {0, 1}


def test_a_real_broker_keeps_what_was_left_undone(kafka: str) -> None:
    prefix = f"left-{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix, 1, (ESTIMATES,))
    producer = open_producer(kafka, acks="all")
    for number in range(6):
        producer.send(prefix + ESTIMATES, value=b"%d" % number)
    producer.flush()
    producer.close()

    def read(count: int) -> tuple[list[int], Subscription, KafkaConsumer]:
        consumer = open_consumer(kafka, group_id=f"{prefix}readers", auto_offset_reset="earliest")
        subscription = Subscription(consumer, (ESTIMATES,), prefix, leaves=True)
        found, until = list[int](), time.monotonic() + 120
        while len(found) < count and time.monotonic() < until:
            found += offsets(subscription)
        return found, subscription, consumer

    found, first, consumer = read(6)
    assert found == list(range(6))
    first.commit({PLACE: 5}, {PLACE: [1, 2]})
    consumer.close()
    found, _, consumer = read(3)
    consumer.close()
    assert found == [1, 2, 5]
