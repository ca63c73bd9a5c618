"""Publishing to a real Kafka: every event on its topic under its patient, paced, and nothing lost unnoticed."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.future import Future
from kafka.partitioner.default import murmur2
from kafka.structs import TopicPartition

import connectors.kafka.publish as publishing
from connectors.feeds.ward.ward import WARD_MODELS, SimulatedWard, named_models
from connectors.kafka.clients import KafkaUnreachable
from connectors.kafka.feed_metrics import FeedMetrics
from connectors.kafka.publish import Published, Throttle, publish
from connectors.kafka.topics import INPUT_BYTES, INPUTS, ensure_topics, topic_of
from twin.events import Clock, InputEvent, PlannedDose, Quantity, RegimenPlanned, decode

START = datetime(2026, 1, 1, tzinfo=UTC)
PARTITIONS = 4


@pytest.fixture
def prefix(kafka: str) -> str:
    name = f"pub-{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, name, PARTITIONS)
    return name


def clock(number: int) -> Clock:
    return Clock(
        event_id=f"c{number}", patient_id=f"P-{number % 7}", time=START + timedelta(hours=number), source="test"
    )


def consumed(bootstrap: str, prefix: str) -> list[ConsumerRecord]:
    """Every record on the input topics."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        parts = [TopicPartition(prefix + topic, n) for topic in INPUTS for n in range(PARTITIONS)]
        consumer.assign(parts)
        left = sum(consumer.end_offsets(parts).values())
        consumer.seek_to_beginning(*parts)
        records: list[ConsumerRecord] = []
        while len(records) < left:
            for batch in consumer.poll(timeout_ms=1000).values():
                records += batch
        return records
    finally:
        consumer.close()


def test_a_ward_arrives_whole_keyed_by_patient_on_its_topics(kafka: str, prefix: str) -> None:
    ward = SimulatedWard(named_models(WARD_MODELS), 5, START, seed=9, days=0.5, vitals_every=300.0)
    arrivals = list(ward.arrivals())
    seen: list[int] = []
    result = publish(kafka, arrivals, prefix, progress=seen.append)
    assert result.complete
    assert not result.stopped
    assert result.confirmed == len(arrivals) == seen[-1]
    records = consumed(kafka, prefix)
    assert Counter(record.topic for record in records) == result.by_topic
    found = {}
    for record in records:
        event = decode(record.value)
        found[event.event_id] = event
        assert record.key == event.patient_id.encode()
        assert record.topic == topic_of(event, prefix)
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS
    assert found == {arrival.event.event_id: arrival.event for arrival in arrivals}


def test_events_of_a_patient_stay_in_order_on_a_topic(kafka: str, prefix: str) -> None:
    publish(kafka, [(None, clock(n)) for n in range(2000)], prefix)
    last: dict[bytes, int] = {}
    for record in consumed(kafka, prefix):
        number = int(decode(record.value).event_id[1:])
        assert number > last.get(record.key, -1)
        last[record.key] = number
    assert sorted(last.values()) == list(range(1993, 2000))


def test_publishing_stops_when_asked_and_confirms_what_was_sent(kafka: str, prefix: str) -> None:
    stop = threading.Event()

    def endless() -> Iterator[tuple[int | None, InputEvent]]:
        number = 0
        while True:
            if number == 50:
                stop.set()
            yield None, clock(number)
            number += 1

    result = publish(kafka, endless(), prefix, stop=stop)
    assert result == Published(50, {}, {f"{prefix}twin.commands": 50}, stopped=True)
    assert len(consumed(kafka, prefix)) == 50


def test_an_event_that_the_broker_will_not_take_is_counted_and_the_others_arrive(kafka: str, prefix: str) -> None:
    dose = PlannedDose(time=START, amount=Quantity(value=1.0, unit="mg"))
    huge = RegimenPlanned.model_construct(
        event_id="huge", patient_id="P-1", time=START, source="x" * (INPUT_BYTES + 1), drug="drug", doses=(dose,)
    )
    result = publish(kafka, [(None, clock(1)), (None, huge), (None, clock(2))], prefix)
    assert result.failed == {"MessageSizeTooLargeError": 1}
    assert not result.complete
    assert result.confirmed == 2
    assert [decode(record.value).event_id for record in consumed(kafka, prefix)] == ["c1", "c2"]


def test_where_a_topic_is_missing_every_event_is_counted_as_failed(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "BLOCKED_MS", 1500)
    result = publish(kafka, [(None, clock(1))], "nowhere-")
    assert sum(result.failed.values()) == 1
    assert result.confirmed == 0


def test_an_error_of_the_source_is_passed_on_and_what_was_sent_arrives(kafka: str, prefix: str) -> None:
    def broken() -> Iterator[tuple[int | None, InputEvent]]:
        yield None, clock(1)
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        publish(kafka, broken(), prefix)
    assert len(consumed(kafka, prefix)) == 1


def test_where_no_broker_answers_the_error_says_how_to_get_one() -> None:
    with pytest.raises(KafkaUnreachable, match=r"no Kafka answers at 127\.0\.0\.1:1 .*dosetwin services up"):
        publish("127.0.0.1:1", [(None, clock(1))])


# --- a broker that goes away ------------------------------------------------------------------------------------------


