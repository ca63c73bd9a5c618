"""How finely a model is stepped: chosen once per model, so that whoever writes one need not.

Error grows with the first step after a discontinuity, with how fast steps grow after it, and with the largest one
(`twin.solver.step_schedule`). Where the file names none of them, the model's own regimens are solved for the typical
patient, both corners of the population and some of its members, very finely and then ever more finely from coarse
steps, until the two agree to `TOLERANCE`; each time that step size is halved that brings most for what it costs. The
result is kept on disk beside the compiled kernel. A model without regimens is looked at under the doses of the record
that is to be solved (`twin.solver.doses_seen`), and gets steps that suit its rates at rest where it holds none.

Explicit steps must stay within some three time constants of the fastest stepped state. Where that is short the kernel
steps implicitly (`twin.kernel.stiffness`), and accuracy alone is asked for; with doses that enter late it cannot, and a
model that would need over `MOST_STEPS` explicit steps to the end of its forecasts is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, storable
from twin.clock import DAY_MS, UNIT_MS
from twin.kernel.arguments import StepSizes
from twin.kernel.cache import keep, recalled
from twin.kernel.kernel import Kernel, stabilised
from twin.model.spec import Model, ModelError, RegimenSpec
from twin.randomness import even_normals, generator
from twin.solver.doses_seen import regimens_seen
from twin.solver.linear_system import linear_system, solved_parameters
from twin.solver.solver import Solver, step_alone
from twin.solver.step_schedule import GROWTH
from twin.timeline.delivery import Delivered
from twin.timeline.regimen import ORIGIN, treated, treatment
from twin.timeline.timeline import Timeline

TOLERANCE = 1e-6
"""Relative error looked for; a tenth of what is promised, for patients and regimens that were not looked at."""

NEGLIGIBLE = 1e-7
"""Fraction of an output's peak under which its relative error is not looked at."""

MOST_STEPS = 100_000
"""Steps over a forecast's horizon that are still bearable: 2.5 s for 1,000 particles of a small model."""

LOOKED_AT = 16
"""Patients that step sizes are chosen for."""

EXACT = 5 * TOLERANCE
"""Relative error by which a solution that is taken for exact may change when its steps are halved."""

HELPS = 0.7
"""Factor on the error by which finer steps are worth taking."""

ROUNDS = 24
"""Halvings after which the steps are fine enough, whatever the error."""

FEWEST_STEPS = 50
"""Steps over a forecast's horizon in a model that hardly moves."""

MANY_STEPS = 1000
"""Steps over a forecast's horizon from which a model counts as stiff, and its branches are solved in long steps."""

LONG_TOLERANCE = 1e-2
"""Largest relative error of what is solved in long steps, of any output; at a nadir it is a third of that or less."""

LONG_NEGLIGIBLE = 1e-3
"""Fraction of an output's peak under which that error is not looked at."""

VERSION = 2
"""Raise when step sizes would be chosen otherwise, so that those on disk are not reused."""

ROUGH = (
    "no steps were found that follow the doses of this record as exactly as promised, so what is told of it may be "
    "off; look at its doses and their units, or name the usual [[regimens]] in the model file"
)
"""What is said of a record that is stepped as well as can be."""


class _Chosen(NamedTuple):
    """Step sizes, and whether they are known to be fine enough for what they were chosen for."""

    sizes: StepSizes
    fine: bool


_CHOSEN: dict[tuple[str, tuple[RegimenSpec, ...]], _Chosen] = {}
_LONG: dict[tuple[str, StepSizes], StepSizes] = {}
_GUARD = Lock()


RESTING = 1e-9
"""Rate (1/time unit) of stepped states under which nothing moves them at rest."""

FROM_NOTHING = 1e-5
"""First step of sums over time, in the largest: a hazard that grows from time 0 on may do so infinitely fast there."""


def step_sizes_for(kernel: Kernel, delivered: Mapping[str, Delivered] | None = None) -> StepSizes:
    """Step sizes of a model, in its own time unit.

    Args:
        delivered: by drug, what the record holds that is to be solved; a model with regimens does not look at it.

    Raises:
        ModelError: the model is stiff.
    """
    return _chosen_for(kernel, delivered).sizes


def steps_note(kernel: Kernel, delivered: Mapping[str, Delivered]) -> str | None:
    """What whoever reads of a record should know of its steps; ``None`` where they are as fine as is promised.

    Args:
        delivered: by drug, what the record holds.

    Raises:
        ModelError: the model is stiff.
    """
    return ROUGH if needs_doses(kernel) and not _chosen_for(kernel, delivered).fine else None


