"""The vector at which an objective is least: a quasi-Newton search that begins with the curvature the scores tell of.

At the maximum of a likelihood the scores of the patients vary as its curvature does (Berndt et al. 1974, Ann Econ Soc
Meas 3:653), so

    B = sum_i s_i s_i' / 2,      s_i = d ofv_i / d vector,

is a curvature of the objective in the right units from the first step on; BFGS updates (damped, Powell 1978) mend it
from there. A step goes as far as makes the objective enough less (Armijo), and not further than `LONGEST`. The search
ends where the decrease still promised is under `PROMISE` and the step still to be made is under a hundredth of a
standard error, twice: the second time with a fresh B and modes searched from everywhere.

Where the data do not tell a factor L_jj of Omega from 0, as where the effect of one parameter is given by those of
others, the objective goes as c0 + c L_jj^2: its logarithm has no minimum, and its scores no scale. So a factor that the
scores know to no better than `UNTOLD` walks beside the others, and stays where less than `PROMISE` is left to 0. So
does what an error may lack: one of two sizes, as the additive part of values that scatter in proportion, or the
dispersion of counts that are Poisson.

A search is a value (`State`), so that it can be written down, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.population.modes.kinks import LEVEL, level_share
from twin.population.objective import Evaluation
from twin.population.theta import Theta
from twin.population.values import LEVELS

PROMISE = 1e-5
"""Decrease of the objective that is not worth another step."""

SHIFT = 0.01
"""Step that is not worth making, in standard errors."""

LONGEST = 1.0
"""Longest step of any number: on a logarithmic scale it grows e-fold."""

MOST_STEPS = 300

HALVINGS = 12
"""Times that a step may be shortened."""

FLATTEST = 1e-9
"""Least eigenvalue of B, relative, in units of its diagonal."""

NARROWEST = -9.0
"""Least logarithm of a factor of Omega: a variance of 1.5e-8 is none."""

WIDEST = 9.0
"""A factor of Omega grows at most by this on a logarithmic scale, a variance 6.6e7 times: then data and model are of
different things, and a likelihood that has no bound would be followed to where nothing can be computed."""

FARTHEST = 25.0
"""A typical value grows or shrinks at most by this on a logarithmic scale, 7e10 times."""

SMALLEST = 14.0
"""A size of an error shrinks at most by this on a logarithmic scale, to less than a millionth: then there is none."""

BENT = 10.0
"""Farthest exponent of an error from 0, and farthest that its other numbers go on their scale
(`twin.model.measured.error_numbers`): then a Student-t error is normal, or a share none."""


UNTOLD = 5.0
"""Standard error of the logarithm of what may be 0, by the scores, from which on the data do not tell it."""


class Objective(Protocol):
    """What a search makes small."""

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation: ...


@dataclass(frozen=True)
class State:
    """Where a search stands.

    Attributes:
        vector: (K,).
        curvature: (K, K) B; ``None`` before the first step.
        step: how many were made.
        near: whether it has once come to an end, and is being looked at again.
        why: the reason why it ended; empty while it goes on.
    """

    vector: Floats
    curvature: Floats | None = None
    step: int = 0
    near: bool = False
    why: str = ""


class Bounds(NamedTuple):
    """Of the vector, (K,) each or one for all; ``vanishing`` are those of its numbers that are logarithms of what may
    be 0: factors of Omega, and sizes that an error may lack."""

    lowest: Floats
    highest: Floats
    vanishing: NDArray[np.bool_] = np.array(False)

    def clip(self, vector: Floats) -> Floats:
        """The vector (K,), moved to within."""
        return np.clip(vector, self.lowest, self.highest)


ANYWHERE = Bounds(np.array(-np.inf), np.array(np.inf))


Curvature = Callable[[Evaluation], Floats]
"""A curvature (K, K) of the objective at an evaluation."""

Told = Callable[[State, Evaluation], None]
"""Is told where the search stands, after every step."""


@np.errstate(invalid="ignore", over="ignore")  # what is not finite is refused, or no step
def search(
    objective: Objective,
    begin: State,
    told: Told,
    within: Bounds = ANYWHERE,
    seen: Evaluation | None = None,
    begun: Curvature | None = None,
) -> tuple[State, Evaluation]:
    """Follow a search to its end.

    Args:
        begin: where it stands.
        told: after every step.
        within: bounds of the vector.
        seen: the evaluation there, where it was made and told.
        begun: the curvature B that it begins with, and begins anew; of the scores if it is not said.

    Raises:
        FloatingPointError: the objective is not finite where the search begins.
    """
    state = begin
    here = seen or objective(state.vector, thorough=True)
    if not np.isfinite(here.total):
        raise FloatingPointError("the objective is not finite at the values that the search begins with")
    if seen is None:
        told(state, here)
    while not state.why:
        state, here = _stepped(objective, state, here, within, begun or scores_curvature)
        told(state, here)
    return state, here


def _stepped(
    objective: Objective, state: State, here: Evaluation, bounds: Bounds, begun: Curvature
) -> tuple[State, Evaluation]:
    curvature = begun(here) if state.curvature is None else state.curvature
    gradient = here.gradient
    held = (here.vector <= bounds.lowest) & (gradient > 0.0) | (here.vector >= bounds.highest) & (gradient < 0.0)
    unknown = untold(here, bounds)
    held |= unknown & (gradient >= 0.0) & (gradient < 2.0 * PROMISE)
    step = _direction(curvature, np.where(held, 0.0, gradient), held | unknown)
    alone = _alone(here, unknown & ~held)
    promised = -0.5 * float(gradient @ (step + alone))
    if promised < PROMISE and _shift(curvature, step) < SHIFT:
        if state.near:
            return replace(state, curvature=curvature, why="converged"), here
        again = objective(here.vector, here, thorough=True)
        return replace(state, near=True, curvature=begun(again)), again
    if state.step >= MOST_STEPS:
        return replace(state, why=f"not converged after {MOST_STEPS} steps"), here
    step *= min(1.0, float(LONGEST / max(1e-300, np.abs(step / _sizes(here.vector)).max())))
    step += alone
    found = _line(objective, here, step, bounds, np.flatnonzero(alone))
    if found is None and state.near:
        found = _level(objective, here, step, bounds, promised)
    if found is None:
        if state.near:
            stuck = "converged" if promised < 100.0 * PROMISE else f"stuck where {promised:.2g} was still promised"
            return replace(state, why=stuck), here
        again = objective(here.vector, here, thorough=True)
        return replace(state, near=True, curvature=begun(again)), again
    curvature = _updated(curvature, found.vector - here.vector, found.gradient - gradient)
    # What was near and moved on has to come near again.
    near = state.near and bool(here.total - found.total < 1e-3)
    return State(found.vector, curvature, state.step + 1, near), found


def untold(here: Evaluation, within: Bounds) -> NDArray[np.bool_]:
    """Which numbers (K,) may be 0 and, as far as the data tell, as well are (`UNTOLD`)."""
    return np.asarray(within.vanishing & (np.diag(here.told) < 2.0 / UNTOLD**2))


def _alone(here: Evaluation, walking: NDArray[np.bool_]) -> Floats:
    """The step of numbers that walk each by itself, at most `LONGEST`; of others 0."""
    step = np.zeros(len(here.vector))
    slope = here.gradient[walking] / np.maximum(np.diag(here.told)[walking], 1e-300)
    step[walking] = -np.clip(slope, -LONGEST, LONGEST)
    return step


def bounds(theta: Theta) -> Bounds:
    """Between what typical values and variances on a logarithmic scale may be, how small an error, and how far its
    other numbers go."""
    start, factors, sizes, values = theta.pack(theta.start), *_kinds(theta)
    laws = _laws(theta)
    lowest = np.select([factors, sizes, values, laws], [NARROWEST, start - SMALLEST, start - FARTHEST, -BENT], -np.inf)
    highest = np.select([factors, values, laws], [start + WIDEST, start + FARTHEST, BENT], np.inf)
    return Bounds(lowest, highest, factors | _spare(theta))


def run_away(theta: Theta, vector: Floats) -> list[str]:
    """Names of numbers whose logarithms stand at a bound that none should come to; what may be 0 may be none, but not
    all that values scatter by, and so may what makes a law of residuals other than normal."""
    within, (_, sizes, _) = bounds(theta), _kinds(theta)
    small, outputs = vector <= within.lowest + 1e-9, np.array([element.i for element in theta.elements])
    scatter = {*outputs[sizes & ~small].tolist()}
    exact = [
        size and theta.start.errors[i].scatters and i not in scatter for i, size in zip(outputs, sizes, strict=True)
    ]
    at = (vector >= within.highest - 1e-9) | small & (~within.vanishing | np.array(exact))
    at &= ~_laws(theta)
    return [name for name, there in zip(theta.names, at.tolist(), strict=True) if there]


def _kinds(theta: Theta) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which elements (K,) are logarithms of factors of Omega, of sizes of errors, and of typical values."""
    elements = theta.elements
    factors = [element.kind in LEVELS and element.i == element.j for element in elements]
    values = [element.kind == "place" and theta.scale(element.i) == "log" for element in elements]
    numbers = [theta.error_number(at) for at in range(theta.size)]
    sizes = [number is not None and number.size for number in numbers]
    return np.array(factors), np.array(sizes), np.array(values)


