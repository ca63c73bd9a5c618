"""A signal is an event that whoever works looks at."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from streams.terminal.signals import stop_at_signals


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Handlers of the tests' own process are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_sets_the_event_and_ends_nothing(number: signal.Signals) -> None:
    stop = stop_at_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.is_set()
