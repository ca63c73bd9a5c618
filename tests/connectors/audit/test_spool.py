"""What waits for Kafka: kept over an end, however that came."""

from __future__ import annotations

import resource
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.audit.access import Access
from connectors.audit.spool import Spool, SpoolError

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
A, B = (Access("read", "done", "ward", who="nurse-7").stamped(NOON, seat, 0) for seat in "ab")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console" / "accesses.ndjson"


def test_what_an_earlier_console_left_is_sent_first_and_apart(path: Path) -> None:
    before = Spool(path)
    before.put(A)
    before.close()
    spool = Spool(path)
    spool.put(B)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert spool.oldest(10) == [A]
    spool.sent(1)
    assert spool.oldest(10) == [B]
    spool.sent(1)
    assert path.read_bytes() == b""
    spool.close()


def test_a_line_that_was_being_written_is_dropped_and_the_next_stands_in_its_place(path: Path) -> None:
    before = Spool(path)
    before.put(A)
    before.close()
    with path.open("ab") as file:
        file.write(b'{"deed":"re')
    spool = Spool(path)
    assert spool.oldest(10) == [A]
    spool.put(A)
    spool.close()
    assert Spool(path).oldest(10) == [A, A]


def test_a_file_of_something_else_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"deed":"guess","outcome":"done"}\n')
    with pytest.raises(SpoolError, match=r"accesses\.ndjson: byte 0: no access .*move the file away and keep it"):
        Spool(path)
    assert path.read_bytes().startswith(b'{"deed":"guess"')


def test_two_consoles_have_two_files(path: Path) -> None:
    spool = Spool(path)
    with pytest.raises(SpoolError, match="is another console's: name one of its own for each"):
        Spool(path)
    spool.close()
    Spool(path).close()


def test_where_the_disk_takes_no_more_nothing_half_is_kept(path: Path) -> None:
    spool = Spool(path)
    spool.put(A)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(OSError, match=r"the disk is full|too large"):
            spool.put(A)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(spool) == 1
    spool.put(B)
    spool.close()
    kept = Spool(path)
    kept.sent(1)
    assert kept.oldest(10) == [B]
    kept.close()