class Deaf:
    """A producer that takes ``room`` records and confirms none, as after a restart of the broker."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._sender = SimpleNamespace(force_close=self.give_up)
        self.futures: list[Future] = []

    def send(self, topic: str, value: bytes, key: bytes) -> Future:  # noqa: ARG002
        if self.room == 0:
            time.sleep(publishing.SLICE_SECONDS)
            raise KafkaTimeoutError("no room")
        self.room -= 1
        self.futures.append(Future())
        return self.futures[-1]

    def give_up(self) -> None:
        for future in self.futures:
            future.failure(KafkaError("closed"))

    def close(self, timeout: float) -> None:
        """Nothing to close."""


class Willing(Deaf):
    """One that confirms all it takes."""

    def send(self, topic: str, value: bytes, key: bytes) -> Future:
        future = super().send(topic, value, key)
        future.success(SimpleNamespace(topic=topic))
        return future


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a test's length."""
    for name, value in {"SLICE_SECONDS": 0.02, "STOPPED_SECONDS": 0.05, "STUCK_SECONDS": 0.1}.items():
        monkeypatch.setattr(publishing, name, value)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("room", [0, 3, 10_000], ids=["no room", "too many on their way", "all sent"])
@pytest.mark.parametrize("answers", [True, False])
def test_a_stop_ends_every_wait_for_a_broker_that_confirms_nothing(
    room: int, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "open_producer", lambda *_, **__: Deaf(room))
    monkeypatch.setattr(publishing, "broker_answers", lambda _: answers)
    monkeypatch.setattr(publishing, "MOST_IN_FLIGHT", 3 if room == 3 else 10_000)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    result = publish("nobody", [(None, clock(n)) for n in range(100)], stop=stop)
    assert time.monotonic() - began < 5
    assert not result.complete
    assert result.confirmed == 0


@pytest.mark.usefixtures("quick")
def test_a_broker_that_confirms_nothing_ends_publishing_even_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "open_producer", lambda *_, **__: Deaf(3))
    monkeypatch.setattr(publishing, "broker_answers", lambda _: False)
    monkeypatch.setattr(publishing, "MOST_IN_FLIGHT", 3)
    monkeypatch.setattr(publishing, "PATIENCE_SECONDS", 0.2)
    result = publish("nobody", [(None, clock(n)) for n in range(100)])
    assert result.failed == {"unconfirmed": 3}
    assert result.stopped


@pytest.mark.usefixtures("quick")
def test_what_becomes_of_events_is_counted_and_one_that_is_renewed_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    producers = iter([Deaf(3), Willing(10_000)])
    monkeypatch.setattr(publishing, "open_producer", lambda *_, **__: next(producers))
    monkeypatch.setattr(publishing, "broker_answers", lambda _: True)
    monkeypatch.setattr(publishing, "MOST_IN_FLIGHT", 3)
    metrics = FeedMetrics()
    publish("nobody", [(None, clock(n)) for n in range(20)], metrics=metrics)
    assert metrics.registry.get_sample_value("dosetwin_feed_events_total", {"topic": "twin.commands"}) == 20.0
    assert metrics.registry.get_sample_value("dosetwin_feed_in_flight_records") == 0.0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("room", [0, 3], ids=["no room", "too many on their way"])
def test_another_producer_takes_over_from_one_that_is_stuck(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    producers = iter([Deaf(room), Willing(10_000)])
    monkeypatch.setattr(publishing, "open_producer", lambda *_, **__: next(producers))
    monkeypatch.setattr(publishing, "broker_answers", lambda _: True)
    monkeypatch.setattr(publishing, "MOST_IN_FLIGHT", 3)
    result = publish("nobody", [(None, clock(n)) for n in range(100)])
    assert result == Published(100, {}, {"twin.commands": 100}, stopped=False)


# --- pace ------------------------------------------------------------------------------------------------------------


class Hands:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps = 0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.naps += 1


def test_simulated_time_passes_at_the_given_speed() -> None:
    hands, stop = Hands(), threading.Event()
    throttle = Throttle(600.0, lambda: hands.now, hands.sleep)
    due = []
    for millis in (1_000_000, 1_000_000, 1_060_000, 4_600_000):
        throttle.wait(millis, stop)
        due.append(round(hands.now - 100.0, 6))
    assert due == [0.0, 0.0, 0.1, 6.0]


def test_a_late_event_is_not_waited_for() -> None:
    hands = Hands()
    throttle = Throttle(1.0, lambda: hands.now, hands.sleep)
    throttle.wait(0, threading.Event())
    hands.now += 10
    throttle.wait(5_000, threading.Event())
    assert hands.naps == 0
    assert throttle.due_in(12_000) == pytest.approx(2.0)


def test_waiting_ends_when_asked_to_stop() -> None:
    hands, stop = Hands(), threading.Event()

    def sleep(seconds: float) -> None:
        hands.sleep(seconds)
        if hands.naps == 3:
            stop.set()

    throttle = Throttle(1.0, lambda: hands.now, sleep)
    throttle.wait(0, stop)
    throttle.wait(3_600_000, stop)
    assert hands.naps == 3


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"speed .*: must be above 0"):
        Throttle(speed)
