"""Intervals by the profile of the likelihood: how far a number may go before the rest cannot make up for it.

With one number held at v and all others at their best, the objective rises by d(v) above its minimum; the 95 % interval
holds all v with d(v) <= `RISE`, the quantile of chi-squared with one degree of freedom (Venzon & Moolgavkar 1988, Appl
Stat 37:87). The root of d is nearly straight, so that its crossing is found in a few searches, each from where the last
one ended. An interval need not be symmetric, holds under any transformation of the number, and is open where the data
do not bound it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from twin.arrays import Floats
from twin.model.measured.error_numbers import ErrorNumber
from twin.population.objective import Evaluation
from twin.population.search import Bounds, Objective, State, bounds, search
from twin.population.theta import Theta
from twin.population.values import LEVELS

RISE = 3.841458820694124
"""Of the objective, at the ends of a 95 % interval."""

CLOSE = 0.01
"""Of the objective: an end is found when the rise there is this near to `RISE`."""

DEEPER = 0.01
"""A profile that goes this far below the minimum says that it was none."""

MOST_STEPS = 15

WIDEST_ENTRY = 1e4
"""Entry of L of a correlation of residuals (`twin.observation.residual_correlation`) beyond which it is 1."""

UNBOUNDED = 12.0
"""A number whose logarithm has moved by this much on one side without the rise is not bounded there."""


@dataclass(frozen=True)
class Profile:
    """Of one number, on its natural scale.

    Attributes:
        name: which.
        value: the estimate.
        low, high: ends of the interval; ``None`` where there is none.
        points: (value, rise of the objective) wherever it was looked, in order of the values.
        problem: in words; empty where there is none.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    points: tuple[tuple[float, float], ...]
    problem: str


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldEvaluation(Evaluation):
    """An evaluation with one number held: vector and scores are of the others; ``whole`` is that of everything."""

    whole: Evaluation


class Held:
    """An objective with number ``at`` of a vector held where its natural number is ``value``.

    The element of the vector that it hangs on is worked out from the others (entries of a block of Omega hang on more
    than their own), and derivatives follow.
    """

    def __init__(self, objective: Objective, theta: Theta, at: int, value: float) -> None:
        self._objective, self._theta, self._at, self._value = objective, theta, at, value
        self._others = np.array([k for k in range(theta.size) if k != at], dtype=np.int64)

    def reduced(self, vector: Floats) -> Floats:
        """The other elements (K - 1,) of a vector."""
        return np.asarray(vector[self._others])

    def within(self, bounds: Bounds) -> Bounds:
        """Bounds of the other elements."""
        vanishing = np.asarray(bounds.vanishing[self._others])
        return Bounds(self.reduced(bounds.lowest), self.reduced(bounds.highest), vanishing)

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        """Evaluate at the other elements (K - 1,)."""
        before = last.whole if isinstance(last, HeldEvaluation) else last
        whole = self.whole(vector)
        if whole is None:
            assert isinstance(last, HeldEvaluation), "a profile begins where it can be"
            return replace(last, vector=vector.copy(), ofv=np.full_like(last.ofv, np.nan))
        seen = self._objective(whole, before, thorough=thorough)
        slopes = self._theta.natural_slopes(whole)[self._at]
        moves = np.zeros((self._theta.size, len(vector)))
        moves[self._others, np.arange(len(vector))] = 1.0
        moves[self._at] = -slopes[self._others] / slopes[self._at]
        content = {name: getattr(seen, name) for name in Evaluation.__dataclass_fields__}
        prior = None if seen.prior is None else seen.prior.along(moves)
        return HeldEvaluation(
            **content | {"vector": vector.copy(), "score": seen.score @ moves, "prior": prior}, whole=seen
        )

    def whole(self, others: Floats) -> Floats | None:
        """The whole vector (K,); ``None`` where there is none with that number."""
        vector, at = np.zeros(self._theta.size), self._at
        vector[self._others] = others
        kind, i, j = self._theta.elements[at]
        natural = float(self._theta.natural(vector)[at])
        if kind in LEVELS and i == j:
            # A variance is what the rest of its row makes, and the square of its own factor, which is 1 here.
            left = self._value - (natural - 1.0)
            if left <= 0.0:
                return None
            vector[at] = 0.5 * math.log(left)
        elif kind in LEVELS:
            vector[at] = (self._value - natural) / self._theta.natural_slopes(vector)[at, at]
        elif kind == "residual":
            return self._correlated(vector)
        elif kind == "share":
            if not 0.0 < self._value < 1.0:
                return None
            others = np.exp([vector[k] for k in self._theta.shares if k != at]).sum()
            vector[at] = math.log(self._value / (1.0 - self._value)) + math.log1p(others)
        else:
            number = self._theta.error_number(at)
            if number is not None and not number.holds(self._value):
                return None
            vector[at] = self._theta.placed(at, self._value)
        return vector

    def _correlated(self, vector: Floats) -> Floats | None:
        """The whole vector with the entry that makes a correlation of residuals what it is to be."""

        def away(entry: float) -> float:
            there = vector.copy()
            there[self._at] = entry
            return float(self._theta.natural(there)[self._at]) - self._value

        if away(-WIDEST_ENTRY) >= 0.0 or away(WIDEST_ENTRY) <= 0.0:
            return None
        vector[self._at] = optimize.brentq(away, -WIDEST_ENTRY, WIDEST_ENTRY, xtol=1e-12)
        return vector


