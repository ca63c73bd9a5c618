"""A heartbeat is sent when it is due and everybody is there, and it never holds up an alert."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.kafka.clients import KafkaUnreachable
from connectors.kafka.heartbeats import LastBeat
from connectors.sinks.telling.heartbeat import (
    AGAIN,
    Heart,
    NobodyThere,
    StillHere,
    Workers,
    clock_time,
    daily,
    every,
    judged,
)
from connectors.sinks.writer import AccessDenied, BadItem, Unavailable
from tests import factories as make
from tests.connectors.sinks.telling.told import NOON, Told, alert

HERE = Workers(2, 5, 12.5, 2)


def beats(*ages: float, **changes: str) -> tuple[LastBeat, ...]:
    return tuple(
        LastBeat(make.heartbeat(number, partitions=2, lag=number, **changes), age) for number, age in enumerate(ages)
    )


class Desk:
    """A heart whose clock, workers and receiver are as told."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.now, self.said = NOON, list[StillHere]()
        self.away: Exception | None = None
        self.refuses: Exception | None = None
        due = every(timedelta(minutes=5))
        self.heart = Heart(due, self._look, self._say, lambda: self.now, at_once=at_once)

    def _look(self) -> Workers:
        if self.away is not None:
            raise self.away
        return HERE

    def _say(self, still: StillHere) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.said.append(still)

    def beat(self, minutes: float = 0.0) -> int:
        self.now += timedelta(minutes=minutes)
        self.heart.beat()
        return len(self.said)


def test_everybody_is_there_when_each_partition_has_a_worker_that_lives() -> None:
    assert judged(beats(0.5, 29.0)) == Workers(2, 1, 12.5, 2)


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        ((), "no worker has been heard of"),
        (beats(0.5), "partition 1"),
        (beats(0.5, 31.0), "partition 1"),
        (beats(0.5, 0.5, state="stopped"), "partition 0, 1"),
        (beats(0.5, 0.5, state="stuck"), "partition 0, 1"),
    ],
)
def test_who_is_not_there_is_named(heard: tuple[LastBeat, ...], says: str) -> None:
    with pytest.raises(NobodyThere, match=says):
        judged(heard)


def test_it_comes_at_once_and_then_every_so_often_with_what_was_told_since() -> None:
    desk = Desk()
    desk.heart.told = 3
    assert [desk.beat(), desk.beat(4.9), desk.beat(0.1)] == [1, 1, 2]
    assert [still.told for still in desk.said] == [3, 0]
    assert desk.said[0] == StillHere(NOON, HERE, 3)
    later = Desk(at_once=False)
    assert [later.beat(), later.beat(5)] == [0, 1]


@pytest.mark.parametrize("error", [NobodyThere("nobody"), KafkaUnreachable("nowhere:1", "away")])
def test_while_somebody_is_not_there_none_is_sent(error: Exception) -> None:
    desk = Desk()
    desk.away = error
    assert [desk.beat(), desk.beat(9)] == [0, 0]
    desk.away = None
    assert desk.beat(AGAIN / timedelta(minutes=1)) == 1


def test_a_receiver_that_is_away_gets_the_next_one_and_one_that_refuses_it_is_not_asked_at_once() -> None:
    for error in (Unavailable("away"), AccessDenied("HTTP 403")):
        desk = Desk()
        desk.refuses = error
        assert desk.beat() == 0
        desk.refuses = None
        assert [desk.beat(), desk.beat(1)] == [0, 1]
    desk.refuses = BadItem("HTTP 422")
    assert desk.beat(5) == 1
    desk.refuses = None
    assert [desk.beat(4), desk.beat(1)] == [1, 2]


@pytest.mark.parametrize(
    ("last", "now", "wanted"),
    [
        ("2026-01-05T05:00Z", "2026-01-05T05:59Z", False),
        ("2026-01-05T05:00Z", "2026-01-05T06:00Z", True),
        ("2026-01-05T06:00Z", "2026-01-06T05:59Z", False),
        ("2026-01-05T06:30Z", "2026-01-06T06:10Z", True),
        ("2026-03-28T07:00Z", "2026-03-29T05:00Z", True),  # the first day of summer time
    ],
)
def test_a_day_has_one_at_its_time_by_the_clock_on_the_wall(last: str, now: str, wanted: bool) -> None:
    due = daily(time(7), ZoneInfo("Europe/Berlin"))
    assert due(*(datetime.fromisoformat(said).astimezone(UTC) for said in (last, now))) is wanted


@pytest.mark.parametrize("said", ["7", "25:00", "07:00:00", "soon", ""])
def test_what_is_no_time_of_day_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="07:00"):
        clock_time(said)


def test_a_subscriber_counts_what_it_told_since_the_last() -> None:
    told, desk = Told(), Desk()
    told.refresh()
    told.heart = desk.heart
    told.write(told.take(alert(), alert("P-2")))
    told.refresh()
    assert [still.told for still in desk.said] == [2]