def _laws(theta: Theta) -> NDArray[np.bool_]:
    """Which elements (K,) are numbers of errors that are no sizes."""
    numbers = [theta.error_number(at) for at in range(theta.size)]
    return np.array([number is not None and not number.size for number in numbers])


def _spare(theta: Theta) -> NDArray[np.bool_]:
    """Which elements (K,) an error may lack: one of two sizes, the dispersion of counts, and what makes a law of
    residuals other than normal where it is bounded."""
    found = []
    for at, (_, i, _) in enumerate(theta.elements):
        number = theta.error_number(at)
        if number is None or not number.size:
            found.append(number is not None and not np.isinf(number.low))
            continue
        error = theta.start.errors[i]
        found.append(min(error.additive, error.proportional) > 0.0 or number.name == "dispersion")
    return np.array(found)


def scores_curvature(here: Evaluation) -> Floats:
    """B (K, K) of the scores at an evaluation, positive definite."""
    product = here.told
    size = np.sqrt(np.maximum(np.diag(product), 1e-12))
    values, vectors = np.linalg.eigh(product / np.outer(size, size))
    values = np.maximum(values, FLATTEST * max(1.0, float(values[-1])))
    return np.asarray((vectors * values) @ vectors.T * np.outer(size, size))


def _direction(curvature: Floats, gradient: Floats, held: NDArray[np.bool_]) -> Floats:
    """-B^-1 g among the numbers that are not held."""
    free = ~held
    step = np.zeros(len(gradient))
    step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
    return step


