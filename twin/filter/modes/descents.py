"""Descents side by side: damped Newton steps of one posterior from several points, one solve an iteration.

All points that they look at (`twin.filter.modes.newton`) are particles of one cloud. Descents that come together are
one from then on, and one that cannot come near what others found rests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.modes.newton import STUCK, WHOLE, derivatives, judge, points_around, propose, separate, taught

NEGLIGIBLE = 12.0
"""A descent this far above a mode that was found rests where it comes down slowly: whatever is there has next to no
weight, e^-12."""

LEADS_TO = 2.0
"""A descent whose step ends so close to a mode that is known (in posterior standard deviations) is on its way there."""

LEAST_PROGRESS = 0.1
"""Slowly: a step promises less than this part of the way."""


@dataclass(frozen=True)
class Response:
    """What N patients predict of the data, and how informative that is.

    Attributes:
        loss: (N,) minus log-likelihood.
        coordinates, weights: (Q, N), see `twin.observation.information`.
    """

    loss: Floats
    coordinates: Floats
    weights: Floats


Respond = Callable[[Floats], Response]
"""Solves for eta (N, d)."""


@dataclass(frozen=True)
class Effort:
    """How far descents go.

    Attributes:
        look: at which points around each, see `twin.filter.modes.newton`.
        settled: a descent has arrived when the step still to be made is this small, in posterior standard deviations.
        together: descents that come so close (in the same) are one from then on.
        straight: steps after which the way is taken to be bent: the whole curvature is looked at, and followed.
        most_steps: steps after which a descent is given up.
    """

    look: int
    settled: float
    together: float
    straight: int
    most_steps: int


class Descents:
    """K descents of one U: eta (K, d), U, U', information, curvature, damping, and whether each settled or rests."""

    def __init__(self, respond: Respond, precision: Floats, starts: Floats, effort: Effort) -> None:
        self.respond = respond
        self.precision = precision
        self.effort = effort
        self.look = effort.look
        self.eta = starts
        self.value, self.gradient, self.information, self.curvature = self._look(starts)
        self.damping = np.zeros(len(starts))
        self.settled, self.resting = (np.zeros(len(starts), dtype=np.bool_) for _ in range(2))

    def run(self) -> None:
        """Follow the descents until each has settled, met a better one, or gone on for too long."""
        for _ in range(self.effort.straight):
            if self._followed(bent=False):
                break
        bent_steps = self.effort.most_steps - self.effort.straight
        if bent_steps and not self.settled.all():
            self._look_closer()
        for _ in range(bent_steps):
            if self._followed(bent=True):
                break

    def _followed(self, bent: bool) -> bool:
        """Whether there is nowhere left to go; else a step was tried."""
        step, promised = propose(
            self.eta,
            self.gradient,
            self.information,
            self.curvature,
            self.damping,
            self.precision,
            self.settled,
            self.effort.settled,
            bent,
        )
        if self.settled.any():
            fresh = self._fresh(step)
            self._keep(fresh)
            step, promised = step[fresh], promised[fresh]
            above = self.value - self.value[self.settled].min()
            self.resting = (above > NEGLIGIBLE) & (promised < LEAST_PROGRESS * above)
        going = ~(self.settled | self.resting | (self.damping > STUCK))
        if not going.any():
            return True
        self._try(np.flatnonzero(going), step, promised, bent)
        if len(self.eta) > 1:
            self._keep(separate(self.eta, self.value, self.information, self.effort.together))
        return False

    def _look_closer(self) -> None:
        """From here on second differences are looked at, and those that had come down too slowly go on."""
        going = np.flatnonzero(~self.settled)
        self.look, self.resting = WHOLE, np.zeros(len(self.eta), dtype=np.bool_)
        found = self._look(self.eta[going])
        self.value[going], self.gradient[going], self.information[going], self.curvature[going] = found

    def _try(self, going: NDArray[np.int64], step: Floats, promised: Floats, bent: bool) -> None:
        there = self.eta[going] + step[going]
        value, gradient, information, curvature = self._look(there)
        for i, k in enumerate(going):
            taken, self.damping[k] = judge(self.value[k], value[i], promised[k], gradient[i], self.damping[k], bent)
            if taken:
                change = gradient[i] - self.gradient[k]
                self.eta[k], self.value[k], self.gradient[k] = there[i], value[i], gradient[i]
                self.information[k] = information[i]
                self.curvature[k] = curvature[i] if self.look == WHOLE else taught(information[i], step[k], change)

    def _fresh(self, step: Floats) -> NDArray[np.bool_]:
        """Which descents have settled, or are not on their way to where another has."""
        fresh = np.ones(len(self.eta), dtype=np.bool_)
        for known in np.flatnonzero(self.settled):
            then = self.eta + step - self.eta[known]
            fresh &= np.einsum("ki,ij,kj->k", then, self.information[known], then) > LEADS_TO * LEADS_TO
        return np.asarray(fresh | self.settled)

    def _look(self, eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """U, U', F and U'' at eta (K, d), from one solve."""
        response = self.respond(points_around(eta, self.look))
        found: tuple[Floats, Floats, Floats, Floats]
        found = derivatives(eta, self.precision, *contiguous(response), self.look)
        return found

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        if kept.all():
            return
        self.eta, self.value, self.gradient = self.eta[kept], self.value[kept], self.gradient[kept]
        self.information, self.curvature = self.information[kept], self.curvature[kept]
        self.damping, self.settled, self.resting = self.damping[kept], self.settled[kept], self.resting[kept]


def contiguous(response: Response) -> tuple[Floats, Floats, Floats]:
    """Loss, coordinates and weights as compiled code takes them."""
    loss, coordinates, weights = response.loss, response.coordinates, response.weights
    return loss, np.ascontiguousarray(coordinates), np.ascontiguousarray(weights)
