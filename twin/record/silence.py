"""How often a twin speaks while nobody tells it anything: ever more rarely, the longer the silence lasts.

    step(t) = every 2^k,  with the smallest k >= 0 for which  t - w(t) <= FINE every 2^k

where w(t) is the last word at or before t: whatever was told of the patient but the passing of time, and a planned dose
that is due. There is an estimate at each t that is a phase after a whole multiple of step(t). So a silence of T brings
about ``FINE + FINE / 2 log2(T / (FINE every))`` estimates, some 230 in a year of hourly ones; with the next word the
full pace is back. The moments follow from the record alone, whoever folds it and in whatever order it came.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from twin.clock import DAY_MS
from twin.record.history import History
from twin.record.orders import Orders

FINE = 48
"""Estimates at full pace after a word: two days of hourly ones."""

PLAN_BELIEVED_MS = 30 * DAY_MS
"""A planned dose is a word while somebody told of the patient within this time before it: longer than a cycle."""


def next_estimate(after: int, every: int, history: History, orders: Orders, phase: int) -> int:
    """The first moment after ``after`` at which an estimate is due (all ms); at full pace there is one ``every``,
    ``phase`` after its whole multiples."""
    fine = _next(after, every, phase)
    told = _last_told(history, after)
    if told is None or fine - told <= FINE * every:
        return fine
    planned = _planned(orders, told, after)
    before = [millis for millis in planned if millis <= after]
    sparse = _sparse(after, every, max([told, *before]), phase)
    words = [*(millis for millis in planned if millis > after), *_first_told(history, after)]
    word = min(words, default=sparse)
    return min(sparse, -(-(word - phase) // every) * every + phase)


def at_full_pace(after: int, every: int, history: History, phase: int) -> bool:
    """Whether there is an estimate ``every`` ms after ``after`` (ms), whatever is told of later times."""
    told = _last_told(history, after)
    return told is None or _next(after, every, phase) - told <= FINE * every


def _next(after: int, step: int, phase: int) -> int:
    """The first time after ``after`` that is ``phase`` after a whole multiple of ``step``."""
    return ((after - phase) // step + 1) * step + phase


def _sparse(after: int, every: int, word: int, phase: int) -> int:
    """The first moment after ``after`` that is due if nothing more is told after ``word``."""
    step = every
    while (due := _next(after, step, phase)) - word > FINE * step:
        step *= 2
    return due


def _last_told(history: History, millis: int) -> int | None:
    """Time of the newest fact or word of a device, not after ``millis``."""
    at = bisect_right(history.keys, millis, key=lambda key: key.millis) - 1
    found = [history.keys[at].millis] if at >= 0 else []
    heard = (contact.last_before(millis) for contact in history.contact.values())
    return max([*found, *(last for last in heard if last is not None)], default=None)


def _first_told(history: History, millis: int) -> Iterator[int]:
    """Times of the first fact after ``millis`` and of the first word of each device."""
    at = bisect_right(history.keys, millis, key=lambda key: key.millis)
    if at < len(history.keys):
        yield history.keys[at].millis
    for contact in history.contact.values():
        at = bisect_right(contact.first, millis)
        if at < len(contact.first):
            yield contact.first[at]


def _planned(orders: Orders, told: int, millis: int) -> list[int]:
    """Begins and ends of the doses that are planned after the word at ``told`` and are believed to be given."""
    steps = [step for drug in orders.plan(millis).values() for step in drug]
    times = {at for step in steps for at in (step.start_ms, step.end_ms)}
    return sorted(at for at in times if told < at <= told + PLAN_BELIEVED_MS)
