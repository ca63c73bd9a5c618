"""Lines that come again and again: a few of them are told, and later how many were not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

TOLD = 5
"""Lines of one kind that are told within `WINDOW_SECONDS`."""

WINDOW_SECONDS = 60.0

MOST_KINDS = 1_000
"""Kinds that are remembered; beyond that the count begins anew."""


@dataclass(slots=True)
class _Kind:
    began: float
    told: int = 0
    left_out: int = 0


class Repeats:
    """Counts lines by kind; ``clock`` gives seconds.

    >>> repeats = Repeats(clock=lambda: 0.0)
    >>> [repeats.left_out("again") for _ in range(7)]
    [0, 0, 0, 0, 0, None, None]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[Hashable, _Kind] = {}
        self._lock = threading.Lock()

    def left_out(self, key: Hashable) -> int | None:
        """None where this line is one too many; otherwise how many of its kind were not told before it."""
        with self._lock:
            now = self._clock()
            kind = self._kinds.get(key)
            if kind is None:
                if len(self._kinds) >= MOST_KINDS:
                    self._kinds.clear()
                kind = self._kinds[key] = _Kind(now)
            if now - kind.began >= WINDOW_SECONDS:
                kind.began, kind.told = now, 0
            if kind.told >= TOLD:
                kind.left_out += 1
                return None
            kind.told += 1
            before, kind.left_out = kind.left_out, 0
            return before
