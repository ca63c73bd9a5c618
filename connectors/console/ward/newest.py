"""A store with a bound: of all that was ever put, the newest so many."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Newest(Generic[T]):
    """The ``kept`` largest places (time, key) ever put, each with its newest value and the fold that set it.

    A full store lets go of its smallest place and never takes one below it again, so the order of arrival is no matter.

    >>> store = Newest(kept=2)
    >>> [store.put(time, "", f"at {time}", version=1) for time in (1, 3, 2, 0)]
    [True, True, True, False]
    >>> store.since(0)
    ('at 2', 'at 3')
    """

    kept: int
    values: dict[tuple[int, str], tuple[T, int]] = field(default_factory=dict)
    order: list[tuple[int, str]] = field(default_factory=list)
    overflowed: bool = False

    def put(self, time: int, key: str, value: T, version: int) -> bool:
        """Store the value unless it is already there or too old; True when something changed."""
        place = (time, key)
        known = self.values.get(place)
        if known is not None:
            if known[0] == value:
                return False
        elif len(self.values) < self.kept:
            heapq.heappush(self.order, place)
        else:
            self.overflowed = True
            if place < self.order[0]:
                return False
            del self.values[heapq.heappushpop(self.order, place)]
        self.values[place] = (value, version)
        return True

    def remove(self, time: int, key: str) -> bool:
        """Forget a place; True when it was there."""
        place = (time, key)
        if self.values.pop(place, None) is None:
            return False
        self.order.remove(place)
        heapq.heapify(self.order)
        return True

    def since(self, version: int) -> tuple[T, ...]:
        """Values set after fold ``version``, oldest first."""
        return tuple(value for _, (value, set_at) in sorted(self.values.items(), key=_place) if set_at > version)

    def last(self) -> T | None:
        """The newest value."""
        return self.values[max(self.values)][0] if self.values else None


def _place(item: tuple[tuple[int, str], tuple[object, int]]) -> tuple[int, str]:
    return item[0]
