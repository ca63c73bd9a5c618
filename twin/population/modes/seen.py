"""What everybody sees at the modes, of which the objective and its derivatives are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from twin.arrays import Floats
from twin.population.modes.descent import Look


@dataclass(frozen=True)
class Seen:
    """What everybody sees at the modes, (N, D, D) each but for the first.

    Attributes:
        look: by its curvature modes move.
        h: H; ``covariance`` of the effects by it.
        by_data: derivative of log det Omega H by what data add to H; ``by_omega`` by the prior's covariance Omega.
    """

    look: Look
    h: Floats
    covariance: Floats
    by_data: Floats
    by_omega: Floats


@dataclass(frozen=True)
class By:
    """Derivatives by each number: of U (N, K), of its gradient in eta (N, D, K), and of log det Omega H (N, K)."""

    u: Floats
    u_e: Floats
    t: Floats

    def add(self, at: int, change: tuple[Floats, Floats, Floats]) -> None:
        """Add to the column of a number."""
        self.u[:, at] += change[0]
        self.u_e[:, :, at] += change[1]
        self.t[:, at] += change[2]


class Stand(NamedTuple):
    """How everybody stands next to the modes: the objective (N,) at these, the step (N, D) that leads there downhill
    when it is taken away, and its squared length (N,) in posterior standard deviations."""

    ofv: Floats
    step: Floats
    remaining: Floats


Derive = Callable[[Floats], tuple[Floats, By]]
"""Derivatives where everybody stands, for those of log det Omega H (N, D, D) by what data add to H: by z (N, M) of that
determinant alone, and by each number, z held and Omega left out."""
