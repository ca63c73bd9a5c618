"""Memory that was freed goes back to the machine, also between what stays."""

from __future__ import annotations

import psutil
import pytest

from streams.worker.residence import heap
from streams.worker.residence.heap import share_heaps, trim

MIB = 2**20


def test_what_was_freed_between_what_stays_goes_back() -> None:
    assert share_heaps()
    process = psutil.Process()
    held = [bytes(4_000) for _ in range(25_000)]
    stays = held[::100]
    full = process.memory_info().rss
    held.clear()
    trim()
    assert len(stays) == 250
    assert process.memory_info().rss < full - 50 * MIB


def test_where_there_is_no_such_library_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_libc", object())
    assert not share_heaps()
    trim()