def _shift(curvature: Floats, step: Floats) -> float:
    """Largest part of a step in standard errors, those that B tells of."""
    errors = np.sqrt(np.maximum(2.0 * np.diag(np.linalg.inv(curvature)), 1e-300))
    return float((np.abs(step) / errors).max())


def _sizes(vector: Floats) -> Floats:
    return np.maximum(1.0, np.abs(vector))


def _line(objective: Objective, here: Evaluation, step: Floats, bounds: Bounds, walking: Integers) -> Evaluation | None:
    """The evaluation at the end of the step, shortened until it is enough; ``None`` if it never is. Where it is not,
    those that are ``walking`` by themselves go as far as their own least, by the secant, before all are held up."""
    step, slope, share = step.copy(), float(here.gradient @ step), 1.0
    for halved in range(HALVINGS):
        try:
            there = objective(bounds.clip(here.vector + share * step), here)
        except np.linalg.LinAlgError:  # so far away nothing can be computed
            share *= 0.2
            continue
        change = there.total - here.total
        if np.isfinite(change) and change <= 1e-4 * share * slope:
            return there
        if not halved and np.isfinite(change) and len(walking):
            was, now = here.gradient[walking], there.gradient[walking]
            if (past := was * now < 0.0).any():
                step[walking[past]] *= was[past] / (was[past] - now[past])
                slope = float(here.gradient @ step)
                continue
        if not np.isfinite(change):
            share *= 0.2
            continue
        # The least of the parabola through what is known.
        least = -slope * share * share / (2.0 * (change - slope * share))
        share = float(np.clip(least, 0.1 * share, 0.5 * share))
    return None


def _level(objective: Objective, here: Evaluation, step: Floats, bounds: Bounds, promised: float) -> Evaluation | None:
    """The evaluation on the way of a step at which the objective is level along it, as at a kink
    (`twin.population.modes.kinks`), if it is hardly more there; ``None`` if it is."""

    def at(share: float) -> Evaluation:
        return objective(bounds.clip(here.vector + share * step), here)

    there = at(level_share(lambda share: float(at(share).gradient @ step), float(here.gradient @ step)))
    level = abs(float(there.gradient @ step)) < LEVEL * abs(float(here.gradient @ step))
    return there if level and there.total - here.total < promised else None


def _updated(curvature: Floats, step: Floats, change: Floats) -> Floats:
    """B after a damped BFGS update."""
    along = curvature @ step
    expected, seen = float(step @ along), float(step @ change)
    if expected <= 0.0:
        return curvature
    if seen < 0.2 * expected:
        share = 0.8 * expected / (expected - seen)
        change = share * change + (1.0 - share) * along
        seen = float(step @ change)
    found = curvature + np.outer(change, change) / seen - np.outer(along, along) / expected
    return np.asarray(0.5 * (found + found.T))
