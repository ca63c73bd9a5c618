"""Normalised prediction distribution errors: values held against the simulations of a patient's whole design.

For the NPDE (Brendel et al. 2006, Pharm Res 23:2036; Comets et al. 2008, Comput Methods Programs Biomed 90:154) the
patient's whole design is simulated K times from the population, and values and simulations are decorrelated with the
mean E and the Cholesky factor L of the simulations' covariance:

    y* = L^-1 (y - E),   pde = #{y*_sim < y*} / K,   npde = Phi^-1(pde).

Under a right model the NPDE of all values are independent and standard normal. A value known only to lie beyond a limit
takes a random place among the simulations there (Nguyen et al. 2012, J Pharmacokinet Pharmacodyn 39:499), and so do
simulations that would have been known only by the limit: data and simulations lose the same of what hangs together.
Discrete values take a random place among their equals and are not decorrelated; what is awaited is itself the time of
its measurement, and has no NPDE.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special
from scipy.linalg import solve_triangular

from twin.arrays import Floats
from twin.model.spec import OutputSpec
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation

PER_VALUE = 10
"""Least simulations for each value of a patient: a covariance matrix needs several times its size in draws."""


def npde(
    observations: Sequence[Observation],
    outputs: Sequence[OutputSpec],
    simulated: Floats,
    rng: np.random.Generator,
    limits: tuple[Floats, Floats] | None = None,
) -> Floats:
    """NPDE (n,) of observations of ``outputs`` (n,) whose design was simulated, (K, n).

    Args:
        rng: breaks ties, and places what is known only by a limit.
        limits: lower and upper (n,) that each value would have been known by beyond them, infinite where there is none;
            by default those of the values that are.
    """
    low, high = _own_limits(observations) if limits is None else limits
    usable = simulated[np.isfinite(simulated).all(axis=1)]
    below = np.full(len(observations), np.nan)
    values = [_stated(observation, usable[:, i], rng) for i, observation in enumerate(observations)]
    kinds = [kind_of(output) for output in outputs]
    smooth = [i for i, kind in enumerate(kinds) if not kind.discrete]
    if smooth:
        placed = [_placed(usable[:, i], low[i], high[i], rng) for i in smooth]
        scaled = np.column_stack([kinds[i].on_scale(outputs[i], p) for i, p in zip(smooth, placed, strict=True)])
        own = np.array([kinds[i].on_scale(outputs[i], np.array([values[i]]))[0] for i in smooth])
        mean = scaled.mean(axis=0)
        factor = np.linalg.cholesky(_covariance(scaled))
        apart = solve_triangular(factor, (scaled - mean).T, lower=True)
        below[smooth] = (apart < solve_triangular(factor, own - mean, lower=True)[:, None]).mean(axis=1)
    for i, kind in enumerate(kinds):
        if kind.discrete and not kind.awaited:
            share = rng.random()
            below[i] = (usable[:, i] < values[i]).mean() + share * (usable[:, i] == values[i]).mean()
    edge = 0.5 / len(usable)
    return np.asarray(special.ndtri(np.clip(below, edge, 1 - edge)))


def _own_limits(observations: Sequence[Observation]) -> tuple[Floats, Floats]:
    """Those of values that are known only by one."""
    low = [-np.inf if o.below is None else o.below for o in observations]
    high = [np.inf if o.above is None else o.above for o in observations]
    return np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)


def _placed(simulated: Floats, low: float, high: float, rng: np.random.Generator) -> Floats:
    """Simulations (K,) of which those beyond a limit have changed places with one another."""
    found = simulated
    for beyond in (simulated < low, simulated > high):
        if beyond.any():
            found = found.copy()
            found[beyond] = rng.permutation(found[beyond])
    return found


def _stated(observation: Observation, simulated: Floats, rng: np.random.Generator) -> float:
    """The value, or where it is only known to be beyond a limit one of the simulated values there."""
    if observation.below is not None:
        limit, there = observation.below, simulated[simulated < observation.below]
    elif observation.above is not None:
        limit, there = observation.above, simulated[simulated > observation.above]
    else:
        return observation.value
    return float(there[rng.integers(len(there))]) if len(there) else limit


def _covariance(values: Floats) -> Floats:
    """Covariance (n, n), positive definite also where two values share everything but rounding."""
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    return np.asarray(covariance + 1e-10 * np.diag(np.diag(covariance) + 1e-300))
