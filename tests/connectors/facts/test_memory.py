"""What was last told of each fact, kept over a feed's end; what Kafka may not have is sent again."""

from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import Reading
from connectors.facts.memory import Glance, Memory, Told, glance
from connectors.facts.telling import Teller, Telling
from tests.connectors.facts import sources
from tests.connectors.facts.sources import count
from twin.events import InputEvent, LabResult

EVENT = LabResult.example()
TOLD = Told(1, "final", "digest", EVENT)
KEY = ("lab", "order 7", "neutrophils")


def teller(memory: Memory) -> Teller:
    return Teller(sources.profile(), memory)


def told(memory: Memory, *values: float) -> list[InputEvent]:
    readings = [Reading((count(value),)) for value in values]
    outcomes = [outcome for reading in readings for outcome in teller(memory).tell(reading)]
    return [event for one in outcomes if isinstance(one, Telling) for event in one.events]


def test_what_was_told_is_known_and_nothing_else() -> None:
    memory = Memory()
    memory.put(KEY, TOLD, (EVENT,))
    assert memory.last(KEY) == TOLD
    assert memory.last((*KEY, "")) is None
    assert memory.last(("lab", "order 7neutrophils")) is None
    assert memory.family(("lab", "order 7", "*")) == [KEY]
    assert memory.family(("lab", "order 8", "*")) == []


@given(st.lists(st.text(max_size=6) | st.just("\x1f"), min_size=1, max_size=4).map(tuple))
def test_a_key_comes_back_as_it_was_put(key: tuple[str, ...]) -> None:
    memory = Memory()
    memory.put(key, TOLD, ())
    assert memory.family((*key[:-1], "*")) == [key]
    assert memory.last(key) == TOLD
    memory.close()


def test_a_feed_that_was_killed_sends_again_what_kafka_may_not_have_with_the_same_ids(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    first = told(Memory(path), 3.4, 3.6)  # never closed, as a killed process leaves it
    memory = Memory(path)
    assert list(memory.unsent()) == first
    assert told(memory, 3.6) == []
    memory.sent(first[:1])
    assert list(memory.unsent()) == first[1:]
    memory.sent(first)
    assert list(memory.unsent()) == []
    (third,) = told(memory, 3.4)
    assert third.model_dump()["replaces"] == first[1].model_dump()["event_id"]
    memory.close()


def test_what_fails_half_way_leaves_nothing() -> None:
    memory = Memory()

    def fail() -> None:
        with memory.together():
            memory.put(KEY, TOLD, (EVENT,))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert memory.last(KEY) is None
    assert list(memory.unsent()) == []
    with memory.together():
        memory.put(KEY, TOLD, (EVENT,))
    assert list(memory.unsent()) == [EVENT]


def test_messages_of_which_something_was_refused_are_kept_until_they_are_read() -> None:
    memory = Memory()
    digest = memory.keep(b"one")
    assert memory.keep(b"one") == digest
    assert memory.keep(b"two") != digest
    assert memory.originals() == [b"one", b"two"]
    memory.forget(b"one")
    assert memory.originals() == [b"two"]


def test_the_file_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    memory = Memory(path)
    memory.put(KEY, TOLD, (EVENT,))
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    memory.close()


def test_a_glance_from_outside_sees_what_is_left_to_be_done_while_the_source_writes(tmp_path: Path) -> None:
    path, at = tmp_path / "lab-east.sqlite", datetime(2026, 3, 2, 8, tzinfo=UTC)
    memory = Memory(path)
    assert glance(path) == Glance(None, 0, 0)
    memory.heard(at)
    memory.heard(at + timedelta(seconds=1))
    memory.put(KEY, TOLD, (EVENT,))
    memory.keep(b"refused")
    assert glance(path) == Glance(at + timedelta(seconds=1), 1, 1)
    memory.close()
    assert glance(path) == Glance(at + timedelta(seconds=1), 1, 1)


def test_a_glance_at_what_is_no_memory_says_so(tmp_path: Path) -> None:
    path = tmp_path / "lab-east.sqlite"
    with pytest.raises(sqlite3.Error, match="unable to open"):
        glance(path)
    path.write_text("no database, but long enough to be read as the header of one" * 100)
    with pytest.raises(sqlite3.Error, match="not a database"):
        glance(path)


def test_of_versions_of_one_time_the_later_is_the_one_that_came_later() -> None:
    memory, at = Memory(), datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert [memory.is_older(KEY, at, version) for version in ("1", "2")] == [False, False]
    assert [memory.is_older(KEY, at, version) for version in ("1", "2", "3")] == [True, False, False]
    assert memory.is_older(KEY, at - timedelta(seconds=1), "4")
    assert not memory.is_older(KEY, at + timedelta(seconds=1), "1")
