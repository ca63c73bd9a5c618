"""Doses that enter later than they are given: by how much, and how slowly, is different for every particle.

An input with a lag, a duration or transit steps (`twin.model.formula`) reads what was given as *pieces*: an amount at
one instant, or a rate over a stretch. A particle's own lag L, duration D, or mean transit time M and number n of
transit steps, which hold as they were when the dose was given, make of a piece

    an impulse at begin + L,   a rate over [begin + L, end + L),   a rate amount/D over [begin + L, begin + L + D), or
    a flow amount k (k s)^n exp(-k s) / Gamma(n + 1),   s = time - begin - L,   k = (n + 1)/M

(Savic et al. 2007, J Pharmacokinet Pharmacodyn 34:711), where doses add up, and one that lasts counts from its begin.
So every particle has edges of its own at which its steps must end. They follow from the timeline and the particle
alone: solving piece by piece meets the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.clock import DAY_MS
from twin.model.formula import arguments_of

LONGEST_MS = 180 * DAY_MS
"""A particle whose dose would still enter after this is impossible (depots release over weeks to months)."""

FOREVER = int(np.iinfo(np.int64).max)

TIMING = 3
"""Numbers a particle has for a late column: lag; duration or transit steps; mean transit time. Unused ones are 0."""

AS_GIVEN, EVENLY, TRANSIT = range(3)
"""Kinds of late columns: as it was given; over a duration where it was given at once; through transit steps."""


def kind_of(call: str) -> int:
    """Kind of a late input call."""
    function, _, formulas = arguments_of(call)
    return TRANSIT if function == "transit" else EVENLY if "duration" in formulas else AS_GIVEN


PieceRow = tuple[int, int, int, int, float, int, int]
"""One piece: given, column, begin, end, amount, until, every (see `Pieces`)."""


@dataclass(frozen=True)
class Pieces:
    """What was given for the late columns of a model, L pieces in the order in which it was given.

    Attributes:
        column: (L,) which late column.
        given: (L,) ms at which the dose began: parameters hold as they were then.
        begin, end: (L,) ms; equal for an amount given at once.
        amount: (L,) amount, or rate per model time unit, in model units.
        until: (L,) ms of a reset, at which it ends whatever is left.
        every: (L,) ms; where above 0 the piece stands for all those that were given so often before it for ever, as
            far as they still enter after it.
    """

    column: Integers
    given: Integers
    begin: Integers
    end: Integers
    amount: Floats
    until: Integers
    every: Integers

    @classmethod
    def of(cls, rows: list[PieceRow]) -> Pieces:
        """Pieces of these rows, in any order."""
        rows = sorted(rows)
        given, column, begin, end, _, until, every = (
            np.array([row[i] for row in rows], dtype=np.int64) for i in range(7)
        )
        return cls(column, given, begin, end, np.array([row[4] for row in rows], dtype=np.float64), until, every)


@dataclass(frozen=True)
class Own:
    """Each particle's own edges within a stretch, one after another.

    Attributes:
        start: (N + 1,) range of each particle's edges.
        time: (E,) model time since the timeline's start; the first of a particle is the begin of the stretch.
        disturbed: (E,) time of the particle's last edge up to there.
        column, amount: (E,) late column of an impulse and its amount; -1 where there is none.
        rates: (E, K) rates of the late columns from there on.
        flow_start: (N, K + 1) ranges of each particle's flows into each late column.
        flow: (F, 6) late column, begin, end, logarithm of the factor, n and k of each flow.
    """

    start: Integers
    time: Floats
    disturbed: Floats
    column: Integers
    amount: Floats
    rates: Floats
    flow_start: Integers
    flow: Floats


def possible(timing: Floats, kinds: Integers, unit: int) -> NDArray[np.bool_]:
    """Which particles (N,) have a usable timing (N, K, `TIMING`); ``unit`` is the model's time unit in ms."""
    valid = (timing >= 0).all(axis=2) & ((kinds != TRANSIT) | (timing[:, :, 2] > 0))
    return np.asarray((valid & (_reach(timing, kinds) * unit <= LONGEST_MS)).all(axis=1))


