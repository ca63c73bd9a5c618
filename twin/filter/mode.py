"""The posterior mode of eta and its covariance: the empirical Bayes estimate people know.

    mode = argmin  U(eta) = - log p(data | eta) + eta' P eta / 2,            P = omega^-1.

Several damped Newton descents (`twin.filter.newton`) run side by side, from the point that is asked for and from the
likeliest of some draws of the prior; all points that they look at are particles of one cloud, so that an iteration
costs one solve. Where descents end apart there are several modes, and the deepest is the answer.

Its covariance is that of first-order conditional estimation (FOCE), the inverse of the expected information F; the
Laplace approximation takes the inverse of U'' instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.newton import WHOLE_UP_TO, derivatives, judge, points_around, propose, separate, taught
from twin.randomness import generator

MOST_STEPS = 60
"""Steps after which a descent is given up."""

DRAWS = 24
"""Draws of the prior among which further starts are chosen."""

DESCENTS = 3
"""Descents side by side."""

SPREAD = 1.5
"""Width of the draws relative to the prior: another mode may lie out in the tails."""

TOGETHER = 0.1
"""Descents that come so close (in posterior standard deviations) are one from then on."""

NEGLIGIBLE = 12.0
"""A descent this far above a mode that was found is given up where it comes down slowly: whatever is there has next to
no weight, e^-12."""

LEAST_PROGRESS = 0.1
"""Slowly: a step promises less than this part of the way."""

APART = 1.0
"""Ends so far from one another (in posterior standard deviations) are two modes."""


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
class Mode:
    """Posterior mode.

    Attributes:
        eta: (d,).
        covariance: (d, d), of FOCE or of the Laplace approximation, as was asked for.
        objective: minus log posterior there, without the constant of the prior.
        converged: whether the descent settled.
        found: how many modes the descents ended in.
    """

    eta: Floats
    covariance: Floats
    objective: float
    converged: bool
    found: int = 1


def find_mode(
    respond: Respond, precision: Floats, start: Floats, descents: int = DESCENTS, *, laplace: bool = False
) -> Mode:
    """Minimise U from ``start`` (d,) and, with more than one of ``descents``, from draws of the prior too.

    Args:
        respond: minus log-likelihood and information of the data for eta (N, d), not finite where that cannot be.
        precision: (d, d), inverse of the prior's covariance.
        laplace: whether the covariance is to be the inverse of U'' instead of F.
    """
    if not len(start):
        return Mode(start, np.zeros((0, 0)), float(respond(start[None]).loss[0]), True)
    descent = _Descents(respond, precision, _starts(respond, precision, start, descents))
    descent.run()
    best = int(np.argmin(descent.value))
    ends = descent.settled
    modes = separate(descent.eta[ends], descent.value[ends], descent.information[ends], APART)
    eta = descent.eta[best]
    covariance = np.linalg.inv(descent.information[best])
    return Mode(
        eta,
        _laplace(respond, precision, eta) if laplace else covariance,
        float(descent.value[best]),
        bool(ends[best]),
        max(1, int(modes.sum())),
    )


def _laplace(respond: Respond, precision: Floats, eta: Floats) -> Floats:
    """Inverse (d, d) of U'' at eta (d,); directions that rounding made flat or negative get a large finite variance."""
    response = respond(points_around(eta[None], True))
    _, _, _, curvature = derivatives(eta[None], precision, *_contiguous(response), True)
    values, vectors = np.linalg.eigh(curvature[0])
    values = np.maximum(values, 1e-6 * max(1.0, float(values.max())))
    return np.asarray((vectors / values) @ vectors.T)


class _Descents:
    """K descents of one U: eta (K, d), U, U', information, curvature, damping, and whether each has settled."""

    def __init__(self, respond: Respond, precision: Floats, starts: Floats) -> None:
        self.respond = respond
        self.precision = precision
        self.whole = len(precision) <= WHOLE_UP_TO
        self.eta = starts
        self.value, self.gradient, self.information, self.curvature = self._look(starts)
        self.damping = np.zeros(len(starts))
        self.settled = np.zeros(len(starts), dtype=np.bool_)

    def run(self) -> None:
        """Follow the descents until each has settled, met a better one, or gone on for too long."""
        for _ in range(MOST_STEPS):
            step, promised = propose(
                self.eta, self.gradient, self.information, self.curvature, self.damping, self.precision, self.settled
            )
            hopeful = self._hopeful(promised)
            if not hopeful.all():
                self._keep(hopeful)
                step, promised = step[hopeful], promised[hopeful]
            if self.settled.all():
                break
            self._try(step, promised)
            if len(self.eta) > 1:
                self._keep(separate(self.eta, self.value, self.information, TOGETHER))

    def _try(self, step: Floats, promised: Floats) -> None:
        going = np.flatnonzero(~self.settled)
        there = self.eta[going] + step[going]
        value, gradient, information, curvature = self._look(there)
        for i, k in enumerate(going):
            taken, self.damping[k] = judge(self.value[k] - value[i], promised[k], gradient[i], self.damping[k])
            if taken:
                change = gradient[i] - self.gradient[k]
                self.eta[k], self.value[k], self.gradient[k] = there[i], value[i], gradient[i]
                self.information[k] = information[i]
                self.curvature[k] = curvature[i] if self.whole else taught(information[i], step[k], change)

    def _hopeful(self, promised: Floats) -> NDArray[np.bool_]:
        """Whether each descent has settled, or can still come near the deepest that has."""
        if not self.settled.any():
            return np.ones(len(self.value), dtype=np.bool_)
        above = self.value - self.value[self.settled].min()
        return np.asarray(self.settled | (above < NEGLIGIBLE) | (promised > LEAST_PROGRESS * above))

    def _look(self, eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """U, U', F and U'' at eta (K, d), from one solve."""
        response = self.respond(points_around(eta, self.whole))
        found: tuple[Floats, Floats, Floats, Floats]
        found = derivatives(eta, self.precision, *_contiguous(response), self.whole)
        return found

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        if kept.all():
            return
        self.eta, self.value, self.gradient = self.eta[kept], self.value[kept], self.gradient[kept]
        self.information, self.curvature = self.information[kept], self.curvature[kept]
        self.damping, self.settled = self.damping[kept], self.settled[kept]


def _contiguous(response: Response) -> tuple[Floats, Floats, Floats]:
    loss, coordinates, weights = response.loss, response.coordinates, response.weights
    return loss, np.ascontiguousarray(coordinates), np.ascontiguousarray(weights)


def _starts(respond: Respond, precision: Floats, first: Floats, count: int) -> Floats:
    """``first`` and the likeliest draws of the prior that are not close to one another: (<= count, d)."""
    chosen = [np.asarray(first, dtype=np.float64)]
    if count > 1:
        draws = _dispersed(len(first)) @ np.linalg.cholesky(np.linalg.inv(precision)).T
        value = respond(draws).loss + 0.5 * ((draws @ precision) * draws).sum(axis=1)
        for at in np.argsort(value, kind="stable"):
            if len(chosen) == count or not np.isfinite(value[at]):
                break
            apart = draws[at] - np.array(chosen)
            if (((apart @ precision) * apart).sum(axis=1) > 1.0).all():
                chosen.append(draws[at])
    return np.array(chosen)


@functools.cache
def _dispersed(dimension: int) -> Floats:
    """Draws (DRAWS, d) of a standard normal widened by `SPREAD`, the same for every patient."""
    half = generator("starts", dimension).standard_normal((DRAWS // 2, dimension))
    return SPREAD * np.vstack([half, -half])
