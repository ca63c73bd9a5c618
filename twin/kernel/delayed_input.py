"""Doses that enter later than they are given: by how much, and how slowly, is different for every particle.

An input with a lag, a duration or transit steps (`twin.model.formula`) reads what was given as *pieces*: an amount at
one instant, or a rate over a stretch. So does one with a bioavailability F that changes how long an infusion of a
stated rate lasts (`twin.model.coefficients`): it is taken to last F times as long, at 1/F of its rate, of which the
equation makes the stated one. A particle's own lag L, duration D, or mean transit time M and number n of transit
steps, which hold as they were when the dose was given, make of a piece

    an impulse at begin + L,   a rate over [begin + L, end + L),   a rate amount/D over [begin + L, begin + L + D), or
    a flow amount k (k s)^n exp(-k s) / Gamma(n + 1),   s = time - begin - L,   k = (n + 1)/M

(Savic et al. 2007, J Pharmacokinet Pharmacodyn 34:711), where doses add up, and one that lasts counts from its begin.
So every particle has edges of its own at which its steps must end (`twin.kernel.own_edges`). They follow from the
timeline and the particle alone: solving piece by piece meets the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.clock import DAY_MS
from twin.kernel.compiling.by_hand import compiled
from twin.model.formula import arguments_of

LONGEST_MS = 180 * DAY_MS
"""A particle whose dose would still enter after this is impossible (depots release over weeks to months)."""

FOREVER = int(np.iinfo(np.int64).max)

TIMING = 4
"""Numbers a particle has for a late column: lag; duration or transit steps; mean transit time; bioavailability. Unused
ones are 0."""

MOST_TIMES = 100.0
"""An infusion of a stated rate is looked for until it has lasted so many times as long as recorded."""

AS_GIVEN, EVENLY, TRANSIT = range(3)
"""Kinds of late columns: as it was given; over a duration where it was given at once; through transit steps."""


def entry_of(call: str) -> int:
    """How the doses of a late input call enter: one of the kinds above."""
    function, _, formulas = arguments_of(call)
    return TRANSIT if function == "transit" else EVENLY if "duration" in formulas else AS_GIVEN


PieceRow = tuple[int, int, int, int, float, int, int, bool, float]
"""One piece: given, column, begin, end, amount, until, every, rated, weight (see `Pieces`)."""


@dataclass(frozen=True)
class Pieces:
    """What was given for the late columns of a model, L pieces in the order in which it was given.

    Attributes:
        column: (L,) which late column.
        given: (L,) ms at which the dose began: parameters hold as they were then.
        begin, end: (L,) ms; equal for an amount given at once.
        amount: (L,) amount, or rate per model time unit, in model units, times the weight.
        until: (L,) ms of a reset, at which it ends whatever is left.
        every: (L,) ms; where above 0 the piece stands for all those that were given so often before it for ever, as
            far as they still enter after it.
        rated: (L,) whether its rate stays as stated, and the bioavailability changes how long it lasts.
        weight: (L,) what the dose was multiplied by when it was given, a part of its bioavailability.
    """

    column: Integers
    given: Integers
    begin: Integers
    end: Integers
    amount: Floats
    until: Integers
    every: Integers
    rated: NDArray[np.bool_]
    weight: Floats

    @classmethod
    def of(cls, rows: list[PieceRow]) -> Pieces:
        """Pieces of these rows, in any order."""
        rows = sorted(rows)
        given, column, begin, end, _, until, every = (
            np.array([row[i] for row in rows], dtype=np.int64) for i in range(7)
        )
        amount = np.array([row[4] for row in rows], dtype=np.float64)
        rated = np.array([row[7] for row in rows], dtype=np.bool_)
        weight = np.array([row[8] for row in rows], dtype=np.float64)
        return cls(column, given, begin, end, amount, until, every, rated, weight)


def possible(timing: Floats, kinds: Integers, unit: int) -> NDArray[np.bool_]:
    """Which timings (..., K, `TIMING`) are usable, (..., K); ``unit`` is the model's time unit in ms."""
    found = np.empty(timing.shape[:-1], dtype=np.bool_)
    _possible(timing.reshape(-1, TIMING), kinds, unit, found.reshape(-1))
    return found


@compiled
def _possible(timing, kinds, unit, found):  # type: ignore[no-untyped-def]
    for i in range(len(found)):
        kind, lag, second, mean = kinds[i % len(kinds)], timing[i, 0], timing[i, 1], timing[i, 2]
        found[i] = lag >= 0.0 and second >= 0.0 and mean >= 0.0 and (kind != TRANSIT or mean > 0.0)
        found[i] = found[i] and timing[i, 3] >= 0.0
        if found[i]:
            found[i] = (lag + entering(kind, second, mean)) * unit <= LONGEST_MS


@compiled
def entering(kind, second, mean):  # type: ignore[no-untyped-def]
    """How long what is given at once takes to enter; less than 1e-10 of a dose comes through transit steps after it."""
    return (second + 21.0 + 7.5 * math.sqrt(second + 1.0)) * mean / (second + 1.0) if kind == TRANSIT else second
