"""How a search moved, step by step, whatever its method: what its page draws, and `fit.json` keeps.

Whoever searches calls `Trace.add` once a step (an iteration, a round, a sweep) with where it stands in the vector of
`twin.population.theta`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.population.theta import Theta

NO_SLOPE = float("nan")
"""Of a method that climbs without a gradient."""


@dataclass(frozen=True)
class Point:
    """Where a search stood.

    Attributes:
        step: its number; an interrupted search goes on with the number it had.
        objective: what its method makes small, there; NaN where it was not worked out.
        values: (K,) the numbers `Theta.names`, on their natural scale.
        slope: the steepest derivative of the objective by a number of the vector, as an absolute value; NaN of a method
            that has none.
    """

    step: int
    objective: float
    values: tuple[float, ...]
    slope: float


class Trace:
    """The points of one search, in their order."""

    def __init__(self, theta: Theta) -> None:
        self.theta = theta
        self.points: list[Point] = []

    def add(self, step: int, vector: Floats, objective: float, slope: float = NO_SLOPE) -> bool:
        """Record that the search stands at a vector (K,) after so many steps; whether that is elsewhere than before.

        A search that ends, or begins its curvature anew, tells once more where it stands: that is one point.
        """
        found = Point(step, float(objective), tuple(self.theta.natural(vector).tolist()), float(slope))
        again = bool(self.points) and (found.step, found.values) == (self.points[-1].step, self.points[-1].values)
        self.points[-1 if again else len(self.points) :] = [found]
        return not again

    def moving(self, most: int = 3) -> str:
        """The numbers that moved most in the last step, with their values, in words."""
        now = np.array(self.points[-1].values)
        before = np.array(self.points[-2].values) if len(self.points) > 1 else now
        order = np.argsort(-np.abs(now - before) / np.maximum(np.abs(now), 1e-12), kind="stable")[:most]
        return ", ".join(f"{self.theta.names[i]} {now[i]:.5g}" for i in order)


def steepest(gradient: Floats) -> float:
    """The slope of a gradient (K,)."""
    return float(np.abs(gradient).max(initial=0.0))
