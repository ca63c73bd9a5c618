"""The console's reader on a real broker: the whole past, then what comes, and no trace left behind."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from connectors.console.board import Board
from connectors.console.topic_reader import LONGEST_PAUSE, LiveBoard, TopicReader, read
from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS, VITALS, ensure_topics, topic_of
from connectors.services import LocalServices
from connectors.services.ports import free_ports
from tests import factories as make
from twin.events import Event, OutputEvent, Rejected, encode


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def prefix() -> str:
    return f"c{uuid.uuid4().hex[:8]}."


@pytest.fixture
def reading(kafka: str, prefix: str) -> Iterator[Callable[[], LiveBoard]]:
    """Starts a reader of the prefixed topics each time it is called."""
    readers: list[TopicReader] = []

    def start() -> LiveBoard:
        live = LiveBoard(Board())
        readers.append(TopicReader(live, kafka, prefix))
        readers[-1].start()
        return live

    yield start
    for reader in readers:
        reader.stop()


def publish(bootstrap: str, prefix: str, *events: OutputEvent | Rejected | bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for event in events:
        if isinstance(event, bytes):
            producer.send(prefix + ALERTS, event, key=b"P-1")
        else:
            producer.send(topic_of(event, prefix), encode(event), key=(event.patient_id or "").encode())
    producer.flush()
    producer.close()


def test_the_past_is_read_and_then_what_comes(kafka: str, prefix: str, reading: Callable[[], LiveBoard]) -> None:
    ensure_topics(kafka, prefix)
    publish(kafka, prefix, make.estimate("P-1"), make.alert("P-2"), make.rejected("P-3"))
    live = reading()
    assert eventually(lambda: live.status.state == "live")
    assert [row.id for row in live.ward().rows] == ["P-1", "P-2"]
    assert [letter.reason for letter in live.ward().refused or ()] == ["unknown_unit"]
    publish(kafka, prefix, make.alert("P-2", time=make.at(2), phase="end", revision=1, onset=make.at(0)))
    assert eventually(lambda: not live.ward().rows[1].alerts)
    assert (live.status.records, live.status.behind) == (4, 0)


def test_two_consoles_show_the_same_and_commit_nothing(
    kafka: str, prefix: str, reading: Callable[[], LiveBoard]
) -> None:
    ensure_topics(kafka, prefix)
    publish(kafka, prefix, *(make.estimate(f"P-{n}", make.at(h)) for n in range(5) for h in range(20)))
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        before = {each["group_id"] for each in admin.list_groups()}
        first, second = reading(), reading()
        assert eventually(lambda: first.status.state == "live" and second.status.state == "live")
        assert first.ward().rows == second.ward().rows
        assert len(first.patient("P-3").points) == 20
        for group in {each["group_id"] for each in admin.list_groups()} - before:  # of others, on the same broker
            assert prefix not in f"{admin.describe_groups([group])} {admin.list_group_offsets({group: None})}"


def test_of_sources_it_is_known_who_was_heard_and_not_what_they_said(
    kafka: str, prefix: str, reading: Callable[[], LiveBoard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.console.topic_reader.TAIL", 3)
    ensure_topics(kafka, prefix, 1)
    producer = KafkaProducer(bootstrap_servers=kafka)

    def say(*patients: str) -> None:
        for patient in patients:
            producer.send(prefix + VITALS, b"what only its twin can read", key=patient.encode())
        producer.flush()

    say("P-old", "P-1", "P-2", "P-1")
    live = reading()
    assert eventually(lambda: set(live.heard().heard) == {"P-1", "P-2"})
    assert (live.status.state, live.status.records) == ("live", 0)
    say("P-3")
    assert eventually(lambda: "P-3" in live.heard().heard)
    producer.close()
    at = live.heard().heard["P-3"]["vitals"]
    assert abs(at - time.time() * 1000) < 60_000
    assert "P-old" not in live.heard().heard, "only the end of the topic is read"


def test_what_is_no_event_is_counted_and_the_rest_goes_on(
    kafka: str, prefix: str, reading: Callable[[], LiveBoard]
) -> None:
    ensure_topics(kafka, prefix)
    publish(kafka, prefix, b"\xff\xfe", b"{}", b'{"kind": "alert"}', b"", make.alert("P-1"))
    live = reading()
    assert eventually(lambda: live.status.records == 5)
    assert live.status.undecodable == 4
    assert [row.id for row in live.ward().rows] == ["P-1"]
    assert [letter.reason for letter in live.ward().refused or ()] == ["bad_output"] * 4


def test_topics_that_come_later_are_waited_for_and_not_made(
    kafka: str, prefix: str, reading: Callable[[], LiveBoard]
) -> None:
    live = reading()
    assert eventually(lambda: live.status.state == "waiting")
    assert f"{prefix}twin.advice does not exist" in live.status.detail
    assert set(ensure_topics(kafka, prefix)) >= {f"{prefix}twin.estimates"}, "the reader had made a topic"
    publish(kafka, prefix, make.estimate("P-1"))
    assert eventually(lambda: len(live.board) == 1)


def test_a_missing_broker_is_said_and_tried_again_ever_more_slowly() -> None:
    waits: list[float] = []
    enough = threading.Event()

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 7:
            enough.set()
            reader._stopping.set()

    live = LiveBoard(Board())
    reader = TopicReader(live, f"127.0.0.1:{free_ports(1)[0]}", pause=pause)
    reader.start()
    assert enough.wait(60)
    reader.stop()
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_PAUSE, LONGEST_PAUSE]
    assert live.status.state == "stopped"


@pytest.mark.usefixtures("kafka")
def test_a_broker_that_goes_away_is_noticed_and_does_not_hold_up_the_end(tmp_path: Path, prefix: str) -> None:
    live = LiveBoard(Board())
    with LocalServices(tmp_path, ephemeral=True) as servers:
        bootstrap = servers.start_kafka()
        ensure_topics(bootstrap, prefix)
        publish(bootstrap, prefix, make.estimate("P-1"))
        reader = TopicReader(live, bootstrap, prefix)
        reader.start()
        assert eventually(lambda: live.status.state == "live")
    assert eventually(lambda: live.status.state == "unreachable", seconds=4.5), "a page says so within five seconds"
    assert len(live.ward().rows) == 1
    started = time.monotonic()
    reader.stop()
    assert live.status.state == "stopped"
    assert time.monotonic() - started < 4.5


def test_a_position_that_only_a_leader_could_confirm_is_not_waited_for() -> None:
    class LeaderGone:
        """As kafka-python's consumer is between two leaders: without a limit ``position`` takes half a minute."""

        def position(self, partition: str, timeout_ms: float | None = None) -> int | None:
            assert timeout_ms == 0
            return 7 if partition == "known" else None

        def highwater(self, _: str) -> None:
            return None

    live = LiveBoard(Board())
    reader = TopicReader(live, "127.0.0.1:1")
    reader._answered, reader._answered_at = True, time.monotonic()
    reader._locate(LeaderGone(), ["known", "unknown"], {"known": 7, "unknown": 2})
    assert (live.status.state, live.status.behind) == ("rebuilding", 2)


def test_the_topic_tells_a_dead_letter_from_an_event() -> None:
    def says(topic: str, event: OutputEvent | Rejected) -> Event:
        return read(Record(topic, 1, 7, 0, b"P-1", encode(event)))

    letter = make.rejected()
    assert says("twin.rejected", letter) == letter
    assert says("twin.alerts", make.alert()) == make.alert()
    refused = says("twin.alerts", letter)
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.topic, refused.offset) == ("bad_output", "twin.alerts", 7)
