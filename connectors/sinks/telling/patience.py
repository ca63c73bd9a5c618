"""When a receiver that takes everything else has had its chances with one message.

A receiver that is away, or fails at everything, is waited for: nothing is its alert's fault. One that fails at a single
message while it takes others would hold up all that comes after. So a message that fails alone for a while is left to
rest between attempts, in which what comes next is tried; and it is put aside when others were taken meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

BESIDE = timedelta(minutes=1)
"""How long a message may fail of which the receiver has taken another since."""

ALONE = timedelta(hours=2)
"""How long a receiver may answer nothing but a fault of its own to the only message there is: well above an hour's
outage (assumed). One that does not answer at all is waited for without end."""

RESTS_AFTER, REST = timedelta(minutes=2), timedelta(seconds=30)
"""How long the only message that fails is tried as soon as may be, and how long it rests after each failure then."""


@dataclass(slots=True)
class _Failing:
    since: datetime
    last: datetime
    passed: bool = False


class Patience:
    """What fails again and again; ``now`` gives the time (UTC)."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._failing: dict[str, _Failing] = {}

    def took(self, message: str) -> None:
        """The receiver took a message."""
        self._failing.pop(message, None)
        for failing in self._failing.values():
            failing.passed = True

    def fails(self, message: str) -> bool:
        """Whether it failed last: what did not comes before it."""
        return message in self._failing

    def rests(self, message: str) -> bool:
        """Whether it is not to be tried just now."""
        failing = self._failing.get(message)
        if failing is None or len(self._failing) > 1:
            return False
        return failing.last - failing.since >= RESTS_AFTER and self._now() - failing.last < REST

    def ended(self, message: str, *, answered: bool) -> bool:
        """Whether this failure of a message is the last one; ``answered``: the receiver said that the fault is its."""
        now = self._now()
        failing = self._failing.setdefault(message, _Failing(now, now))
        failing.last = now
        over = now - failing.since >= (BESIDE if failing.passed else ALONE) and (failing.passed or answered)
        if over:
            del self._failing[message]
        return over
