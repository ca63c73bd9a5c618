"""Whatever order the partitions were read in, and however often a client comes back, it is told each alert once."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.console.alert_log import AT_ONCE, AlertLog, Follower, Place, Told
from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS
from tests import factories as make
from twin.events import Alert

PARTITIONS = 3


@functools.cache
def alert_of(partition: int, offset: int, state: str = "active") -> Alert:
    return make.alert(f"P-{partition}", make.at(offset), state=state, revision=offset, onset=make.at(0))


def fill(log: AlertLog, order: Sequence[int], state: str = "active") -> None:
    """Read one record of each partition that is named, in turn."""
    for partition in order:
        offset = log.ends[partition]
        log.take(Record(ALERTS, partition, offset, 0, b"", b""), alert_of(partition, offset, state))


def opened(order: Sequence[int] = (), most: int = 1000, name: str = "topic-1") -> AlertLog:
    log = AlertLog(most)
    log.open(name, dict.fromkeys(range(PARTITIONS), 0))
    fill(log, order)
    return log


def said(told: Sequence[Told]) -> list[tuple[str, int]]:
    """Patient and revision of the alerts."""
    alerts = (json.loads(one.text) for one in told if one.kind == "alert")
    return [(alert["patient_id"], alert["revision"]) for alert in alerts]


def kinds(told: Sequence[Told]) -> list[str]:
    return [one.kind for one in told]


ORDERS = st.lists(st.integers(0, PARTITIONS - 1), min_size=1, max_size=30)


@given(first=ORDERS, later=ORDERS, cut=st.integers(1, 30), shuffled=st.randoms(use_true_random=False))
def test_a_client_that_comes_back_to_another_console_is_told_the_rest_once(
    first: list[int], later: list[int], cut: int, shuffled: object
) -> None:
    start = Place("topic-1", (0,) * PARTITIONS)
    heard = Follower(opened(first), start).next(up_to_date=True)
    had = [one for one in heard if one.kind == "alert"][:cut]
    again = first + later
    shuffled.shuffle(again)  # type: ignore[attr-defined]
    rest = Follower(opened(again), Place.read(had[-1].place)).next(up_to_date=True)
    everything = [(f"P-{p}", n) for p in range(PARTITIONS) for n in range((first + later).count(p))]
    assert sorted(said(had) + said(rest)) == everything
    assert kinds(rest)[-1] == "ready"


@given(order=ORDERS, most=st.integers(1, 20), at=st.lists(st.integers(0, 10), min_size=3, max_size=3))
def test_what_is_forgotten_is_told_as_a_gap_and_what_stands_of_it_follows(
    order: list[int], most: int, at: list[int]
) -> None:
    log = opened(order, most)
    follower = Follower(log, Place("topic-1", tuple(min(n, end) for n, end in zip(at, log.ends, strict=True))))
    told = follower.next(up_to_date=True)
    newest = {(f"P-{p}", end - 1) for p, end in enumerate(log.ends) if end}
    behind = {(name, n) for name, n in newest if at[int(name[2:])] <= n}
    assert behind <= set(said(told))
    missing = sum(max(begin - mine, 0) for begin, mine in zip(log.begins, at, strict=True))
    gaps = [json.loads(one.text) for one in told if one.kind == "gap"]
    assert [gap["at_most"] for gap in gaps] == ([missing] if missing else [])
    assert all(kind != "gap" for kind in kinds(told)[1:]), "it is told first"
    assert follower.next(up_to_date=True) == []


def test_a_new_client_is_told_what_stands_and_then_what_comes() -> None:
    log = opened([0, 1, 0])
    fill(log, [1], state="resolved")
    follower = Follower(log, None)
    assert follower.next(up_to_date=False) == []
    assert follower.place == ""
    told = follower.next(up_to_date=True)
    assert (said(told), kinds(told)) == ([("P-0", 1)], ["alert", "ready"])
    assert [one.place for one in told] == ["", "topic-1:2,2,0"], "cut off before the end it begins anew"
    fill(log, [2])
    assert [one.place for one in follower.next(up_to_date=True)] == ["topic-1:2,2,1"]


def test_a_place_ahead_of_a_console_that_still_reads_is_waited_for() -> None:
    log = opened([0])
    follower = Follower(log, Place("topic-1", (2, 0, 0)))
    assert follower.next(up_to_date=False) == []
    fill(log, [0, 0])
    assert said(follower.next(up_to_date=True)) == [("P-0", 2)]


@pytest.mark.parametrize("place", ["topic-0:1,0,0", "topic-1:9,0,0", "topic-1:0,0,0,0"])
def test_a_place_in_another_topic_is_a_gap_and_begins_anew(place: str) -> None:
    told = Follower(opened([0, 0]), Place.read(place)).next(up_to_date=True)
    assert kinds(told) == ["gap", "alert", "ready"]
    assert json.loads(told[0].text)["reason"] == "other_log"


def test_a_topic_that_is_made_anew_under_a_client_is_told() -> None:
    log = opened([0, 1])
    follower = Follower(log, None)
    follower.next(up_to_date=True)
    log.open("topic-2", dict.fromkeys(range(PARTITIONS), 0))
    assert kinds(follower.next(up_to_date=False)) == ["gap"]
    fill(log, [2])
    assert said(follower.next(up_to_date=True)) == [("P-2", 0)]


def test_what_kafka_deleted_before_it_was_read_is_a_gap() -> None:
    log = opened([0, 0])
    follower = Follower(log, Place("topic-1", (1, 0, 0)))
    log.open("topic-1", {0: 7, 1: 0, 2: 0})
    told = follower.next(up_to_date=True)
    assert kinds(told) == ["gap", "alert", "ready"]
    assert json.loads(told[0].text)["at_most"] == 6
    assert told[-1].place == "topic-1:7,0,0"


def test_a_client_is_told_a_part_at_a_time_and_what_it_does_not_want_is_passed_over() -> None:
    log = opened([0, 1] * 3 * AT_ONCE, most=10 * AT_ONCE)
    start = Place("topic-1", (0, 0, 0))
    follower = Follower(log, start, lambda alert: alert.patient_id == "P-1")
    parts = [follower.next(up_to_date=True) for _ in range(5)]
    assert said([one for part in parts for one in part]) == [("P-1", n) for n in range(3 * AT_ONCE)]
    assert max(map(len, parts)) <= 2 * AT_ONCE
    nobody = Follower(log, start, lambda _: False)
    assert kinds(nobody.next(up_to_date=True)) == ["ready"]
    assert nobody.place == f"topic-1:{3 * AT_ONCE},{3 * AT_ONCE},0", "where it goes on though it was told nothing"


def test_a_record_that_was_read_before_is_not_told_again() -> None:
    log = opened([0, 0])
    log.take(Record(ALERTS, 0, 1, 0, b"", b""), alert_of(0, 1))
    log.take(Record(ALERTS, 0, 2, 0, b"", b"no alert"), None)
    assert (len(log.since(0, 10)), log.ends) == (2, [3, 0, 0])


@pytest.mark.parametrize("text", ["", "x", "a:", "a:1,", "a:-1", "a:1,x", "a b:1", "a:" + "9" * 30, "a:1\n", "ä:1"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape("is no id of this stream: send the last one that came, or none")):
        Place.read(text)


def test_of_more_alerts_that_stand_than_are_kept_the_newest_words_are() -> None:
    log = AlertLog(5, standing=5)
    log.open("topic-1", {0: 0})
    for offset in range(20):
        alert = make.alert("P-1", make.at(offset))
        log.take(Record(ALERTS, 0, offset, 0, b"", b""), alert)
    with log.lock:
        assert [entry.offset for entry in log.standing()] == [15, 16, 17, 18, 19]
        assert len(log.since(0, 100)) <= 5 + 1
