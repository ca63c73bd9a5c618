"""Doses that may not have been taken: a bottle was opened or an injector unlocked, and nobody saw the rest.

Of the newest `IN_DOUBT` such doses each was taken or was not. Every way in which that may be is a belief of its own,
with the product of what their sources say as its prior, weighed by the data (`twin.patient.accounts`). An older one is
taken to have been what is more likely.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from twin.timeline.pumps.silence import RUNNING, Hypothesis

IN_DOUBT = 2
"""Doses that are in doubt at once, which makes twice as many beliefs of each (assumed: what was taken before the last
two is told by what was believed of them, or hardly matters any more)."""


class Uncertain(NamedTuple):
    """A dose (the id of its event) that was taken at ``millis`` with the probability ``taken``."""

    millis: int
    drug: str
    dose: str
    taken: float

    @property
    def likely(self) -> bool:
        """Whether it is more likely that it was taken."""
        return self.taken >= 0.5


def newest(found: Iterable[Uncertain]) -> tuple[Uncertain, ...]:
    """Those of some doses that are in doubt, the oldest first."""
    return tuple(sorted(found)[-IN_DOUBT:])


def ways(doses: Sequence[Uncertain]) -> tuple[Hypothesis, ...]:
    """The ways in which it may have been, but for the one in which each dose was what is more likely.

    In the n-th (from 1) those doses were otherwise that have their bit in n, the oldest the lowest.
    """
    found = []
    for number in range(1, 1 << len(doses)):
        prior = 0.0
        for place, one in enumerate(doses):
            otherwise = bool(number >> place & 1)
            prior += math.log(one.taken if one.likely != otherwise else 1.0 - one.taken)
        odd = tuple(one.dose for place, one in enumerate(doses) if number >> place & 1)
        found.append(RUNNING._replace(log_prior=prior, otherwise=odd))
    return tuple(found)


def continued(way: Hypothesis, before: Sequence[Uncertain]) -> int:
    """The number, among the ways of the doses that were in doubt ``before``, of that which a way goes on from."""
    return sum(1 << place for place, one in enumerate(before) if one.dose in way.otherwise)


def was_taken(dose: Uncertain, way: Hypothesis) -> bool:
    """Whether a dose was taken, as a hypothesis has it."""
    return dose.likely != (dose.dose in way.otherwise)
