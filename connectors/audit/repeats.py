"""The same refusal again and again: told at once, and then once a minute with how often, so that whoever knocks without
end neither fills the trail nor goes unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from connectors.audit.access import Access

WINDOW = 60.0
"""Seconds in which the same is one access."""

MOST_KNOWN = 2_000
"""Refusals that are told apart at one time; further ones are told as of no address."""


@dataclass(slots=True)
class _Again:
    since: float
    times: int = 0


class Repeats:
    """Refusals of the last minute.

    >>> repeats, knock = Repeats(), Access("knock", "refused", address="192.0.2.7", status=401)
    >>> [bool(repeats.taken(knock, at)) for at in (0.0, 1.0, 2.0)]
    [True, False, False]
    >>> [again.times for again in repeats.ended(61.0)]
    [2]
    """

    def __init__(self) -> None:
        self._known: dict[Access, _Again] = {}

    def taken(self, access: Access, now: float) -> Access | None:
        """The access where it is to be told now; None where it is counted."""
        if access not in self._known and len(self._known) >= MOST_KNOWN:
            access = msgspec.structs.replace(access, address="", who="", patient="", subject="")
        again = self._known.get(access)
        if again is None:
            self._known[access] = _Again(now)
            return access
        again.times += 1
        return None

    def ended(self, now: float) -> Iterator[Access]:
        """What was counted and is to be told now."""
        for access, again in list(self._known.items()):
            if now - again.since >= WINDOW:
                del self._known[access]
                if again.times:
                    yield msgspec.structs.replace(access, times=again.times)