def profile(objective: Objective, theta: Theta, here: Evaluation, at: int, error: float) -> Profile:
    """The profile of number ``at``.

    Args:
        here: the minimum.
        error: the number's standard error, on its natural scale.
    """
    value = float(theta.natural(here.vector)[at])
    side = _Side(objective, theta, here, at)
    ends: list[float | None] = []
    problems: list[str] = []
    for sign in (-1.0, 1.0):
        end, problem = side.crossing(value, sign, error)
        ends.append(end)
        problems += [problem] if problem else []
    name = theta.names[at]
    if side.least < -DEEPER:
        problems.insert(
            0, f"the profile of {name} finds an objective {-side.least:.3g} lower: the fit had not reached its minimum;"
            " use several starts",
        )  # fmt: skip
    return Profile(name, value, ends[0], ends[1], tuple(sorted(side.points)), "; ".join(problems))


class _Side:
    """Points of one profile, and the search for where it crosses."""

    def __init__(self, objective: Objective, theta: Theta, here: Evaluation, at: int) -> None:
        self._objective, self._theta, self._here, self._at = objective, theta, here, at
        self.points: list[tuple[float, float]] = [(float(theta.natural(here.vector)[at]), 0.0)]
        self.least = 0.0

    def crossing(self, value: float, sign: float, error: float) -> tuple[float | None, str]:
        """Where the rise is `RISE` on one side, and what is wrong if nowhere."""
        along, usual = self._along(), math.sqrt(RISE)
        bounded, place = not math.isinf(along.low), along.placed(value)
        step = usual * error
        if bounded:
            step = min(usual * max(error / along.slope(value), 1e-6), 1.0)
        inside, root_inside, outside, root_outside = 0.0, 0.0, math.inf, math.inf
        vector = self._here.vector
        for _ in range(MOST_STEPS):
            v = along.natural(place + sign * step)
            found = self._rise(v, vector)
            if found is None:
                outside, root_outside = step, math.nan
                step = 0.5 * (inside + step)
                continue
            rise, vector = found
            if abs(rise - RISE) < CLOSE:
                return v, ""
            root = math.sqrt(max(rise, 0.0))
            if rise < RISE:
                inside, root_inside = step, root
            else:
                outside, root_outside = step, root
            step = _next(inside, root_inside, outside, root_outside, usual)
            if bounded and step > UNBOUNDED:
                side, end = ("below", along.low) if sign < 0 else ("above", along.high)
                return (None if math.isinf(end) else end), f"the data do not bound {self._name} from {side}"
        return None, f"the profile of {self._name} could not be followed {'down' if sign < 0 else 'up'}wards"

    @property
    def _name(self) -> str:
        return self._theta.names[self._at]

    def _along(self) -> ErrorNumber:
        """The scale that the number is followed on: its own where it may be anything, else one that it cannot leave."""
        kind, i, j = self._theta.elements[self._at]
        number = self._theta.error_number(self._at)
        if number is not None:
            return number
        positive = self._theta.scale(i) == "log" if kind == "place" else kind in LEVELS and i == j
        return ErrorNumber(self._name, 0.0 if positive else -math.inf, math.inf)

    def _rise(self, value: float, vector: Floats) -> tuple[float, Floats] | None:
        """The rise of the objective at a value, and the whole vector there; ``None`` where there is none."""
        held = Held(self._objective, self._theta, self._at, value)
        begin = held.reduced(vector)
        whole = held.whole(begin)
        if whole is None:
            return None
        try:
            if len(begin):
                _, seen = search(held, State(begin), lambda *_: None, held.within(bounds(self._theta)))
                assert isinstance(seen, HeldEvaluation)
                total, vector = seen.total, seen.whole.vector
            else:
                total = self._objective(whole, self._here, thorough=True).total
        except (FloatingPointError, np.linalg.LinAlgError):
            return None
        rise = total - self._here.total
        self.least = min(self.least, rise)
        self.points.append((value, rise))
        return rise, vector


def _next(inside: float, root_inside: float, outside: float, root_outside: float, usual: float) -> float:
    """The next step to try, between or beyond the ones known, by the straight line through their roots."""
    if math.isinf(outside):
        grown = inside * usual / root_inside if root_inside > 0.0 else 2.0 * inside
        return min(max(grown, 1.05 * inside), 3.0 * inside)
    if math.isnan(root_outside):
        return 0.5 * (inside + outside)
    share = (usual - root_inside) / (root_outside - root_inside)
    return inside + min(max(share, 0.05), 0.95) * (outside - inside)


def as_numbers(found: Sequence[Profile]) -> list[Mapping[str, object]]:
    """It all by name, as JSON has it."""
    return [
        {
            "name": one.name,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "points": [{"value": v, "rise": rise} for v, rise in one.points],
        }
        for one in found
    ]
