"""A signal is an event that whoever works looks at."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from streams.terminal.signals import STOPPED_HARD, end_after_grace, ended_if_late, stop_at_signals


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Handlers of the tests' own process are put back, and nobody is left waiting to end it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    threads = set(threading.enumerate())
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    for thread in set(threading.enumerate()) - threads:
        assert isinstance(thread, threading.Timer)
        thread.cancel()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_sets_the_event_and_ends_nothing(number: signal.Signals) -> None:
    ended: list[int] = []
    stop = stop_at_signals(ended.append, grace=3600)
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.is_set()
    assert not ended


def test_a_second_signal_ends_it_at_once() -> None:
    ended: list[int] = []
    stop_at_signals(ended.append, grace=3600)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert ended == [128 + signal.SIGTERM]


def test_what_hangs_is_ended_after_the_grace() -> None:
    ended: list[int] = []
    timer = end_after_grace(ended.append, seconds=0.01)
    timer.join(10)
    assert ended == [STOPPED_HARD]


def test_what_is_done_in_time_is_not_ended_and_what_is_late_is() -> None:
    ended: list[int] = []
    with ended_if_late(3600, ended.append):
        pass
    assert not ended
    with ended_if_late(0.01, ended.append):
        until = time.monotonic() + 10
        while not ended and time.monotonic() < until:
            time.sleep(0.01)
    assert ended == [STOPPED_HARD]
