"""The loop under every sink: whatever fails, every record is written or put aside, in order, and then committed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaTimeoutError

from connectors.kafka.records import ONLY_FOR, Record
from connectors.kafka.subscription import Subscription, left_undone
from connectors.kafka.topics import ALERTS, ESTIMATES, REJECTED
from connectors.sinks.delivery import (
    COMMIT_SECONDS,
    LONGEST_ASKED,
    LONGEST_DELAY,
    LONGEST_POLL,
    STOP_SECONDS,
    Delivery,
    Limits,
    consumer_group,
    delays,
)
from connectors.sinks.writer import AccessDenied, BadItem, TooSlow, Unavailable
from tests.connectors.sinks.fake_kafka import Broker, Clock, Consumer, Trouble

TOPICS = (ESTIMATES, ALERTS, REJECTED)


class Crash(BaseException):
    """The process is gone."""


class Shelf:
    """An outside system that keeps what is written, refuses items with ``bad`` in them, and fails as told.

    A record's value says what becomes of it: its words are its items, ``?`` is no record at all; items with ``late`` in
    them are for later, until ``opens``.
    """

    opens = 0.0
    now: Callable[[], float] = staticmethod(lambda: 0.0)

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.calls = self.longest = 0
        self.failures: Iterator[str] = iter(())
        self.pass_time: Callable[[], object] = lambda: None

    def items(self, record: Record) -> Sequence[str]:
        if record.value == b"?":
            raise ValueError("field 'event': no record")
        words = record.value.decode().split()
        return [
            f"{record.topic}/{record.partition}/{record.offset}/{number}{word}" for number, word in enumerate(words)
        ]

    def kind(self, item: str) -> str:
        return item.rpartition("/")[2][1:]

    def later(self, items: Sequence[str]) -> Sequence[int]:
        return [number for number, item in enumerate(items) if item.endswith("late") and self.now() < self.opens]

    def write(self, items: Sequence[str]) -> None:
        assert not self.later(items)
        self.calls += 1
        self.longest = max(self.longest, len(items))
        self.pass_time()
        failure = next(self.failures, "")
        if failure == "slow":
            raise TooSlow("no answer in time")
        if failure == "busy":
            raise Unavailable("busy", retry_after=20.0)
        if failure == "denied":
            raise AccessDenied("no entry")
        if failure == "away":
            raise Unavailable("away")
        if failure == "crash before":
            raise Crash
        bad = [number for number, item in enumerate(items) if item.endswith("bad")]
        self.kept += items[: bad[0]] if bad else items
        if bad:
            raise BadItem(f"{items[bad[0]]} is bad")
        if failure == "cut off":  # it is written, but who wrote it does not hear of that
            raise Unavailable("cut off")
        if failure == "crash after":
            raise Crash


class Run:
    """A sink over a broker in memory; `until` works until something is true."""

    def __init__(self, limits: Limits | None = None, shelf: Shelf | None = None) -> None:
        self.clock = Clock()
        self.broker = Broker(self.clock)
        self.shelf = shelf or Shelf()
        self.shelf.now = self.clock
        self.letters: list[tuple[Record, str, str]] = []
        self.letter_fails: Iterator[bool] = iter(())
        self.limits = limits
        self.start()

    def start(self) -> None:
        """A new process: nothing is known but what is committed."""
        self.consumer = Consumer(self.broker)
        self.delivery: Delivery[str] = Delivery(
            "shelf", Subscription(self.consumer, TOPICS, leaves=True), self.shelf, self.put_aside,
            limits=self.limits, now=self.clock, chance=lambda: 0.5,
        )  # fmt: skip

    def put_aside(self, record: Record, reason: str, detail: str) -> None:
        if next(self.letter_fails, False):
            raise KafkaTimeoutError("no answer")
        self.letters.append((record, reason, detail))

    def until(self, true: Callable[[], bool], most: int = 20_000) -> None:
        stop = threading.Event()

        def polled() -> None:
            if true():
                stop.set()
            assert self.consumer.counts["polls"] < most, "did not come to an end"

        self.consumer.polled = polled
        self.delivery.run(stop)

    def meter(self, name: str, **labels: str) -> float | None:
        return self.delivery.metrics.registry.get_sample_value(f"dosetwin_sink_{name}", labels)


def test_a_sink_says_that_writing_waits_and_that_it_hangs() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, b"a")
    run.shelf.failures = iter(["away", "away", ""])
    seen: list[str] = []
    run.until(lambda: bool(seen.append(run.delivery.waiting())) or run.broker.all_committed())
    assert "writing waits: away" in seen
    assert (run.delivery.waiting(), run.delivery.dead()) == ("", "")
    run.clock.now += LONGEST_POLL + 1
    assert run.delivery.dead() == "no poll for 121 s"


# --- the parts --------------------------------------------------------------------------------------------------------


def test_delays_double_up_to_a_cap_and_are_jittered_downwards() -> None:
    longest = list(islice(delays(lambda: 1.0), 9))
    assert longest == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert longest[-1] == LONGEST_DELAY
    assert list(islice(delays(lambda: 0.0), 9)) == [delay / 2 for delay in longest]


@pytest.mark.parametrize("limit", [{"items": 0}, {"bytes": -1}, {"seconds": float("nan")}])
def test_a_batch_without_room_is_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(items|bytes|seconds) .*: a batch must have room"):
        Limits(**limit)


def test_each_sink_has_a_consumer_group_of_its_own() -> None:
    assert consumer_group("influx", "ward1.") == "ward1.sink-influx"


# --- the loop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "calls"),
    [(Limits(items=100), 10), (Limits(bytes=400), 10), (Limits(items=5000), 1), (Limits(items=1, bytes=1), 1000)],
)
def test_a_batch_is_bounded_by_items_bytes_and_time(limits: Limits, calls: int) -> None:
    run = Run(limits)
    run.broker.add(ESTIMATES, 0, *[b"good"] * 1000)
    run.until(run.broker.all_committed)
    assert run.shelf.calls == run.meter("batches_total") == calls
    assert len(run.shelf.kept) == 1000


def test_a_lonely_record_waits_for_company_only_so_long() -> None:
    run = Run(Limits(seconds=0.5))
    run.broker.add(ESTIMATES, 0, b"good")
    run.until(lambda: bool(run.shelf.kept))
    assert 100.5 <= run.clock.now < 101.2


def test_an_outage_pauses_every_partition_and_loses_nothing() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, b"good", b"good")
    run.shelf.failures = iter(["away"] * 12)
    run.until(lambda: run.shelf.calls == 6)
    assert run.consumer.paused() == set() or run.consumer.paused() == run.consumer.assignment()
    assert (run.shelf.kept, run.broker.committed) == ([], {})
    run.broker.add(ESTIMATES, 0, b"good")
    run.until(run.broker.all_committed)
    assert run.shelf.kept == [f"{ESTIMATES}/0/{offset}/0good" for offset in range(3)]


def test_nothing_is_fetched_while_the_outside_system_is_away() -> None:
    run = Run(Limits(seconds=0.1))
    run.broker.add(ESTIMATES, 0, b"good")
    run.shelf.failures = iter(["away"] * 8)
    fetched: list[int] = []

    def look() -> bool:
        if 0 < run.shelf.calls <= 8:
            run.broker.add(ESTIMATES, 0, b"good")
            fetched.append(run.consumer.position(TopicPartition(ESTIMATES, 0), 0))
        return run.broker.all_committed()

    run.until(look)
    assert set(fetched) == {1}
    assert len(fetched) > 100, "polling must go on, or the place in the group is lost"
    assert len(run.shelf.kept) == len(fetched) + 1


def test_what_is_refused_slowly_neither_loses_the_place_in_the_group_nor_holds_up_what_is_done() -> None:
    """A tenth of a second an answer, of which it takes many: polls and commits go on in between."""
    run = Run()
    run.broker.add(ESTIMATES, 0, *[b"good good bad"] * 300)
    polled: list[float] = []
    committed: list[tuple[float, int]] = []

    def answer_slowly() -> None:
        run.clock.now += 0.1
        if run.letters and run.broker.committed:
            committed.append((run.clock.now, sum(run.broker.committed.values())))

    run.shelf.pass_time = answer_slowly
    run.until(lambda: bool(polled.append(run.clock.now)) or run.broker.all_committed())
    assert [record.offset for record, _, _ in run.letters] == list(range(300))
    assert len(set(run.shelf.kept)) == 600
    assert run.shelf.calls < 330
    assert max(later - earlier for earlier, later in pairwise(polled)) < 0.5
    changed = [time for (_, one), (time, other) in pairwise(committed) if one != other]
    assert max(later - earlier for earlier, later in pairwise(changed)) < COMMIT_SECONDS + 0.3
    assert run.clock.now < 140


def test_a_stop_amid_slow_refusals_ends_soon_and_keeps_what_was_done() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, *[b"bad"] * 300)
    run.shelf.pass_time = lambda: setattr(run.clock, "now", run.clock.now + 0.1)
    began: list[float] = []
    run.until(lambda: len(run.letters) > 20 and bool(began.append(run.clock.now) or True))
    assert run.clock.now - began[0] < STOP_SECONDS + 0.2
    assert sum(run.broker.committed.values()) == len(run.letters)
    run.shelf.pass_time = lambda: None
    run.start()
    run.until(run.broker.all_committed)
    assert [record.offset for record, _, _ in run.letters] == list(range(300))


def test_a_stop_begins_no_further_call_where_calls_are_slow() -> None:
    run = Run(Limits(items=1))
    run.broker.add(ESTIMATES, 0, *[b"good good good"] * 2)
    run.shelf.pass_time = lambda: setattr(run.clock, "now", run.clock.now + 6.0)
    run.until(lambda: run.shelf.calls == 1)
    assert run.shelf.calls == 1


def test_a_system_that_asks_to_be_left_alone_is_left_alone_so_long() -> None:
    run = Run(Limits(seconds=0.1))
    run.broker.add(ESTIMATES, 0, b"good")
    run.shelf.failures = iter(["busy"])
    run.until(lambda: run.shelf.calls == 1)
    began = run.clock.now
    run.shelf.failures = iter(["busy"])
    run.until(run.broker.all_committed)
    assert 20.0 <= run.clock.now - began < 21.0
    assert LONGEST_ASKED > 20.0


def test_a_system_too_slow_for_a_batch_is_given_half_of_it() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, *[b"good"] * 64)
    run.shelf.failures = iter(["slow", "slow"])
    sizes: list[int] = []
    write = run.shelf.write
    run.delivery._writer.write = lambda items: bool(sizes.append(len(items))) or write(items)  # type: ignore[method-assign]
    run.until(run.broker.all_committed)
    assert sizes == [64, 32, 16, 32, 16]
    assert run.meter("retries_total", cause="too_slow") == 2


def test_a_stop_in_an_outage_leaves_what_is_unwritten_in_kafka() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, b"good")
    run.shelf.failures = iter(["away"] * 100)
    run.until(lambda: run.shelf.calls == 3)
    assert run.shelf.calls == 3
    assert run.broker.committed == {}
    run.shelf.failures = iter(())
    run.start()
    run.until(run.broker.all_committed)
    assert run.shelf.kept == [f"{ESTIMATES}/0/0/0good"]


def test_a_stop_while_collecting_still_writes_and_commits_what_was_read() -> None:
    run = Run(Limits(seconds=60))
    run.broker.add(ESTIMATES, 0, b"good")
    run.until(lambda: run.consumer.counts["polls"] == 3)
    assert len(run.shelf.kept) == 1
    assert run.broker.all_committed()


def test_what_others_have_now_is_neither_written_nor_committed() -> None:
    """They have written it and what comes after it: written here, now, it would stand over something newer."""
    run = Run(Limits(seconds=0.1))
    mine, theirs = TopicPartition(ESTIMATES, 0), TopicPartition(ESTIMATES, 1)
    run.broker.add(ESTIMATES, 0, b"good")
    run.broker.add(ESTIMATES, 1, b"good")
    run.shelf.failures = iter(["away"] * 5)
    run.until(lambda: run.shelf.calls == 3)

    def look() -> bool:
        if run.shelf.calls == 4 and run.consumer.assignment() == {mine, theirs}:
            run.consumer.give_away(theirs)
        return run.clock.now > 200

    run.until(look)
    assert run.shelf.kept == [f"{ESTIMATES}/0/0/0good"]
    assert run.broker.committed == {mine: 1}


@pytest.mark.parametrize("failure", ["crash before", "crash after"])
def test_a_crash_between_write_and_commit_repeats_and_never_loses(failure: str) -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, b"one", b"two")
    run.shelf.failures = iter([failure])
    with pytest.raises(Crash):
        run.until(run.broker.all_committed)
    assert run.broker.committed == {}
    run.start()
    run.until(run.broker.all_committed)
    both = [f"{ESTIMATES}/0/0/0one", f"{ESTIMATES}/0/1/0two"]
    assert run.shelf.kept == (both if failure == "crash before" else both * 2)


def test_what_is_for_later_holds_up_nothing_and_after_a_crash_comes_alone() -> None:
    run = Run(Limits(seconds=0.1))
    run.shelf.opens = 200.0
    place = TopicPartition(ESTIMATES, 0)
    run.broker.add(ESTIMATES, 0, b"late", b"good", b"late", b"good good")
    run.until(lambda: run.clock.now > 150)
    assert (run.broker.committed, run.broker.metadata) == ({place: 4}, {place: "left 0,2"})
    assert (run.meter("later_records"), run.meter("lag_records")) == (2, 0)
    age = run.meter("durable_age_seconds")
    assert age is not None
    assert age < 1
    run.start()
    run.broker.add(ESTIMATES, 0, b"good")
    run.until(run.broker.all_committed)
    written = [item.removeprefix(f"{ESTIMATES}/0/") for item in run.shelf.kept]
    assert written == ["1/0good", "3/0good", "3/1good", "4/0good", "0/0late", "2/0late"]
    assert run.clock.now >= 200


class Board(Shelf):
    """A shelf that is told again and again what is for later; ``away`` says how often it does not listen."""

    opens, away = float("inf"), 0

    def __init__(self) -> None:
        super().__init__()
        self.standing: list[str] = []
        self.told: list[list[str]] = []

    def later(self, items: Sequence[str]) -> Sequence[int]:
        places = super().later(items)
        self.standing = [items[place] for place in places]
        return places

    def refresh(self) -> None:
        self.away -= 1
        if self.away >= 0:
            raise Unavailable("away")
        self.told.append(self.standing)


def test_what_stands_is_said_at_every_poll_and_only_as_long_as_its_partition_is_here() -> None:
    run = Run(shelf=Board())
    board = run.shelf
    assert isinstance(board, Board)
    run.broker.add(ESTIMATES, 0, b"late", b"good")
    board.away = 3
    run.until(lambda: run.clock.now > 110)
    assert run.delivery.summary()["outages"] == 1
    assert board.told[-1] == [f"{ESTIMATES}/0/0/0late"]
    run.broker.troubles = iter(["revoked after"])
    run.until(lambda: not board.told[-1])
    run.until(lambda: bool(board.told[-1]))


@pytest.mark.parametrize(("name", "written"), [(b"shelf", 1), (b"other", 0)])
def test_what_was_sent_again_for_one_sink_is_not_read_by_others(name: bytes, written: int) -> None:
    run = Run()
    run.broker.headers = [(ONLY_FOR, name)]
    run.broker.add(ALERTS, 0, b"good")
    run.until(run.broker.all_committed)
    assert len(run.shelf.kept) == written


def test_a_commit_that_fails_is_made_up_for_without_writing_again() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, b"good")
    run.broker.troubles = iter(["", "", "", "", "commit"] * 3)
    run.until(run.broker.all_committed)
    assert len(run.shelf.kept) == 1


def test_a_bad_item_puts_its_record_aside_and_its_neighbours_are_written() -> None:
    run = Run()
    run.broker.add(ALERTS, 1, b"good good", b"good bad good", b"?", b"", b"good")
    run.until(run.broker.all_committed)
    assert [(record.offset, reason, detail) for record, reason, detail in run.letters] == [
        (1, "shelf_refused", f"{ALERTS}/1/1/1bad is bad"),
        (2, "bad_output", "field 'event': no record"),
    ]
    kept = [f"{ALERTS}/1/{at}good" for at in ("0/0", "0/1", "1/0", "1/2", "4/0")]
    assert list(dict.fromkeys(run.shelf.kept)) == kept
    assert run.delivery.summary() == {"events": 5, "items": 5, "refused": 2, "outages": 0}


def test_a_dead_letter_about_a_dead_letter_is_never_written() -> None:
    run = Run()
    run.broker.add(REJECTED, 0, b"bad", b"?")
    run.until(run.broker.all_committed)
    assert run.letters == []
    assert run.delivery.summary()["refused"] == 2


def test_what_is_put_aside_waits_for_its_dead_letter_and_says_it_once() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, b"bad", b"bad")
    run.letter_fails = iter([False, True, True])
    run.until(run.broker.all_committed)
    assert [record.offset for record, _, _ in run.letters] == [0, 1]
    assert run.meter("retries_total", cause="kafka") == 2


def test_an_error_that_is_no_answer_of_the_outside_system_is_not_hidden() -> None:
    run = Run()
    run.broker.add(ESTIMATES, 0, b"\xff")
    run.delivery._writer.write = lambda _items: 1 / 0  # type: ignore[method-assign, assignment]
    run.broker.add(ESTIMATES, 0, b"good")
    with pytest.raises(ZeroDivisionError):
        run.until(run.broker.all_committed)
    assert run.broker.committed == {}


def test_the_meters_tell_what_was_done_what_failed_and_what_is_left() -> None:
    run = Run(Limits(seconds=0.1))
    run.broker.add(ESTIMATES, 0, b"good good", b"bad", b"?")
    run.shelf.failures = iter(["away", "denied", "denied", *["away"] * 6])
    run.until(lambda: run.shelf.calls == 9)
    run.broker.add(ESTIMATES, 0, *[b"good"] * 7)
    behind = (run.meter("lag_records"), run.meter("durable_age_seconds"))
    assert behind[0] == 3
    assert behind[1] is not None
    assert behind[1] > 10
    run.until(run.broker.all_committed)
    run.until(lambda: run.clock.now > 150)
    assert run.meter("retries_total", cause="away") is None
    assert run.meter("retries_total", cause="access_denied") == 2
    assert run.meter("dead_letters_total", reason="shelf_refused") == 1
    assert run.meter("dead_letters_total", reason="bad_output") == 1
    assert (run.meter("events_total"), run.meter("items_total")) == (10, 9)
    assert run.meter("lag_records") == 0
    age = run.meter("durable_age_seconds")
    assert age is not None
    assert age < 1


# --- whatever happens -------------------------------------------------------------------------------------------------

VALUES = st.lists(
    st.sampled_from([b"good", b"good good", b"bad", b"fair bad good", b"?", b"", b"late", b"late late"]),
    max_size=12,
)
FAILURES = st.lists(
    st.sampled_from(["", "", "away", "denied", "slow", "cut off", "crash before", "crash after"]), max_size=30
)
TROUBLES = st.lists(
    st.sampled_from(["", "", "revoked before", "revoked after", "commit", "committed", "ends"]), max_size=60
)


@given(st.lists(VALUES, min_size=1, max_size=3), FAILURES, TROUBLES, st.lists(st.booleans(), max_size=6))
def test_every_item_is_written_or_its_record_put_aside_in_order_and_only_then_committed(
    partitions: list[list[bytes]], failures: list[str], troubles: list[Trouble], letter_fails: list[bool]
) -> None:
    run = Run(Limits(items=4))
    run.broker.most_at_once = 2
    for number, values in enumerate(partitions):
        run.broker.add(ESTIMATES, number, *values)
    run.shelf.failures, run.broker.troubles = iter(failures), iter(troubles)
    run.letter_fails = iter(letter_fails)
    run.shelf.opens = run.clock.now + 10

    def nothing_is_committed_that_is_not_done() -> bool:
        for partition, offset in run.broker.committed.items():
            mark = OffsetAndMetadata(offset, run.broker.metadata[partition], -1)
            assert_done(run, partition, sorted(set(range(offset)) - set(left_undone(mark))))
        return run.broker.all_committed()

    while not run.broker.all_committed():
        try:
            run.until(nothing_is_committed_that_is_not_done)
        except Crash:
            run.start()
    for partition, log in run.broker.log.items():
        assert_done(run, partition, range(len(log)))
    for (_, kind), written in by_partition_and_kind(run.shelf.kept).items():
        if kind == "late":
            continue
        assert list(dict.fromkeys(written)) == sorted(set(written)), "an item overtook one before it"
        assert list(dict.fromkeys(reversed(written))) == sorted(set(written), reverse=True), "an older item stayed"


def assert_done(run: Run, partition: TopicPartition, offsets: Sequence[int]) -> None:
    aside = {record.offset for record, _, _ in run.letters if record.partition == partition.partition}
    for offset in offsets:
        value = run.broker.log[partition][offset]
        words = value.decode().split() if value != b"?" else []
        expected = {f"{partition.topic}/{partition.partition}/{offset}/{n}{word}" for n, word in enumerate(words)}
        assert {item for item in expected if not item.endswith("bad")} <= set(run.shelf.kept)
        assert (offset in aside) == (value == b"?" or "bad" in words)
    assert not any(item.endswith("bad") for item in run.shelf.kept)


def by_partition_and_kind(items: Sequence[str]) -> dict[tuple[str, str], list[tuple[int, ...]]]:
    found: dict[tuple[str, str], list[tuple[int, ...]]] = defaultdict(list)
    for item in items:
        _, partition, offset, word = item.split("/")
        found[partition, word[1:]].append((int(offset), int(word[0])))
    return found
