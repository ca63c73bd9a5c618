"""Steps of one patient, as long from mark to mark as a few people of the population allow.

Steps that suit every dose and moment (`twin.solver.step_control`) are as short as the sharpest moment asks for, as
where a saturated elimination ends. A fit solves the same few patients a million times. So each is looked at once: from
mark to mark (doses, values, changes of what holds) some people of the population that the search begins with are
advanced by steps of a length and by halves of them, from long ones down, until both agree to `TOLERANCE`. What has
faded away is not looked at there, and yet grows without end under steps that are too long for how fast it fades
(explicit schemes are stable only while step times rate is under some three). So steps must also let fade what is put
upon every state, even if they were longer still, as they are for whoever is faster than the people who were looked at.
Steps are never shorter than those that suit everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.kernel.arguments import StepSizes, System
from twin.kernel.kernel import Kernel

TOLERANCE = 1e-6
"""Relative difference of a state that a length of step and half of it may make from one mark to the next."""

NEGLIGIBLE = 1e-7
"""Fraction of the most that a state has been under which its relative error is not looked at."""

LONGEST = 12
"""Doublings of the shortest step that are tried."""

NUDGE = 1e-3
"""What is put upon each state, in the most that it has been."""

FASTER = 1
"""Doublings more by which steps still let fade what is put upon states."""


class Where(NamedTuple):
    """Where people are: modes of the linear states (N, L) and the stepped states (N, Y)."""

    states: Floats
    stepped: Floats

    def copied(self) -> Where:
        """As itself, apart from it."""
        return Where(self.states.copy(), self.stepped.copy())


Advance = Callable[[Where, StepSizes], Where]
"""From one mark to the next by such steps."""


class Pacer:
    """Finds the pace of one patient from mark to mark, in order."""

    def __init__(self, shortest: StepSizes) -> None:
        self._shortest = shortest
        self._doublings = 0
        self._most: Floats | None = None

    def next(self, where: Where, length: float, advance: Advance) -> tuple[StepSizes, Where]:
        """The step sizes over ``length`` (model time) from ``where`` people are, and where they are then."""
        doublings = min(LONGEST, self._doublings + 2)
        while doublings > 0 and self._sizes(doublings - 1).largest >= length:
            doublings -= 1
        once = advance(where.copied(), self._sizes(doublings)) if doublings else where
        while doublings > 0:
            twice = advance(where.copied(), self._sizes(doublings - 1))
            if self._apart(once, twice) < TOLERANCE:
                break
            once, doublings = twice, doublings - 1
        found = twice if doublings else advance(where.copied(), self._shortest)
        self._seen(found)
        while doublings > 0 and not self._stable(where, doublings, advance):
            doublings -= 1
        self._doublings = doublings
        return self._sizes(doublings), found

    def _stable(self, where: Where, doublings: int, advance: Advance) -> bool:
        """Whether what is put upon the states at ``where`` comes to the same by steps longer by `FASTER` and by the
        shortest, to what was put upon them."""
        assert self._most is not None
        put = NUDGE * self._most[:, where.states.shape[1] :]
        nudged = Where(where.states, where.stepped + put)
        longer, shortest = (advance(nudged.copied(), self._sizes(by)).stepped for by in (doublings + FASTER, 0))
        with np.errstate(invalid="ignore", over="ignore"):
            fades = np.abs(longer - shortest) <= put
        # Who cannot be followed by either says nothing.
        return bool(fades[np.isfinite(shortest)].all())

    def _sizes(self, doublings: int) -> StepSizes:
        factor = 2.0**doublings
        first, growth, largest = self._shortest
        return StepSizes(first * factor, growth, largest * factor)

    def _apart(self, one: Where, other: Where) -> float:
        a, b = np.hstack(one), np.hstack(other)
        most = np.abs(b) if self._most is None else np.maximum(self._most, np.abs(b))
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(a - b) / (np.abs(b) + NEGLIGIBLE * most + 1e-300)
        # Who cannot be followed by either says nothing; who can by one alone says that it is too long.
        return float(np.max(np.where(np.isfinite(b), np.nan_to_num(apart, nan=np.inf), 0.0), initial=0.0))

    def _seen(self, where: Where) -> None:
        now = np.nan_to_num(np.abs(np.hstack(where)), posinf=0.0)
        self._most = now if self._most is None else np.maximum(self._most, now)


def advanced(kernel: Kernel, where: Where, system: System, covariates: Floats, steps: object) -> Where:
    """Where people are after steps, of which no row is kept."""
    rows = np.empty((1, kernel.height, len(where.stepped)))
    kernel.advance(where.states, where.stepped, covariates, system, steps, rows)  # type: ignore[arg-type]
    return where
