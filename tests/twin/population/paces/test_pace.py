"""The pace of a walk follows how fast things change, and what cannot be followed holds nobody up."""

from __future__ import annotations

import numpy as np

from twin.kernel.arguments import StepSizes
from twin.population.paces.pace import LONGEST, Pacer, Where

SHORTEST = StepSizes(0.01, 0.2, 0.01)


def decaying(rate: float, length: float):  # type: ignore[no-untyped-def]
    """Exponential decay over a length by steps of fourth order."""

    def advance(where: Where, sizes: StepSizes) -> Where:
        count = int(np.ceil(length / sizes.largest - 1e-9))
        x = -rate * length / count
        factor = (1 + x + x**2 / 2 + x**3 / 6 + x**4 / 24) ** count
        return Where(where.states, where.stepped * factor)

    return advance


def test_slow_is_stepped_slowly_and_fast_fast() -> None:
    begin = Where(np.empty((1, 0)), np.ones((1, 1)))
    pacer = Pacer(SHORTEST)
    found = [pacer.next(begin, 4.0, decaying(rate, 4.0))[0].largest for rate in (3.0, 0.5, 0.01, 0.01, 3.0)]
    assert found[0] < found[1] < found[2] <= found[3]
    assert found[4] < found[1]
    assert found[3] <= SHORTEST.largest * 2.0**LONGEST


def test_steps_are_never_shorter_than_those_that_suit_everything() -> None:
    sizes, after = Pacer(SHORTEST).next(Where(np.empty((1, 0)), np.ones((1, 1))), 4.0, decaying(200.0, 4.0))
    assert sizes == SHORTEST
    assert np.isfinite(after.stepped).all()


def test_who_cannot_be_followed_is_passed_over() -> None:
    begin = Where(np.empty((2, 0)), np.array([[1.0], [np.nan]]))
    assert Pacer(SHORTEST).next(begin, 4.0, decaying(0.01, 4.0))[0].largest > SHORTEST.largest


def test_what_has_faded_away_is_still_stepped_so_that_it_fades() -> None:
    rate, length = 3.0, 8.0
    pacer, where = Pacer(SHORTEST), Where(np.empty((1, 0)), np.ones((1, 1)))
    sizes = []
    for _ in range(12):
        taken, where = pacer.next(where, length, decaying(rate, length))
        sizes.append(taken.largest)
    # Fourth order is stable up to 2.785; whoever is twice as fast is followed too.
    assert max(sizes) * rate < 2.785 / 2.0
    assert np.abs(where.stepped).max() < 1e-30