def needs_doses(kernel: Kernel) -> bool:
    """Whether step sizes depend on the doses of a record: stepped states, and no regimens to look at instead."""
    return bool(kernel.stepped) and not kernel.model.regimens


def _chosen_for(kernel: Kernel, delivered: Mapping[str, Delivered] | None) -> _Chosen:
    model = kernel.model
    seen = regimens_seen(delivered, model) if needs_doses(kernel) and delivered else ()
    with _GUARD:
        if (model.hash, seen) not in _CHOSEN:
            _CHOSEN[model.hash, seen] = _chosen(kernel, seen)
        return _CHOSEN[model.hash, seen]


def _chosen(kernel: Kernel, seen: tuple[RegimenSpec, ...]) -> _Chosen:
    if not kernel.stepped:
        return _Chosen(StepSizes(0.0, 0.0, np.inf), fine=True)
    model, named = kernel.model, kernel.model.numerics
    par = solved_parameters(kernel, np.zeros((1, len(model.effect_names))), kernel.reference)
    lam = linear_system(kernel, par, kernel.reference).lam
    stepped = max(stepped_rate(kernel, par, kernel.reference), RESTING)
    fastest = max(float(np.abs(lam).max(initial=0.0)), stepped)
    # States that no state moves are sums over time, as a cumulated hazard: only time itself says how fast they change.
    summed = stepped == RESTING
    fewest = model.cadence.horizon / FEWEST_STEPS
    largest = named.largest_step or (fewest if kernel.implicit or summed else 0.2 / stepped)
    refuse_stiff(kernel, 3.0 / stepped)
    first = min(largest, FROM_NOTHING * largest if summed else 0.2 / fastest)
    rough = StepSizes(named.first_step or first, named.growth or GROWTH, largest)
    regimens = model.regimens or seen
    if None not in (named.first_step, named.growth, named.largest_step) or not regimens:
        return _Chosen(rough, fine=True)
    under = f"_{hashlib.blake2b(repr(seen).encode(), digest_size=8).hexdigest()}" if seen else ""
    name = f"step_sizes_{model.hash}_{kernel.hash}{under}_{VERSION}.json"
    made_of = f"{kernel.source}\0{VERSION}\0{seen!r}".encode()
    kept = recalled(name, made_of)
    if kept is not None:
        *sizes, fine = json.loads(kept)
        return _Chosen(StepSizes(*sizes), fine)
    try:
        chosen = _Chosen(_calibrated(kernel, regimens, fastest, stepped), fine=True)
    except ModelError:
        if not seen:
            raise
        chosen = _Chosen(rough, fine=False)  # One patient's impossible dose is no flaw of the model.
    keep(name, made_of, json.dumps([*chosen.sizes, chosen.fine]).encode())
    return chosen


def refuse_stiff(kernel: Kernel, step: float) -> None:
    """Refuse a model that has to be stepped by ``step`` (model time) where that is no way to reach its horizon.

    Raises:
        ModelError: with the number of steps and what to do.
    """
    model = kernel.model
    steps = model.cadence.horizon / step
    if steps > MOST_STEPS and not kernel.implicit:
        unit = model.time_unit
        problem = f"are stiff: they need steps of {step:.2g} {unit}, {steps:.2g} of them over the forecast's horizon"
        mend = "write what is so fast at its equilibrium (quasi-steady state), or check its rate and its unit"
        raise ModelError(model.id, "states", f"{problem}; {mend}")


def stepped_rate(kernel: Kernel, par: Floats, covariates: Floats) -> float:
    """Spectral radius (1/time unit) of the stepped states' Jacobian at the initial state, by differences of one tiny
    step; ``par`` (1, P)."""
    count = len(kernel.stepped)
    pars = np.repeat(par, count + 1, axis=0)
    x, y = np.zeros((count + 1, len(kernel.linear))), np.zeros((count + 1, count))
    kernel.initial(pars, covariates, x, y)
    bump = 1e-5 * np.maximum(np.abs(y[0]), 1e-3)
    y[1:] += np.diag(bump)
    before = y.copy()
    s = linear_system(kernel, pars, covariates)
    z = np.einsum("nij,nj->ni", s.w, x)
    h = 1e-7
    step_alone(kernel, s, covariates, z, y, 0.0, h, np.empty((0, 0, 0)))
    rate = (y - before) / h
    jacobian = (rate[1:] - rate[0]).T / bump
    # From nothing some rates of change are infinite; what they lead to is for the calibration to see.
    jacobian = np.where(np.isfinite(jacobian), jacobian, 0.0)
    return float(np.abs(np.linalg.eigvals(jacobian)).max())


