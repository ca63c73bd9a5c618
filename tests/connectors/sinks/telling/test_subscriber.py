"""What a subscriber sends: all that is wanted, none twice, and what is refused holds up nothing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import pytest
from kafka import TopicPartition

from connectors.kafka.records import Record
from connectors.kafka.subscription import Subscription
from connectors.kafka.topics import ALERTS
from connectors.sinks.delivery import Delivery, Limits
from connectors.sinks.writer import BadItem, Unavailable
from tests import factories as make
from tests.connectors.sinks.fake_kafka import Broker, Clock, Consumer
from tests.connectors.sinks.telling.told import Told, alert
from twin.events import encode


class ByPatient(Told):
    together: ClassVar[Literal["no", "patient", "all"]] = "patient"


class AtOnce(Told):
    together: ClassVar[Literal["no", "patient", "all"]] = "all"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Told, [["a"], ["b"], ["c"]]), (ByPatient, [["a", "c"], ["b"]]), (AtOnce, [["a", "b", "c"]])],
)
def test_what_comes_together_is_told_as_the_subscriber_likes(kind: type[Told], expected: list[list[str]]) -> None:
    told = kind()
    told.write(told.take(alert(text="a"), alert("P-2", text="b"), alert(rule="tox.y", text="c")))
    assert told.texts() == expected


def test_what_is_no_alert_is_not_told_and_what_is_no_event_is_an_error() -> None:
    told = Told()
    assert told.items(Record(ALERTS, 0, 0, 0, b"P", encode(make.estimate("P-1", make.at(1))))) == []
    with pytest.raises(ValueError, match="field"):
        told.items(Record(ALERTS, 0, 0, 0, b"P", b"{}"))


def test_an_alert_that_comes_again_is_told_once() -> None:
    told = Told()
    first = told.take(alert(text="a"), alert("P-2", text="b"))
    told.failures = iter(["", "away"])
    with pytest.raises(Unavailable):
        told.write(first)
    told.write(first)
    assert told.texts() == [["a"], ["b"]]
    assert told.take(alert(text="a")) == []


def test_a_refused_message_is_named_and_the_others_are_sent() -> None:
    told = Told()
    with pytest.raises(BadItem) as refusal:
        told.write(told.take(alert(text="bad"), alert("P-2", text="b")))
    assert (refusal.value.refused, told.texts()) == ({0: "bad"}, [["b"]])


def test_a_refused_message_of_several_says_among_which_the_bad_one_is() -> None:
    told = ByPatient()
    with pytest.raises(BadItem) as refusal:
        told.write(told.take(alert("P-2", text="b"), alert(text="bad"), alert(rule="tox.y", text="c")))
    assert (refusal.value.refused, refusal.value.among) == ({}, {1, 2})


class Ward:
    """A subscriber over a broker in memory, from process to process."""

    def __init__(self, kind: type[Told], *texts: str, **given: Any) -> None:
        self.clock, self.kind, self.given = Clock(), kind, given
        self.broker = Broker(self.clock)
        self.letters: list[int] = []
        self.all_texts: list[list[str]] = []
        for number, text in enumerate(texts):
            severity = "high" if text.startswith("high") else "low"
            self.broker.add(ALERTS, 0, encode(alert(f"P-{number}", severity=severity, text=text)))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now, UTC)

    def process(self, until: float) -> None:
        """One process, which is gone after so many seconds."""
        told = self.kind(self.now, **self.given)
        consumer, stop = Consumer(self.broker), threading.Event()
        consumer.polled = lambda: stop.set() if self.clock.now >= until else None
        Delivery(
            "told", Subscription(consumer, (ALERTS,), leaves=True), told, self.put_aside,
            limits=Limits(seconds=0.1), now=self.clock, chance=lambda: 0.5,
        ).run(stop)  # fmt: skip
        self.all_texts += told.texts()

    def put_aside(self, record: Record, _reason: str, _detail: str) -> None:
        self.letters.append(record.offset)


def test_what_waits_for_the_morning_survives_a_restart_and_is_told_once() -> None:
    ward = Ward(Told, "a", "high b", "c", "high d", quiet_hours="00:00-00:03", flood=0)
    ward.process(until=110)
    assert ward.all_texts == [["high b"], ["high d"]]
    assert (ward.broker.committed, ward.broker.metadata) == (
        {TopicPartition(ALERTS, 0): 4}, {TopicPartition(ALERTS, 0): "left 0,2"},
    )  # fmt: skip
    ward.process(until=120)
    ward.process(until=182)
    assert ward.all_texts == [["high b"], ["high d"], ["a", "c"]]
    assert ward.broker.all_committed()


def test_one_bad_alert_of_a_summary_is_put_aside_and_the_others_are_told() -> None:
    ward = Ward(Told, "a", "bad", "c", quiet_hours="00:00-00:02", flood=0)
    ward.process(until=160)
    assert sorted(text for message in ward.all_texts for text in message) == ["a", "c"]
    assert ward.letters == [1]
    assert ward.broker.all_committed()


def test_a_message_that_the_receiver_alone_fails_at_is_put_aside_at_last() -> None:
    """Also where it comes first, and nothing else is read before it."""
    ward = Ward(Told, "fails", "good 1", "good 2", flood=0)
    ward.broker.most_at_once = 1
    ward.process(until=400)
    assert ward.letters == [0]
    assert ward.all_texts == [["good 1"], ["good 2"]]
    assert ward.broker.all_committed()
