"""Each particle's own edges: where doses that enter late (`twin.kernel.delayed_input`) begin, end or enter at once.

A particle meets a piece of what was given as *entries*, each from an opening to a closing; a piece that stands for all
those so often before it makes one for each that still enters. An entry becomes a flow, an impulse or a rate, and its
ends become edges, at which the rates that run are summed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.kernel.arguments import OwnEdges
from twin.kernel.compiling.by_hand import compiled
from twin.kernel.delayed_input import EVENLY, FOREVER, LONGEST_MS, MOST_TIMES, TRANSIT, Pieces, entering, possible

EDGE = np.dtype([("time", "f8"), ("disturbed", "f8"), ("column", "i8"), ("amount", "f8")], align=True)
"""An edge: model time since the timeline's start, that of the particle's last edge up to there, and the late column and
amount of an impulse (-1 where there is none). The first edge of a particle is the begin of the stretch."""

FLOW = np.dtype(
    [("column", "i8"), ("begin", "f8"), ("end", "f8"), ("log_factor", "f8"), ("n", "f8"), ("k", "f8")], align=True
)
"""A flow exp(log_factor) s^n exp(-k s) into a late column, s since its begin."""

ENTRY = np.dtype(
    [
        *(("column", "i8"), ("opening", "f8"), ("closing", "f8"), ("lower", "f8"), ("until", "f8")),
        *(("amount", "f8"), ("scale", "f8"), ("n", "f8")),
    ],
    align=True,
)
"""A piece as it enters one particle: nothing of it before ``lower`` or after ``until``; ``amount`` times ``scale`` is
its rate, or of a flow with n steps the k times its amount."""

EVENT = np.dtype([("time", "f8"), ("column", "i8"), ("amount", "f8")], align=True)
"""What happens to one particle: an impulse into a late column, or -1 where something else begins or ends."""

RUN = np.dtype([("opening", "f8"), ("closing", "f8"), ("rate", "f8"), ("column", "i8")], align=True)
"""A rate into a late column of one particle."""


class Given(NamedTuple):
    """Pieces near a stretch: as `Pieces`, in model time since the timeline's start; ``slot`` is the row of their
    timing."""

    column: Integers
    slot: Integers
    given: Floats
    begin: Floats
    end: Floats
    amount: Floats
    until: Floats
    every: Floats
    rated: NDArray[np.bool_]
    weight: Floats


def no_own_edges(count: int, columns: int) -> OwnEdges:
    """What so many particles have in a stretch in which nothing enters so many late columns."""
    return OwnEdges(
        edge_from=np.zeros(count + 1, dtype=np.int64),
        edges=np.empty(0, dtype=EDGE),
        rates=np.empty((0, columns)),
        flow_from=np.zeros((count, columns + 1), dtype=np.int64),
        flows=np.empty(0, dtype=FLOW),
    )


def own_edges(
    pieces: Pieces,
    kinds: Integers,
    timing_at: Callable[[int], Floats],
    epoch: Integers,
    start: int,
    unit: int,
    stretch: tuple[int, int],
    memory: float,
) -> OwnEdges:
    """The edges of every particle from ``stretch[0]`` to before ``stretch[1]`` (ms).

    Args:
        timing_at: timing (N, K, `twin.kernel.delayed_input.TIMING`) of an epoch.
        epoch: (E,) ms from which each epoch holds.
        start, unit: ms of the timeline's start and of the model's unit of time.
        memory: model time for which a step remembers an edge.
    """
    low, high = stretch
    here = _recent(pieces, low - LONGEST_MS - (round(memory * unit) if math.isfinite(memory) else 0), high)
    at = np.searchsorted(epoch, pieces.given[here], side="right") - 1
    slots, slot = np.unique(at, return_inverse=True)
    if not len(slots):
        slots = np.searchsorted(epoch, [low], side="right") - 1
    timing = np.array([timing_at(int(e)) for e in slots])
    # An impossible particle has outputs that are not numbers: nothing needs to enter it.
    usable = possible(timing, kinds, unit)
    if len(here):
        since = (np.maximum(_last_end(pieces)[here], pieces.given[here]) - low) / unit
        near = since + _longest(timing, usable, kinds)[slot] >= -memory
        here, slot = here[near], slot[near]
    given = _given(pieces, here, slot, start, unit)
    return OwnEdges(*_laid_out(given, timing, usable, kinds, (low - start) / unit, (high - start) / unit))


def _recent(pieces: Pieces, oldest: int, end: int) -> Integers:
    """Index of the pieces given before ``end`` that may still enter after ``oldest`` (ms)."""
    # Pieces are sorted by the time of their dose; a recorded dose may itself last, and a steady one begins at its own.
    last = int(np.searchsorted(pieces.given, end, side="left"))
    ends, until = np.maximum(_last_end(pieces), pieces.given)[:last], pieces.until[:last]
    return np.flatnonzero((ends >= oldest) & (until > oldest))


def _last_end(pieces: Pieces) -> Integers:
    """When a piece (L,) has entered at the latest, ms, but for its lag and the like."""
    longer = np.where(pieces.rated, MOST_TIMES, 1.0) * (pieces.end - pieces.begin)
    return np.asarray(pieces.begin + longer.astype(np.int64))


def _given(pieces: Pieces, here: Integers, slot: Integers, start: int, unit: int) -> Given:
    """The pieces at ``here``, in model time."""
    return Given(
        column=pieces.column[here],
        slot=slot,
        given=(pieces.given[here] - start) / unit,
        begin=(pieces.begin[here] - start) / unit,
        end=(pieces.end[here] - start) / unit,
        amount=pieces.amount[here],
        until=np.where(pieces.until[here] == FOREVER, np.inf, (pieces.until[here] - start) / unit),
        every=pieces.every[here] / unit,
        rated=pieces.rated[here],
        weight=pieces.weight[here],
    )


@compiled
def _longest(timing, usable, kinds):  # type: ignore[no-untyped-def]
    """Time after the end of a piece when it has entered every particle, by slot."""
    longest = np.zeros(len(timing))
    for slot, n, k in np.ndindex(usable.shape):
        if usable[slot, n, k]:
            span = entering(kinds[k], timing[slot, n, k, 1], timing[slot, n, k, 2])
            longest[slot] = max(longest[slot], timing[slot, n, k, 0] + span)
    return longest


@compiled
def _laid_out(pieces, timing, usable, kinds, low, high):  # type: ignore[no-untyped-def]
    """See `own_edges`; the fields of an `OwnEdges`."""
    particles, columns = timing.shape[1], timing.shape[2]
    most = _most_entries(pieces, timing, usable, kinds)
    edges, flows = np.empty(2 * np.sum(most) + particles, dtype=EDGE), np.empty(np.sum(most), dtype=FLOW)
    rates = np.zeros((len(edges), columns))
    edge_from, flow_from = np.zeros(particles + 1, dtype=np.int64), np.zeros((particles, columns + 1), dtype=np.int64)
    room = np.max(most)
    entries, events, runs = np.empty(room, dtype=ENTRY), np.empty(2 * room, dtype=EVENT), np.empty(room, dtype=RUN)
    flowed = 0
    for n in range(particles):
        entered = _enter(pieces, timing[:, n], usable[:, n], kinds, entries)
        flow_from[n, 0] = flowed
        flowed = _flow(entries[:entered], kinds, low, high, flows, flowed)
        _sort_flows(flows[flow_from[n, 0] : flowed], flow_from[n])
        happened, running, last = _happen(entries[:entered], kinds, low, high, events, runs)
        edge_from[n + 1] = _meet(events[:happened], runs[:running], low, last, edges, rates, edge_from[n])
    return edge_from, edges[: edge_from[-1]], rates[: edge_from[-1]], flow_from, flows[:flowed]


@compiled
def _lasting(pieces, q, kind, fraction):  # type: ignore[no-untyped-def]
    """How long piece q lasts in a particle with this bioavailability but for its weight, and the factor of its rate."""
    lasting = pieces.end[q] - pieces.begin[q]
    if not pieces.rated[q] or kind == TRANSIT:
        return lasting, 1.0
    if fraction * pieces.weight[q] <= 0.0:
        return 0.0, 0.0
    times = min(fraction * pieces.weight[q], MOST_TIMES)
    return times * lasting, 1.0 / times


@compiled
def _spread(kind, lasting, amount, second, mean):  # type: ignore[no-untyped-def]
    """How long a piece enters that lasts so long, its amount or rate, and the factor that makes a rate of it."""
    if kind == TRANSIT:
        scale = (second + 1.0) / mean
        whole = amount * lasting if lasting > 0.0 else amount
        # Less than 1e-10 of a dose comes after this.
        return (second + 21.0 + 7.5 * math.sqrt(second + 1.0)) / scale, whole, scale
    return second if kind == EVENLY and lasting == 0.0 else lasting, amount, 1.0


@compiled
def _most_entries(pieces, timing, usable, kinds):  # type: ignore[no-untyped-def]
    """As many entries (N,) as a particle may have, or one or two more."""
    most = np.zeros(timing.shape[1], dtype=np.int64)
    for q in range(len(pieces.column)):
        k, slot, every = pieces.column[q], pieces.slot[q], pieces.every[q]
        for n in range(len(most)):
            if every <= 0.0:
                most[n] += 1
            elif usable[slot, n, k]:
                lag, second, mean = timing[slot, n, k, 0], timing[slot, n, k, 1], timing[slot, n, k, 2]
                lasting, _ = _lasting(pieces, q, kinds[k], timing[slot, n, k, 3])
                span, _, _ = _spread(kinds[k], lasting, 1.0, second, mean)
                most[n] += 2 + int(max(0.0, (pieces.begin[q] + lag + span - pieces.given[q]) / every))
    return most


@compiled
def _enter(pieces, timing, usable, kinds, entries):  # type: ignore[no-untyped-def]
    """The entries of one particle, of timing (slots, K, `TIMING`); returns their number."""
    count = 0
    for q in range(len(pieces.column)):
        k, slot, every = pieces.column[q], pieces.slot[q], pieces.every[q]
        if not usable[slot, k]:
            continue
        lag, second, mean = timing[slot, k, 0], timing[slot, k, 1], timing[slot, k, 2]
        lasting, slower = _lasting(pieces, q, kinds[k], timing[slot, k, 3])
        if slower == 0.0:
            continue  # An infusion of which nothing is available.
        span, amount, scale = _spread(kinds[k], lasting, pieces.amount[q] * slower, second, mean)
        lower = pieces.given[q] if every > 0.0 else -np.inf
        copy = 1 if every > 0.0 else 0
        while True:
            opening = pieces.begin[q] + lag - copy * every
            closing = opening + span
            if copy > 0 and closing <= lower and not (closing == opening and opening >= lower):
                break
            if kinds[k] == EVENLY and lasting == 0.0 and closing > opening:
                scale = 1.0 / (closing - opening)  # Of the times as they are rounded: the dose enters whole.
            entry = entries[count]
            entry.column, entry.opening, entry.closing, entry.lower = k, opening, closing, lower
            entry.until, entry.amount, entry.scale, entry.n = pieces.until[q], amount, scale, second
            count += 1
            if every <= 0.0:
                break
            copy += 1
    return count


@compiled
def _flow(entries, kinds, low, high, flows, count):  # type: ignore[no-untyped-def]
    """Append the flows of one particle to ``flows`` from ``count`` on; returns how many there are now."""
    for i in range(len(entries)):
        entry = entries[i]
        if kinds[entry.column] == TRANSIT and entry.amount > 0.0 and entry.closing > low and entry.opening < high:
            flow = flows[count]
            flow.column, flow.begin, flow.end = entry.column, entry.opening, min(entry.closing, entry.until)
            flow.log_factor = math.log(entry.amount * entry.scale) + entry.n * math.log(entry.scale)
            flow.log_factor -= math.lgamma(entry.n + 1.0)
            flow.n, flow.k = entry.n, entry.scale
            count += 1
    return count


@compiled
def _sort_flows(flows, flow_from):  # type: ignore[no-untyped-def]
    """The flows of one particle by column, and within one by begin; their ranges (K + 1,) from ``flow_from[0]`` on."""
    # They come nearly in order, and ``argsort`` with records at its places takes five seconds to compile.
    for i in range(1, len(flows)):
        at = i
        while at > 0 and _before(flows[at], flows[at - 1]):
            _exchange(flows[at], flows[at - 1])
            at -= 1
    for k in range(len(flow_from) - 1):
        flow_from[k + 1] = flow_from[k]
        for i in range(len(flows)):
            if flows[i].column == k:
                flow_from[k + 1] += 1


@compiled
def _before(one, other):  # type: ignore[no-untyped-def]
    return one.column < other.column or (one.column == other.column and one.begin < other.begin)


@compiled
def _exchange(one, other):  # type: ignore[no-untyped-def]
    one.column, other.column = other.column, one.column
    one.begin, other.begin = other.begin, one.begin
    one.end, other.end = other.end, one.end
    one.log_factor, other.log_factor = other.log_factor, one.log_factor
    one.n, other.n = other.n, one.n
    one.k, other.k = other.k, one.k


@compiled
def _happen(entries, kinds, low, high, events, runs):  # type: ignore[no-untyped-def]
    """Events and runs of one particle; returns their numbers, and when last something happened by ``low``."""
    happened = running = 0
    last = -np.inf
    for i in range(len(entries)):
        entry = entries[i]
        column, opening, closing = entry.column, entry.opening, entry.closing
        if kinds[column] == TRANSIT:
            if entry.lower <= opening <= low:
                last = max(last, opening)
            elif entry.lower <= opening < high:
                happened = _event(events, happened, opening, -1, 0.0)
        elif closing == opening:
            if entry.lower <= opening < min(low, entry.until):
                last = max(last, opening)
            elif entry.lower <= opening < min(high, entry.until):
                happened = _event(events, happened, opening, column, entry.amount)
        else:
            opening, closing = max(opening, entry.lower), min(closing, entry.until)
            if opening < closing and closing > low and opening < high:
                run = runs[running]
                run.opening, run.closing, run.rate, run.column = opening, closing, entry.amount * entry.scale, column
                running += 1
            if opening < closing:
                for edge in (opening, closing):
                    if edge <= low:
                        last = max(last, edge)
                    elif edge < high:
                        happened = _event(events, happened, edge, -1, 0.0)
    return happened, running, last


@compiled
def _event(events, count, time, column, amount):  # type: ignore[no-untyped-def]
    event = events[count]
    event.time, event.column, event.amount = time, column, amount
    return count + 1


@compiled
def _in_order(times):  # type: ignore[no-untyped-def]
    """Index of the times from the first to the last, of equal ones as they come: they come nearly in order."""
    order = np.empty(len(times), dtype=np.int64)
    for i in range(len(times)):
        at = i
        while at > 0 and times[order[at - 1]] > times[i]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = i
    return order


@compiled
def _meet(events, runs, low, last, edges, rates, count):  # type: ignore[no-untyped-def]
    """Append the edges of one particle to ``edges`` from ``count`` on, with their ``rates``; returns how many there are
    now."""
    # Sums run in the order of opening, so that they come out the same whatever stretch they are part of.
    order, turn = _in_order(runs.opening), _in_order(events.time)
    active = np.empty(len(runs), dtype=np.int64)
    running = following = 0
    for e in range(-1, len(events)):
        edge = edges[count]
        edge.time, edge.column, edge.amount = low, -1, 0.0
        if e >= 0:
            event = events[turn[e]]
            edge.time, edge.column, edge.amount = event.time, event.column, event.amount
            last = max(last, event.time)
        edge.disturbed = last
        while following < len(runs) and runs[order[following]].opening <= edge.time:
            active[running] = order[following]
            running += 1
            following += 1
        kept = 0
        for i in range(running):
            run = runs[active[i]]
            if run.closing > edge.time:
                rates[count, run.column] += run.rate
                active[kept] = active[i]
                kept += 1
        running = kept
        count += 1
    return count
