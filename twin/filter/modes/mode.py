"""The posterior mode of eta and its covariance: the empirical Bayes estimate people know.

    mode = argmin  U(eta) = - log p(data | eta) + eta' P eta / 2,            P = omega^-1.

Several damped Newton descents (`twin.filter.modes.newton`) run side by side, from the point that is asked
for and from the likeliest of some draws of the prior; all points that they look at are particles of one cloud, so that
an iteration costs one solve. Where descents end apart there are several modes, and the deepest is the answer.

Its covariance is that of first-order conditional estimation (FOCE), the inverse of the expected information F; the
Laplace approximation takes the inverse of U'' instead.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.filter.modes.descents import Descents, Effort, Respond, contiguous
from twin.filter.modes.newton import CENTRAL, FORWARD, SETTLED, WHOLE, WHOLE_UP_TO, derivatives, points_around, separate
from twin.filter.modes.starts import draws_for, scattered, starts_worth
from twin.randomness import even_normals, generator

STRAIGHT, MOST_STEPS = 12, 400
"""Steps after which a descent follows the whole curvature, and after which it is given up."""

APPROACH = Effort(FORWARD, settled=0.5, together=0.5, straight=20, most_steps=20)
"""Of the first part of all descents, by the cheapest derivatives: what is left of them goes on by the best."""

DIRECTLY = 4
"""Scattered descents that are not worth an approach."""

UNSETTLED = 2
"""Descents that go on from an approach which did not lead them anywhere, the deepest."""

POINTS = 48
"""Points that a step of all scattered descents looks at, at the most."""

TOGETHER = 0.1
"""Descents that come so close (in posterior standard deviations) are one from then on."""

APART = 1.0
"""Ends so far from one another (in posterior standard deviations) are two modes."""


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
    respond: Respond, precision: Floats, start: Floats, *, laplace: bool = False, scattered_starts: bool = True
) -> Mode:
    """Minimise U from ``start`` (d,) and from scattered draws of the prior.

    Args:
        respond: minus log-likelihood and information of the data for eta (N, d), not finite where that cannot be.
        precision: (d, d), inverse of the prior's covariance.
        laplace: whether the covariance is to be the inverse of U'' instead of F.
        scattered_starts: whether there are any but ``start``.
    """
    if not len(start):
        return Mode(start, np.zeros((0, 0)), float(respond(start[None]).loss[0]), True)
    starts, straight = np.array(start, dtype=np.float64)[None], STRAIGHT
    if scattered_starts:
        starts, straight = _with_scattered(respond, precision, starts)
    look = WHOLE if len(precision) <= WHOLE_UP_TO else CENTRAL
    descent = Descents(respond, precision, starts, Effort(look, SETTLED, TOGETHER, straight, MOST_STEPS))
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


def _with_scattered(respond: Respond, precision: Floats, start: Floats) -> tuple[Floats, int]:
    """Where descents (K, d) are to begin, and how many steps are straight: ``start`` (1, d) and draws of the prior.

    Where there are many they are first followed by cheaper steps, and go on from where those come.
    """
    count = starts_worth(precision, POINTS)
    starts = np.vstack([start, scattered(respond, precision, count, _normals(draws_for(count), len(precision)))])
    if count <= DIRECTLY:
        return starts, STRAIGHT
    approach = Descents(respond, precision, starts, APPROACH)
    approach.run()
    order = np.argsort(np.where(approach.settled, -np.inf, approach.value), kind="stable")
    left = approach.eta[order[: int(approach.settled.sum()) + UNSETTLED]]
    return left, 0 if len(precision) <= WHOLE_UP_TO else STRAIGHT


@functools.cache
def _normals(count: int, dimension: int) -> Floats:
    """Standard normals (count, d), the same for every patient."""
    return even_normals(generator("starts", dimension), count, dimension)


def _laplace(respond: Respond, precision: Floats, eta: Floats) -> Floats:
    """Inverse (d, d) of U'' at eta (d,); directions that rounding made flat or negative get a large finite variance."""
    response = respond(points_around(eta[None], WHOLE))
    _, _, _, curvature = derivatives(eta[None], precision, *contiguous(response), WHOLE)
    values, vectors = np.linalg.eigh(curvature[0])
    values = np.maximum(values, 1e-6 * max(1.0, float(values.max())))
    return np.asarray((vectors / values) @ vectors.T)