def _calibrated(kernel: Kernel, regimens: tuple[RegimenSpec, ...], fastest: float, stepped: float) -> StepSizes:
    """Step sizes that are fine enough for the regimens; what the file names stays as it is."""
    named = kernel.model.numerics
    timeline, marks = _usual(kernel, replace(kernel.model, regimens=regimens))
    eta = _patients(kernel)

    def fixed(step_sizes: StepSizes) -> StepSizes:
        return StepSizes(
            min(named.first_step or step_sizes.first, named.largest_step or step_sizes.largest),
            named.growth or step_sizes.growth,
            named.largest_step or step_sizes.largest,
        )

    def solved(step_sizes: StepSizes) -> Floats:
        solver = Solver(kernel, eta, step_sizes, shared=False)
        return solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1][:, : len(kernel.outputs)]

    longest = kernel.model.cadence.horizon / FEWEST_STEPS
    coarse = longest if kernel.implicit else min(1.0 / stepped, longest)
    fine = StepSizes(min(0.02 / fastest, coarse / 10), 0.04, coarse / 10)
    exact = _exact(kernel, solved, fine)
    scale = np.abs(exact) + NEGLIGIBLE * np.nanmax(np.abs(exact), axis=0, keepdims=True) + 1e-300

    def error(step_sizes: StepSizes) -> float:
        return _furthest(solved(fixed(step_sizes)), exact, scale)

    def cost(step_sizes: StepSizes) -> float:
        return _cost(step_sizes, timeline, marks, kernel)

    step_sizes = _fine_enough(fixed(StepSizes(coarse / 4, 0.5, coarse)), fixed, error, cost, TOLERANCE)
    refuse_stiff(kernel, step_sizes.largest)
    return step_sizes


def _furthest(found: Floats, exact: Floats, scale: Floats) -> float:
    """How far at most what was found is from what is exact, by its ``scale``; what is no number there has none."""
    apart = np.abs(found - exact) / scale
    return float(np.max(np.where(np.isnan(exact), 0.0, np.nan_to_num(apart, nan=1e9, posinf=1e9))))


def _fine_enough(
    step_sizes: StepSizes,
    fixed: Callable[[StepSizes], StepSizes],
    error: Callable[[StepSizes], float],
    cost: Callable[[StepSizes], float],
    tolerance: float,
) -> StepSizes:
    """Step sizes made finer, by what brings most for what it costs, until the error is below the tolerance; what is
    ``fixed`` in them stays."""
    found = error(step_sizes)
    for _ in range(ROUNDS):
        if found < tolerance:
            break
        finer = _finer(step_sizes)
        left = [error(one) for one in finer]
        worth = [e * cost(one) for e, one in zip(left, finer, strict=True)]
        best = int(np.argmin(worth))
        if left[best] < HELPS * found:
            step_sizes, found = fixed(finer[best]), left[best]
            continue
        # Where none helps by itself (unstable steps), all are halved.
        halved = fixed(_halved(step_sizes))
        error_halved = error(halved)
        if found < EXACT and error_halved > HELPS * found:
            break  # what is left is the error of what is taken for exact, and halving would never end it
        step_sizes, found = halved, error_halved
    return step_sizes


def long_step_sizes(kernel: Kernel, step_sizes: StepSizes) -> StepSizes | None:
    """Sizes of long steps by `twin.kernel.kernel.stabilised`, where a model is stiff; ``None`` where it is not.

    They are held against the model's own ``step_sizes``, under its regimens: without any none is known to be right.
    """
    model = kernel.model
    many = kernel.implicit or model.cadence.horizon / step_sizes.largest > MANY_STEPS
    if not (kernel.stepped and model.regimens and many):
        return None
    with _GUARD:
        if (kernel.source, step_sizes) not in _LONG:
            _LONG[kernel.source, step_sizes] = _long(kernel, step_sizes)
        return _LONG[kernel.source, step_sizes]