def own_edges(
    pieces: Pieces,
    kinds: Integers,
    timing_at: Callable[[int], Floats],
    epoch: Integers,
    start: int,
    unit: int,
    stretch: tuple[int, int],
    memory: float,
) -> Own:
    """The edges of every particle from ``stretch[0]`` to before ``stretch[1]`` (ms).

    Args:
        timing_at: timing (N, K, `TIMING`) of an epoch.
        epoch: (E,) ms from which each epoch holds.
        start, unit: ms of the timeline's start and of the model's unit of time.
        memory: model time for which a step remembers an edge.
    """
    low, high = stretch
    oldest = low - LONGEST_MS - (0 if not math.isfinite(memory) else round(memory * unit))
    # Pieces are sorted by the time of their dose; a recorded dose may itself last, and a steady one begins at its own.
    last = int(np.searchsorted(pieces.given, high, side="left"))
    here = np.flatnonzero((np.maximum(pieces.end, pieces.given)[:last] >= oldest) & (pieces.until[:last] > oldest))
    at = np.searchsorted(epoch, pieces.given[here], side="right") - 1
    slots, slot = np.unique(at, return_inverse=True)
    if not len(slots):
        slots = np.searchsorted(epoch, [low], side="right") - 1
    timing = np.array([timing_at(int(e)) for e in slots])
    if len(here):
        reach = np.nan_to_num(_reach(timing, kinds), posinf=0.0).reshape(len(slots), -1).max(axis=1)
        since = (np.maximum(pieces.end[here], pieces.given[here]) - low) / unit
        near = since + reach[slot] >= -memory
        here, slot = here[near], slot[near]
    given, begin, end = ((x[here] - start) / unit for x in (pieces.given, pieces.begin, pieces.end))
    until = np.where(pieces.until[here] == FOREVER, np.inf, (pieces.until[here] - start) / unit)
    column, amount, every = pieces.column[here], pieces.amount[here], pieces.every[here] / unit
    first, following = (low - start) / unit, (high - start) / unit
    made = _own_edges(column, slot, given, begin, end, amount, until, every, timing, kinds, first, following)
    return Own(*made)


