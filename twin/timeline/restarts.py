"""Where all states are set anew: resets, and doses recorded as given in steady state.

Either ends what was recorded before: a dose that still runs, or that has yet to enter. What pumps deliver goes on. A
dose in steady state stands for all those like it before it, which still enter after it as far as they last longer than
the interval between them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from twin.kernel.delayed_input import FOREVER, PieceRow
from twin.timeline.delivery import Delivered, Recorded, Steady, with_rates

SteadyDose = tuple[str, Steady]
"""A drug and its dose in steady state."""


def steady_doses(given: Mapping[str, Delivered]) -> dict[int, tuple[SteadyDose, ...]]:
    """Doses recorded as given in steady state, by ms in order of time."""
    every = sorted((dose.millis, drug, dose) for drug, source in given.items() for dose in source.steady)
    times = sorted({millis for millis, _, _ in every})
    return {now: tuple((drug, dose) for millis, drug, dose in every if millis == now) for now in times}


def as_entering(source: Delivered, restarts: Sequence[int]) -> Delivered:
    """A drug's deliveries as they enter, where all states are set at ``restarts`` (ms, sorted)."""
    if not restarts and not source.steady:
        return source
    recorded = [dose._replace(end=min(dose.end, _next(restarts, dose.start))) for dose in source.recorded]
    for dose in source.steady:
        recorded += _tails(dose, _next(restarts, dose.millis))
    return with_rates(replace(source, recorded=recorded))


def _tails(dose: Steady, until: int) -> list[Recorded]:
    """What is left, at a dose in steady state, of those before it."""
    earlier = (dose.recorded(dose.millis - k * dose.every) for k in range(1, -(-dose.span // dose.every)))
    return [tail._replace(start=dose.millis, end=min(tail.end, until)) for tail in earlier]


def _next(restarts: Sequence[int], millis: int) -> int:
    at = bisect_right(restarts, millis)
    return restarts[at] if at < len(restarts) else FOREVER


def late_pulses(column: int, source: Delivered, restarts: Sequence[int]) -> list[PieceRow]:
    """Impulses of one, whatever the dose, in a late column."""
    pulses = [(millis, 0) for millis in source.pulses] + [(dose.millis, dose.every) for dose in source.steady]
    return [
        (millis, column, millis, millis, 1.0, _next(restarts, millis), every, False, 1.0) for millis, every in pulses
    ]


def late_pieces(
    column: int,
    source: Delivered,
    restarts: Sequence[int],
    reads: Callable[[str], bool],
    scale: float,
    per_hour: float,
) -> list[PieceRow]:
    """What a late column reads of a drug: amounts times ``scale``, rates per model time unit (``per_hour`` hours).

    ``reads`` says whether it takes what is given by an entrance.
    """
    found = [(millis, millis, millis, amount, route, 0, False) for millis, amount, route in source.impulses]
    found += [(one.start, one.start, one.end, one.rate * per_hour, one.route, 0, one.rated) for one in source.recorded]
    for dose in source.steady:
        size = dose.recorded(dose.millis).rate * per_hour if dose.span else dose.amount
        rated = dose.rated and dose.span > 0
        found.append((dose.millis, dose.millis, dose.millis + dose.span, size, dose.route, dose.every, rated))
    pieces = [
        (given, column, begin, end, amount * scale, _next(restarts, given), every, rated, 1.0)
        for given, begin, end, amount, route, every, rated in found
        if reads(route)
    ]
    if reads("iv"):
        for begin, end, rate, began in source.pumping():
            pieces.append((began, column, begin, end, rate * per_hour * scale, FOREVER, 0, False, 1.0))
    return pieces