def _long(kernel: Kernel, exact_steps: StepSizes) -> StepSizes:
    name = f"long_steps_{kernel.model.hash}_{kernel.hash}_{VERSION}.json"
    made_of = f"{kernel.source}\0{VERSION}\0{exact_steps!r}\0{LONG_TOLERANCE}".encode()
    kept = recalled(name, made_of)
    if kept is not None:
        return StepSizes(*json.loads(kept))
    timeline, marks = _usual(kernel, kernel.model)
    eta, shown = _patients(kernel), slice(len(kernel.outputs))

    def solved(by: Kernel, step_sizes: StepSizes) -> Floats:
        solver = Solver(by, eta, step_sizes, shared=False)
        return solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1][:, shown]

    exact, other = solved(kernel, exact_steps), stabilised(kernel)
    scale = np.abs(exact) + LONG_NEGLIGIBLE * np.nanmax(np.abs(exact), axis=0, keepdims=True) + 1e-300

    def error(step_sizes: StepSizes) -> float:
        return _furthest(solved(other, step_sizes), exact, scale)

    longest = kernel.model.cadence.horizon / FEWEST_STEPS / 2
    begun = StepSizes(4 * exact_steps.first, 0.2, longest)
    found = _fine_enough(begun, lambda one: one, error, lambda one: _cost(one, timeline, marks, kernel), LONG_TOLERANCE)
    keep(name, made_of, json.dumps(found).encode())
    return found


def _exact(kernel: Kernel, solved: Callable[[StepSizes], Floats], fine: StepSizes) -> Floats:
    """What is solved by steps so fine that halving them changes nothing any more."""
    found = solved(fine)
    while not _agree(found, further := solved(_halved(fine))):
        fine, found = _halved(fine), further
        # Explicit steps become stable only far below what accuracy asks for.
        refuse_stiff(kernel, 10 * fine.largest)
    return further


def _finer(step_sizes: StepSizes) -> tuple[StepSizes, ...]:
    """Ways to step more finely: after a discontinuity, in growing, and far from it."""
    half = step_sizes.largest / 2
    return (
        step_sizes._replace(first=step_sizes.first / 3),
        step_sizes._replace(growth=step_sizes.growth / 1.5),
        step_sizes._replace(first=min(step_sizes.first, half), largest=half),
    )


def _halved(step_sizes: StepSizes) -> StepSizes:
    return StepSizes(step_sizes.first / 2, step_sizes.growth / 2, step_sizes.largest / 2)


def _agree(one: Floats, other: Floats) -> bool:
    """Whether halved steps change a solution by so little that what they give is exact (the error falls by 2^5)."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other) / (np.abs(other) + NEGLIGIBLE * np.nanmax(np.abs(other), initial=1e-300))
    return bool((np.isnan(one) == np.isnan(other)).all() and np.nanmax(apart, initial=0.0) < EXACT)


def _cost(step_sizes: StepSizes, timeline: Timeline, marks: NDArray[np.int64], kernel: Kernel) -> float:
    """About how many steps it takes: those of even length, and those that grow after each discontinuity."""
    length = (int(marks[-1]) - timeline.start) / UNIT_MS[kernel.model.time_unit]
    jumps = len(timeline.changes_between(timeline.start, int(marks[-1]))) + len(timeline.late.given) + 1
    growing = (
        max(np.log(step_sizes.largest / step_sizes.first), 0.0) / np.log1p(step_sizes.growth) + 1 / step_sizes.growth
    )
    return float(length / step_sizes.largest + jumps * growing)


def _usual(kernel: Kernel, model: Model) -> tuple[Timeline, NDArray[np.int64]]:
    """The regimens of ``model`` as given, and ms at which solutions are compared: denser after the first dose."""
    unit = UNIT_MS[model.time_unit]
    if kernel.model.regimens:
        length = max(model.cadence.horizon, 2.2 * max(r.start + r.interval for r in model.regimens))
        # Daily doses for a month say what those of a year would.
        length = min(length, max(31 * DAY_MS / unit, 1.2 * max(r.interval for r in model.regimens)))
        shares = [np.geomspace(1e-3, 0.3, 8), np.linspace(0.35, 1.0, 14)]
    else:
        # Of a record's doses it is not known how fast they pass: they are followed closely down.
        length = max(r.start + r.cycles * r.interval for r in model.regimens)
        shares = [np.geomspace(1e-3, 0.1, 8), np.linspace(0.0, 1.0, 120)]
    timeline = treated(kernel, treatment(model, "pace", length * unit / DAY_MS))
    marks = ORIGIN + np.rint(length * unit * np.concatenate(shares)).astype(np.int64)
    return timeline, np.unique(marks[marks > timeline.start])


def _patients(kernel: Kernel) -> Floats:
    model = kernel.model
    eta = np.zeros((LOOKED_AT, len(model.effect_names)))
    deviation = np.sqrt(np.diag(model.omega))
    if len(deviation):
        eta[1, : len(deviation)], eta[2, : len(deviation)] = 2.0 * deviation, -2.0 * deviation
        draws = even_normals(generator("pace", "prior"), LOOKED_AT - 3, len(deviation))
        eta[3:, : len(deviation)] = storable(draws @ np.linalg.cholesky(model.omega).T)
    return eta
