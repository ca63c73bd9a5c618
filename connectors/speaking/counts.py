"""What became of what was said, and what whoever says it should be told meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

MOST_REFUSALS = 20
"""Refusals that are told one by one; more are counted."""


class Counts:
    """Counts from any thread.

    Args:
        tell: is told, once for each place, that nobody answers there, and of each refusal.
        hint: what to do where nobody answers.
    """

    def __init__(self, tell: Callable[[str], object], hint: str = "") -> None:
        self._tell, self._hint, self._lock = tell, hint, threading.Lock()
        self._silent = False
        self.by_kind: Counter[str] = Counter()
        self.sent_again = 0
        self.refusals = 0

    def accepted(self, kind: str, count: int = 1) -> None:
        """Somebody has it, safely."""
        with self._lock:
            self.by_kind[kind] += count
            self._silent = False

    def again(self) -> None:
        """It was not safe yet, and is sent again."""
        with self._lock:
            self.sent_again += 1

    def refused(self, why: str) -> None:
        """It will never be taken."""
        with self._lock:
            self.refusals += 1
            if self.refusals <= MOST_REFUSALS:
                self._tell(why)

    def waited(self, place: str) -> None:
        """Nobody answered there."""
        with self._lock:
            self.sent_again += 1
            if not self._silent:
                self._silent = True
                self._tell(f"nobody answers at {place} yet; waiting. {self._hint}".strip())
