"""How long whoever guesses must wait: a few attempts are free, and each further one costs twice the wait before.

An attempt counts as failed from its beginning, so that many at one time count too; one that was good does not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_KNOWN = 20_000
"""Keys of which failures are known; of further ones the oldest is forgotten."""


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Waits:
    """Failures by key, an account or an address.

    Args:
        free: attempts that may fail before one has to wait.
        first: seconds of the first wait.
        longest: seconds of the longest; failures are forgotten when twice that has passed without another.
        now: a clock in seconds that never goes back.

    >>> waits = Waits(2, 1.0, 60.0, lambda: 0.0)
    >>> [waits.attempt("nurse-7") for _ in range(4)]
    [0.0, 0.0, 1.0, 1.0]
    """

    def __init__(self, free: int, first: float, longest: float, now: Callable[[], float]) -> None:
        self._free, self._first, self._longest, self._now = free, first, longest, now
        self._known: OrderedDict[str, _Failures] = OrderedDict()

    def left(self, key: str) -> float:
        """Seconds to wait; 0 where an attempt may be made now."""
        known, now = self._known.get(key), self._now()
        if known is None or now - known.last > 2 * self._longest:
            return 0.0
        return max(known.last + self._wait(known.count) - now, 0.0)

    def attempt(self, key: str) -> float:
        """Make an attempt, which counts as failed until it is forgiven; the seconds to wait where none may be made."""
        if wait := self.left(key):
            return wait
        known, now = self._known.get(key), self._now()
        if known is None or now - known.last > 2 * self._longest:
            known = self._known[key] = _Failures(0, now)
        known.count, known.last = known.count + 1, now
        self._known.move_to_end(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return 0.0

    def forgive(self, key: str) -> None:
        """Nothing has failed there."""
        self._known.pop(key, None)

    def refund(self, key: str) -> None:
        """The last attempt has not failed; those before it did."""
        if known := self._known.get(key):
            known.count -= 1

    def _wait(self, count: int) -> float:
        beyond = count - self._free
        return 0.0 if beyond < 0 else min(self._first * 2.0 ** min(beyond, 40), self._longest)
