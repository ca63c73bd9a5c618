"""What stands is said again before it would end, what ends is said once, and Alertmanager takes all of it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from connectors.kafka.clients import open_producer
from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS, ensure_topics, topic_of
from connectors.settings import Settings as Surroundings
from connectors.sinks import open_sink, sinks
from connectors.sinks.delivery import Delivery
from connectors.sinks.subscribers.alertmanager import Alertmanager, Settings, labels
from connectors.sinks.writer import BadItem, Unavailable
from tests import alertmanager
from tests import factories as make
from tests.connectors.console.bench import eventually
from twin.events import Alert, AlertCause, encode

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Desk:
    """A writer over an Alertmanager that answers as told, and a clock."""

    def __init__(self, **given: Any) -> None:
        self.now, self.posts, self.status = NOW, list[list[dict[str, Any]]](), 200
        client = httpx2.Client(transport=httpx2.MockTransport(self._answer))
        self.writer = Alertmanager(Settings(expires_minutes=15, **given), client, lambda: self.now)
        self.kept: list[Alert] = []

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        said = json.loads(request.content)
        if any(one["annotations"]["summary"] == "bad" for one in said):
            return httpx2.Response(400, text="bad label")
        if self.status == 200:
            self.posts.append(said)
        return httpx2.Response(self.status)

    def tell(self, *alerts: Alert) -> None:
        """Records come: as the delivery does it, until nothing is left but what is for later."""
        for alert in alerts:
            self.kept += self.writer.items(Record(ALERTS, 0, 0, 0, b"", encode(alert)))
        self.poll()

    def poll(self) -> None:
        later = set(self.writer.later(self.kept))
        self.writer.refresh()
        over = [one for place, one in enumerate(self.kept) if place not in later]
        self.kept = [one for place, one in enumerate(self.kept) if place in later]
        if over:
            self.writer.write(over)

    def said(self) -> list[tuple[str, str, float]]:
        """Patient, severity and minutes until the end, of all that was posted since the last look."""
        posts, self.posts = self.posts, []
        ends = [(one, datetime.fromisoformat(one["endsAt"])) for post in posts for one in post]
        return [
            (one["labels"]["patient"], one["labels"]["severity"], (end - self.now) / timedelta(minutes=1))
            for one, end in ends
        ]


def alert(patient: str = "P-1", revision: int = 0, **given: Any) -> Alert:
    return make.alert(patient, NOW, revision=revision, onset=NOW - timedelta(hours=1), **given)


def test_what_stands_is_said_again_at_a_third_of_the_time_it_lasts() -> None:
    desk = Desk()
    desk.tell(alert())
    assert desk.said() == [("P-1", "high", 15)]
    desk.now += timedelta(minutes=4)
    desk.poll()
    assert desk.said() == []
    desk.now += timedelta(minutes=1)
    desk.poll()
    assert desk.said() == [("P-1", "high", 15)]
    desk.tell(alert(revision=1, phase="update"))
    assert len(desk.said()) == 1
    assert [one.revision for one in desk.kept] == [1], "the record of before is done"


@pytest.mark.parametrize("phase", ["end", "withdrawn"])
def test_what_is_over_is_said_once_and_never_again(phase: Any) -> None:
    desk = Desk()
    desk.tell(alert())
    desk.said()
    desk.now += timedelta(minutes=2)
    desk.tell(alert(revision=1, phase=phase))
    assert desk.said() == [("P-1", "high", -2)]
    desk.now += timedelta(hours=1)
    desk.poll()
    desk.tell(alert())
    assert desk.said() == [], "a record that comes again does not raise it anew"


def test_what_came_and_went_unheard_is_not_raised() -> None:
    desk = Desk()
    desk.tell(alert(), alert(revision=1, phase="end"))
    assert [minutes <= 0 for _, _, minutes in desk.said()] == [True]
    assert desk.kept == []


def test_another_severity_ends_the_alert_of_before() -> None:
    desk = Desk()
    desk.tell(alert(severity="medium"))
    desk.said()
    desk.tell(alert(revision=1, phase="escalate"))
    assert desk.said() == [("P-1", "medium", 0), ("P-1", "high", 15)]


def test_what_is_shelved_or_inhibited_ends_there_and_comes_back() -> None:
    desk = Desk()
    desk.tell(alert(), alert("P-2"))
    desk.said()
    desk.tell(alert(revision=1, phase="shelved", shelved_until=NOW + timedelta(hours=1)))
    desk.tell(alert("P-2", revision=1, phase="inhibited", inhibited_by=AlertCause("delivery.overinfusion", "a-1")))
    assert desk.said() == [("P-1", "high", 0), ("P-2", "high", 0)]
    desk.now += timedelta(minutes=61)
    desk.poll()
    assert desk.said() == [("P-1", "high", 15)]


def test_times_are_such_that_no_call_is_refused_for_them() -> None:
    desk = Desk()
    desk.tell(make.alert("P-1", NOW + timedelta(days=90), onset=NOW + timedelta(days=89)))
    desk.tell(make.alert("P-2", NOW - timedelta(days=90), phase="end", revision=1, onset=NOW - timedelta(days=80)))
    for one in (one for post in desk.posts for one in post):
        assert NOW >= datetime.fromisoformat(one["startsAt"]) <= datetime.fromisoformat(one["endsAt"])


def test_one_that_is_refused_holds_nobody_up() -> None:
    desk = Desk()
    desk.tell(*(alert(f"P-{n}", text="bad" if n == 3 else "good") for n in range(7)))
    with pytest.raises(BadItem) as refusal:
        desk.poll()
    assert refusal.value.refused == {0: "HTTP 400: bad label"}
    assert {patient for patient, _, _ in desk.said()} == {f"P-{n}" for n in range(7) if n != 3}


def test_what_could_not_be_said_is_due_until_it_is() -> None:
    desk = Desk()
    desk.status = 503
    with pytest.raises(Unavailable):
        desk.tell(alert())
    desk.status = 200
    desk.poll()
    assert desk.said() == [("P-1", "high", 15)]


def test_only_what_is_wanted_is_told() -> None:
    desk = Desk(rules="data.*", lowest_severity="medium")
    desk.tell(alert(), alert("P-2", rule="data.dropout"), alert("P-3", rule="data.dropout", severity="low"))
    assert [patient for patient, _, _ in desk.said()] == ["P-2"]


def test_labels_stay_and_a_link_leads_to_the_patient() -> None:
    desk = Desk(console="http://ward.example:8500/")
    desk.tell(alert(), alert(revision=1, phase="update", probability=0.9, text="worse"))
    (said,) = [one for post in desk.posts for one in post]
    assert said["labels"] == labels(alert())
    assert said["annotations"]["summary"] == "worse"
    assert said["generatorURL"] == "http://ward.example:8500/#patient/P-1"


@contextmanager
def carried(settings: Surroundings, its: Settings) -> Iterator[Delivery[Any]]:
    """The sink at work."""
    (sink,) = (one for one in sinks().offers if one.SINK == "alertmanager")
    stop = threading.Event()
    with open_sink(sink, settings, its) as delivery:
        thread = threading.Thread(target=delivery.run, args=(stop,))
        thread.start()
        try:
            yield delivery
        finally:
            stop.set()
            thread.join(alertmanager.PATIENCE)
            assert not thread.is_alive()


def test_the_real_one_is_told_of_raising_end_and_withdrawal_across_a_restart(
    kafka: str, alerts_there: alertmanager.Alertmanager
) -> None:
    name = uuid.uuid4().hex[:8]
    settings = Surroundings(kafka=kafka, topic_prefix=f"a{name}.", partitions=2)
    ensure_topics(kafka, settings.topic_prefix, settings.partitions)
    producer = open_producer(kafka, acks="all")

    def tell(*alerts: Alert) -> None:
        for one in alerts:
            producer.send(topic_of(one, settings.topic_prefix), key=one.patient_id.encode(), value=encode(one))
        producer.flush()

    def step(patient: int, revision: int, **given: Any) -> Alert:
        return make.alert(f"P-{name}-{patient}", make.at(revision), revision=revision, onset=make.at(0), **given)

    ids = [step(n, 0).alert_id for n in range(4)]
    its = Settings(url=alerts_there.url, expires_minutes=0.1)

    def there() -> set[str]:
        return set(alerts_there.standing()) & set(ids)

    with carried(settings, its) as delivery:
        tell(*(step(n, 0) for n in range(4)))
        eventually(lambda: there() == set(ids))
        tell(step(0, 1, phase="end"), step(1, 1, phase="withdrawn", text="the count was corrected"))
        eventually(lambda: there() == set(ids[2:]))
        eventually(lambda: delivery.summary()["events"] == 4)
    eventually(lambda: not there())  # nobody says any more that they stand
    tell(step(2, 1, phase="end"))
    with carried(settings, its):
        eventually(lambda: there() == {ids[3]})
        first = alerts_there.standing()[ids[3]]["endsAt"]
        eventually(lambda: alerts_there.standing()[ids[3]]["endsAt"] > first)
    told = alerts_there.receiver
    eventually(lambda: ("resolved", "withdrawn", "the count was corrected") in told.of(ids[1]))
    assert told.of(ids[1])[0][0] == "firing"
    producer.close()