def _reach(timing: Floats, kinds: Integers) -> Floats:
    """Time (..., K) after the end of a piece when it has entered, for timing (..., K, `TIMING`); model time."""
    second = timing[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        flowing = (second + 21.0 + 7.5 * np.sqrt(second + 1.0)) * timing[..., 2] / (second + 1.0)
    return np.asarray(timing[..., 0] + np.where(kinds == TRANSIT, flowing, second))


@njit(nogil=True, cache=True)
def _own_edges(column, slot, given, begin, end, amount, until, every, timing, kinds, low, high):  # type: ignore[no-untyped-def]
    """See `own_edges`; times are model time since the timeline's start."""
    particles, columns = timing.shape[1], timing.shape[2]
    start, flow_start = np.zeros(particles + 1, dtype=np.int64), np.zeros((particles, columns + 1), dtype=np.int64)
    room = particles * (2 * len(column) + 1)
    time, disturbed, enters = np.empty(room), np.empty(room), np.full(room, -1, dtype=np.int64)
    dose, rates = np.zeros(room), np.zeros((room, columns))
    flow = np.empty((max(1, particles * len(column)), 6))
    edges = flows = 0
    size = 16 + 2 * len(column)
    when, kicked, kick = np.empty(size), np.empty(size, dtype=np.int64), np.empty(size)
    opens, closes, rate, into = np.empty(size), np.empty(size), np.empty(size), np.empty(size, dtype=np.int64)
    for n in range(particles):
        events = running = 0
        flow_start[n, 0] = flows
        last = -np.inf
        for q in range(len(column)):
            k = column[q]
            lag, second, transit = timing[slot[q], n, k, 0], timing[slot[q], n, k, 1], timing[slot[q], n, k, 2]
            if not (lag >= 0.0 and second >= 0.0 and transit >= 0.0):
                continue  # An impossible particle, whose outputs are not numbers.
            span = end[q] - begin[q]
            scale = 1.0
            whole = 0.0
            flowing = kinds[k] == TRANSIT
            if flowing:
                # Less than 1e-10 of a dose comes after this.
                whole = amount[q] * span if span > 0.0 else amount[q]
                scale = (second + 1.0) / transit
                span = (second + 21.0 + 7.5 * math.sqrt(second + 1.0)) / scale
            spread = span == 0.0 and kinds[k] == EVENLY
            if spread:
                span = second
            copy = 1 if every[q] > 0.0 else 0
            while True:
                opening = begin[q] + lag - copy * every[q]
                closing = opening + span
                if spread and closing > opening:
                    scale = 1.0 / (closing - opening)  # Of the times as they are rounded: the dose enters whole.
                lower = given[q] if every[q] > 0.0 else -np.inf
                if copy > 0 and closing <= lower and not (closing == opening and opening >= lower):
                    break
                if events + 2 >= len(when) or running + 1 >= len(opens):
                    when, kicked, kick = _grown(when), _grown_whole(kicked), _grown(kick)
                    opens, closes, rate, into = _grown(opens), _grown(closes), _grown(rate), _grown_whole(into)
                if flowing:
                    if whole > 0.0 and closing > low and opening < high:
                        if flows == len(flow):
                            more = np.empty((2 * flows, 6))
                            more[:flows] = flow
                            flow = more
                        flow[flows, 0], flow[flows, 1], flow[flows, 2] = k, opening, min(closing, until[q])
                        flow[flows, 3] = math.log(whole * scale) + second * math.log(scale)
                        flow[flows, 3] -= math.lgamma(second + 1.0)
                        flow[flows, 4], flow[flows, 5] = second, scale
                        flows += 1
                    if low < opening < high and opening >= lower:
                        when[events], kicked[events], kick[events] = opening, -1, 0.0
                        events += 1
                    elif lower <= opening <= low:
                        last = max(last, opening)
                elif closing == opening:
                    if lower <= opening < until[q]:
                        if low <= opening < high:
                            when[events], kicked[events], kick[events] = opening, k, amount[q]
                            events += 1
                        elif opening < low:
                            last = max(last, opening)
                else:
                    opening, closing = max(opening, lower), min(closing, until[q])
                    if opening < closing:
                        if closing > low and opening < high:
                            opens[running], closes[running] = opening, closing
                            rate[running], into[running] = amount[q] * scale, k
                            running += 1
                        for edge in (opening, closing):
                            if low < edge < high:
                                when[events], kicked[events], kick[events] = edge, -1, 0.0
                                events += 1
                            elif edge <= low:
                                last = max(last, edge)
                if every[q] <= 0.0:
                    break
                copy += 1
        # Sums run in the order of opening, so that they come out the same whatever stretch they are part of.
        order = np.argsort(opens[:running], kind="mergesort")
        turn = np.argsort(when[:events], kind="mergesort")
        active = np.empty(running, dtype=np.int64)
        count = following = 0
        if edges + events + 1 > len(time):
            room = 2 * (edges + events + 1)
            time, disturbed, enters, dose = (
                _wider(time, room),
                _wider(disturbed, room),
                _wider_whole(enters, room),
                _wider(dose, room),
            )
            broader = np.zeros((room, columns))
            broader[:edges] = rates[:edges]
            rates = broader
        for e in range(-1, events):
            now = low if e < 0 else when[turn[e]]
            while following < running and opens[order[following]] <= now:
                active[count] = order[following]
                count += 1
                following += 1
            kept = 0
            rates[edges, :] = 0.0
            for i in range(count):
                if closes[active[i]] > now:
                    rates[edges, into[active[i]]] += rate[active[i]]
                    active[kept] = active[i]
                    kept += 1
            count = kept
            if e >= 0:
                last = max(last, now)
            time[edges], disturbed[edges] = now, last
            enters[edges] = -1 if e < 0 else kicked[turn[e]]
            dose[edges] = 0.0 if e < 0 else kick[turn[e]]
            edges += 1
        first = flow_start[n, 0]
        for by in (1, 0):  # By column, and within one by begin.
            part = flow[first:flows].copy()
            flow[first:flows] = part[np.argsort(part[:, by], kind="mergesort")]
        for k in range(columns):
            flow_start[n, k + 1] = flow_start[n, k] + np.sum(flow[first:flows, 0] == k)
        start[n + 1] = edges
    return start, time[:edges], disturbed[:edges], enters[:edges], dose[:edges], rates[:edges], flow_start, flow[:flows]


@njit(nogil=True, cache=True)
def _wider(values, room):  # type: ignore[no-untyped-def]
    found = np.empty(room)
    found[: len(values)] = values
    return found


@njit(nogil=True, cache=True)
def _wider_whole(values, room):  # type: ignore[no-untyped-def]
    found = np.full(room, -1, dtype=np.int64)
    found[: len(values)] = values
    return found


@njit(nogil=True, cache=True)
def _grown(values):  # type: ignore[no-untyped-def]
    return _wider(values, 2 * len(values))


@njit(nogil=True, cache=True)
def _grown_whole(values):  # type: ignore[no-untyped-def]
    return _wider_whole(values, 2 * len(values))
