"""The modes of all patients at once: damped Newton descents (`twin.filter.modes.newton`), one solve an iteration.

Each descent is of one patient; several of one patient, from different starts, go side by side, and the deepest end is
the patient's mode. Where a search begins decides what it finds: three compartments with a full Omega have local modes a
hundred units of the objective apart. So `scattered` starts are 0 and 1.2 standard deviations either way along each
axis, beside where the mode was last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.filter.modes.newton import STUCK, judge, propose
from twin.population.modes.curvatures import inverse_of
from twin.population.modes.kinks import balanced, beside

AXIS = 1.2
"""Distance of scattered starts from 0, in standard deviations of the prior."""

SETTLED = 1e-4
"""A descent has arrived when the step still to be made is this small, in posterior standard deviations."""

STRAIGHT, MOST_STEPS = 25, 120
"""Steps after which a descent follows the absolute curvature, and after which it is given up."""


@dataclass(frozen=True)
class Look:
    """What K descents see where they stand: U (K,), its gradient (K, D), H and U'' (K, D, D)."""

    value: Floats
    gradient: Floats
    information: Floats
    curvature: Floats


Looks = Callable[[Integers, Floats], Look]
"""What patients (K,), sorted, see at eta (K, D)."""


@dataclass(frozen=True)
class Ends:
    """Where the search of each of N patients ended: eta (N, D), and whether it settled there."""

    eta: Floats
    settled: NDArray[np.bool_]


def scattered(omega: Floats, axes: Integers | None = None) -> Floats:
    """Starts (2 A + 1, D) for every patient: 0, and either way along each of some axes (A,), or of all."""
    steps = AXIS * np.diag(np.sqrt(np.diag(omega)))
    steps = steps if axes is None else steps[axes]
    return np.concatenate([np.zeros((1, len(omega))), steps, -steps])


def descend(looks: Looks, precision: Floats, which: Integers, starts: Floats) -> Ends:
    """Descend from ``starts`` (K, D) of the patients ``which`` (K,), sorted, to the mode of each.

    Args:
        looks: what is seen of U.
        precision: (D, D), inverse of the prior's covariance.
    """
    eta = np.ascontiguousarray(starts, dtype=np.float64).copy()
    seen = _countable(looks(which, eta))
    value, gradient = seen.value, seen.gradient
    information, curvature = seen.information, seen.curvature
    damping, settled = np.zeros(len(eta)), np.zeros(len(eta), dtype=np.bool_)
    for step_number in range(MOST_STEPS):
        bent = step_number >= STRAIGHT
        step, promised = propose(eta, gradient, information, curvature, damping, precision, settled, SETTLED, bent)
        going = np.flatnonzero(~settled & (damping <= STUCK) & _worth_it(which, value, promised))
        if not len(going):
            break
        there = eta[going] + step[going]
        found = _countable(looks(which[going], there))
        for i, k in enumerate(going):
            taken, damping[k] = judge(value[k], found.value[i], promised[k], found.gradient[i], damping[k], bent)
            if taken:
                eta[k], value[k], gradient[k] = there[i], found.value[i], found.gradient[i]
                information[k], curvature[k] = found.information[i], found.curvature[i]
    ends = _deepest(which, eta, value, settled)
    return ends if ends.settled.all() else _at_kinks(looks, np.unique(which), ends)


def descend_again(looks: Looks, precision: Floats, eta: Floats) -> Ends:
    """Modes, searched again from both sides of those that were found of everybody, eta (N, D): where an instant at
    which absorption begins or ends passes that of a value, there may be one on either side."""
    which = np.arange(len(eta), dtype=np.int64)
    starts = beside(eta, inverse_of(looks(which, eta).information))
    return descend(looks, precision, np.repeat(which, starts.shape[1]), starts.reshape(-1, eta.shape[1]))


def _at_kinks(looks: Looks, which: Integers, ends: Ends) -> Ends:
    """Ends (N,) of the patients ``which``, with those that did not settle brought to where the gradient is 0, where it
    is so near by."""
    eta, settled = ends.eta.copy(), ends.settled.copy()
    for n in np.flatnonzero(~settled).tolist():
        one = which[n : n + 1]
        seen = looks(one, eta[n : n + 1])
        found = balanced(lambda at, one=one: looks(one, at[None]).gradient[0], eta[n], seen.information[0], SETTLED)  # type: ignore[misc]
        if found is not None:
            eta[n], settled[n] = found, True
    return Ends(eta, settled)


STEEPEST = 1e150
"""Beyond this slopes and curvatures are none: their products are no numbers any more."""


def _countable(seen: Look) -> Look:
    """The same, with U that is too steep to count with as of values that are impossible: on to the prior from there."""
    with np.errstate(invalid="ignore"):
        steep = np.abs(seen.gradient).max(axis=1, initial=0.0) > STEEPEST
        for one in (seen.information, seen.curvature):
            steep |= np.abs(one).max(axis=(1, 2), initial=0.0) > STEEPEST
    if not steep.any():
        return seen
    value, gradient = np.where(steep, np.inf, seen.value), np.where(steep[:, None], np.nan, seen.gradient)
    return replace(seen, value=value, gradient=gradient)


HOPELESS = 12.0
"""A descent this far above another of the same patient, whose next step promises little of the way, rests."""


def _worth_it(which: Integers, value: Floats, promised: Floats) -> NDArray[np.bool_]:
    best = np.full(int(which.max(initial=0)) + 1, np.inf)
    np.minimum.at(best, which, np.where(np.isfinite(value), value, np.inf))
    with np.errstate(invalid="ignore"):  # of a patient whose values nothing makes possible
        above = value - best[which]
    return np.asarray(~((above > HOPELESS) & (promised < 0.1 * above)))


def _deepest(which: Integers, eta: Floats, value: Floats, settled: NDArray[np.bool_]) -> Ends:
    order = np.lexsort((np.where(np.isfinite(value), value, np.inf), which))
    first = order[np.flatnonzero(np.diff(which[order], prepend=-1))]
    return Ends(eta[first], settled[first])
