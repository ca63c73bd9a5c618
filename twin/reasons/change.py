"""The smallest change of a value that alters a verdict: looked for on both sides, then halved upon.

The verdict comes from a cloud of particles, so it may flicker where it turns; what is found is a value at which it has
turned, and within `CLOSE` of one at which it had not.
"""

from __future__ import annotations

import math
from collections.abc import Callable

FACTORS = (1.1, 1.3, 1.7, 2.5, 4.0, 8.0, 20.0)
"""By which a value is multiplied and divided, one after the other."""

CLOSE = 0.02
"""Relative distance within which it is known where the verdict turns."""


def smallest_factor(stands: Callable[[float], bool]) -> float | None:
    """The factor nearest to 1 by which a value has to be multiplied for a verdict not to stand; ``None`` within
    `FACTORS`.

    >>> round(smallest_factor(lambda factor: factor < 2.0), 1)
    2.0
    >>> smallest_factor(lambda factor: True) is None
    True
    """
    before = 1.0
    for factor in FACTORS:
        turned = [one for one in (factor, 1.0 / factor) if not stands(one)]
        if turned:
            found = [_between(stands, before if one > 1.0 else 1.0 / before, one) for one in turned]
            return min(found, key=lambda one: abs(math.log(one)))
        before = factor
    return None


def _between(stands: Callable[[float], bool], standing: float, fallen: float) -> float:
    """Where it turns between a factor at which the verdict stands and one at which it does not."""
    while abs(math.log(fallen / standing)) > CLOSE:
        middle = math.sqrt(standing * fallen)
        if stands(middle):
            standing = middle
        else:
            fallen = middle
    return fallen
