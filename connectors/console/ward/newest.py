"""A store with a bound: of all that was ever put, the newest so many."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Newest(Generic[T]):
    """The ``kept`` largest places (time, key) ever put, each with its newest value and the fold that set it.

    A full store lets go of its smallest place and never takes one below it again, so the order of arrival is no matter.
    It is two lists in the order of their places: a table of hashes from which the oldest is always taken comes to
    twice its size when as many have come again.

    >>> store = Newest(kept=2)
    >>> [store.put(time, "", f"at {time}", version=1) for time in (1, 3, 2, 0)]
    [True, True, True, False]
    >>> store.since(0)
    ('at 2', 'at 3')
    """

    kept: int
    places: list[tuple[int, str]] = field(default_factory=list)
    values: list[tuple[T, int]] = field(default_factory=list)
    overflowed: bool = False

    def put(self, time: int, key: str, value: T, version: int) -> bool:
        """Store the value unless it is already there or too old; True when something changed."""
        place, at = (time, key), self._at(time, key)
        if self._holds(at, place):
            if self.values[at][0] == value:
                return False
            self.values[at] = (value, version)
            return True
        if len(self.places) >= self.kept:
            self.overflowed = True
            if at == 0:
                return False
            del self.places[0], self.values[0]
            at -= 1
        self.places.insert(at, place)
        self.values.insert(at, (value, version))
        return True

    def remove(self, time: int, key: str) -> bool:
        """Forget a place; True when it was there."""
        at = self._at(time, key)
        if not self._holds(at, (time, key)):
            return False
        del self.places[at], self.values[at]
        return True

    def since(self, version: int) -> tuple[T, ...]:
        """Values set after fold ``version``, oldest first."""
        return tuple(value for value, set_at in self.values if set_at > version)

    def last(self) -> T | None:
        """The newest value."""
        return self.values[-1][0] if self.values else None

    def _at(self, time: int, key: str) -> int:
        return bisect.bisect_left(self.places, (time, key))

    def _holds(self, at: int, place: tuple[int, str]) -> bool:
        return at < len(self.places) and self.places[at] == place
