"""What is known before of numbers that walk: the log density of each, on the scale that it moves on.

Of the analyst's prior (`twin.population.prior`) a number x is normal, and the variance s^2 of the size s of an error
inverse-Wishart; with the slope of what it is a density of these are

    -(x - m)^2 / (2 SE^2) + log dx/dv,      -(nu + 2) log s - nu m^2 / (2 s^2) + 2 v,      v = log s.

What it does not name of an error that is no size has a weak one (`twin.population.sampling.weak`), and everything else
a flat one. Covariances and shares of classes do not walk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from twin.arrays import Floats
from twin.kernel.free import natural, slope
from twin.population.prior import Known, Prior, is_normal
from twin.population.sampling.weak import log_weak
from twin.population.theta import Theta


class Before:
    """Of the numbers of a theta; ``named`` are the places in the vector of those that the analyst's prior names."""

    def __init__(self, theta: Theta) -> None:
        known = {one.name: one for one in theta.prior.known} if isinstance(theta.prior, Prior) else {}
        self._of = {
            at: _density(theta, at, known[name])
            for at, name in enumerate(theta.names)
            if name in known and theta.elements[at].kind in ("place", "error")
        }
        self.named = frozenset(self._of)
        numbers = ((at, theta.error_number(at)) for at in range(theta.size) if at not in self.named)
        self._weak = {at: number for at, number in numbers if number is not None}

    def log(self, at: int, place: float) -> float:
        """Log density of a number at a place, but for a constant."""
        if at in self._of:
            return self._of[at](place)
        return log_weak(self._weak[at], place) if at in self._weak else 0.0

    def of_named(self, vector: Floats, places: Iterable[int]) -> float:
        """The same of a vector (K,), of all numbers among some ``places`` that the analyst's prior names."""
        return sum(self.log(at, float(vector[at])) for at in places if at in self.named)


def _density(theta: Theta, at: int, known: Known) -> Callable[[float], float]:
    number, value = theta.error_number(at), known.value
    if not is_normal(theta, at):
        nu = known.freedom
        return lambda v: 2.0 * v - (nu + 2.0) * v - 0.5 * nu * value**2 * math.exp(-2.0 * v)
    assert known.se is not None, "what is normal has a standard error"
    se = known.se

    def normal(v: float) -> float:
        if number is None:
            scale = theta.scale(theta.elements[at].i)
            x = natural(scale, v)
            along = slope(scale, x)
        else:
            x = number.natural(v)
            along = number.slope(x)
        return -0.5 * ((x - value) / se) ** 2 + math.log(along) if along > 0.0 else -math.inf

    return normal
