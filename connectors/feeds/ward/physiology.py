"""The simulated patient's own physiology: what the ward simulator knows and the twin has to find out.

The model's equations are walked as formulas and integrated by LSODA from one discontinuity to the next:

    dx/dt = f(t, x, u),   u constant between two changes of delivery;   x <- x + B a   at a dose given at once.

Nothing of the twin's compiled kernel, time steps or exact linear solution is used, so that a score of the twin against
this truth is a score of all of that as well. Models that ask for more are left to `connectors.feeds.ward.solved`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from twin.arrays import Floats
from twin.clock import HOUR_MS, UNIT_MS
from twin.model.entrances import course_gap
from twin.model.formula import arguments_of, evaluate, is_input, names_in
from twin.model.linearity import linear_terms
from twin.model.record_functions import record_columns
from twin.model.spec import Model, OutputSpec
from twin.model.typical import individual_value
from twin.observation.kinds import kind_of

RTOL, ATOL = 1e-8, 1e-10
"""Tolerances of LSODA: an order finer than any figure that is reported."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An amount of drug that entered: at a constant rate from ``start`` to ``end``, or at once where they are equal.

    Attributes:
        start, end: model time units.
        amount: mg as recorded, before the model's input scale.
        counted: whether it is a dose of its own for ``pulse(drug)``, not one of the segments of an infusion.
    """

    drug: str
    route: str
    start: float
    end: float
    amount: float
    counted: bool = True

    def __post_init__(self) -> None:
        if not (self.end >= self.start and 0 <= self.amount < float("inf")):
            raise ValueError(f"delivery of {self.amount} mg {self.drug} from {self.start} to {self.end} is impossible")


def individual(model: Model, eta: Mapping[str, float], covariates: Mapping[str, float]) -> dict[str, float]:
    """Parameters, covariates and derived values of one person, by name.

    Args:
        eta: random effects by parameter name; absent ones are 0.
        covariates: by name; absent ones stand at the model's reference.

    Raises:
        ValueError: a name that the model does not have.
    """
    for given, known in ((eta, model.eta_names), (covariates, [c.name for c in model.covariates])):
        unknown = set(given) - set(known)
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))}: not in {model.id}, which has {', '.join(known) or 'none'}")
    held = {c.name: float(covariates.get(c.name, c.reference)) for c in model.covariates}
    typical = {p.name: individual_value(p, float(eta.get(p.name, 0.0))) for p in model.parameters}
    env: dict[str, float] = {**held, **typical}
    values = {**held}
    for parameter in model.parameters:
        formula = parameter.expression
        values[parameter.name] = typical[parameter.name] if formula is None else float(evaluate(formula, env))
    for derived in model.derived:
        values[derived.name] = float(evaluate(derived.expression, values))
    return values


def trajectory(
    model: Model, values: Mapping[str, float], deliveries: Sequence[Delivery], times: Sequence[float] | Floats
) -> dict[str, Floats]:
    """Every output of the model, and every exposure it has a target for, along ``times``.

    A time that is also that of a dose reads the state just after it. An exposure begins again from 0 with each course
    (see `twin.model.spec.TargetSpec`).

    Args:
        values: one person's parameters, covariates and derived values, as `individual` gives them.
        deliveries: in any order; infusions may overlap.
        times: (T,) ascending, in model time units; before the first delivery the state stands at its initial value.

    Returns:
        by name of output and of target state, arrays (T,) without residual error.

    Raises:
        ValueError: ``times`` are not ascending or the equations cannot be integrated.
    """
    grid = np.asarray(times, dtype=np.float64)
    if grid.ndim != 1 or not np.all(np.diff(grid) >= 0) or not np.all(np.isfinite(grid)):
        raise ValueError("times must be finite and ascending")
    states = _solve(model, values, deliveries, grid)
    env = {**values, **dict(zip((s.name for s in model.states), states, strict=True)), "t": grid}
    found = {o.name: np.broadcast_to(np.asarray(evaluate(o.expression, env)), grid.shape).copy() for o in model.outputs}
    return found | {target.state: np.asarray(env[target.state]) for target in model.targets if target.state is not None}


def measured(output: OutputSpec, value: float, rng: np.random.Generator) -> float:
    """``value`` as a laboratory would report it: with the model's residual error, and never 0 or below.

    A residual that would make the result negative is drawn again, since no laboratory reports such a value: with an
    error proportional at 58 % this leaves out the lowest twentieth.
    """
    for _ in range(1000):
        result = float(kind_of(output).at_levels(output, np.array([[value]]), rng.random((1, 1)))[0, 0])
        if result > 0:
            return result
    return value


def followed(model: Model) -> bool:
    """Whether this physiology follows all of a model; else `connectors.feeds.ward.solved` does."""
    late = any(arguments_of(text)[2] or text.startswith("transit(") for text in _calls(model))
    # What is predicted must be all that a laboratory reads, and what it reads be above 0.
    odd = any(o.further or kind_of(o).discrete for o in model.outputs)
    return not (record_columns(model) or late or model.occasions is not None or odd)


# --- integration -----------------------------------------------------------------------------------------------------


def _solve(model: Model, values: Mapping[str, float], deliveries: Sequence[Delivery], grid: Floats) -> Floats:
    """States (S, T) along ``grid``."""
    from scipy.integrate import solve_ivp

    names = [state.name for state in model.states]
    derivative = _derivative(model, values)
    x = np.array([float(evaluate(state.initial, values)) for state in model.states])
    jumps = _jumps(model, values, deliveries)
    edges = sorted({*jumps, *(d.start for d in deliveries), *(d.end for d in deliveries)})
    if not len(grid):
        return np.empty((len(names), 0))
    start, last = min([grid[0], *edges[:1]]), grid[-1]
    spans = sorted({start, last, *(edge for edge in edges if start < edge < last)})
    found = np.empty((len(names), len(grid)))
    for begin, end in pairwise(spans):
        x = _jumped(x, jumps.get(begin, ()))
        inside = (grid >= begin) & (grid < end)
        u = _rates(model, deliveries, 0.5 * (begin + end))
        marks = np.unique(np.append(grid[inside], end))
        solution = solve_ivp(derivative, (begin, end), x, "LSODA", t_eval=marks, args=(u,), rtol=RTOL, atol=ATOL)
        if not solution.success:
            raise ValueError(f"{model.id} cannot be integrated from {begin} to {end}: {solution.message}")
        found[:, inside] = solution.y[:, np.searchsorted(solution.t, grid[inside])]
        x = solution.y[:, -1]
    found[:, grid == last] = _jumped(x, jumps.get(last, ()))[:, None]
    return found


def _derivative(model: Model, values: Mapping[str, float]) -> Callable[[float, Floats, Mapping[str, float]], Floats]:
    """f(t, x, u) with everything that stays the same in this person already worked out."""
    names = [state.name for state in model.states]
    varying = frozenset({*names, "t"})
    formulas = [_worked_out(state.derivative, values, varying) for state in model.states]

    def derivative(t: float, x: Floats, u: Mapping[str, float]) -> Floats:
        env: dict[str, float] = {"t": t, **u, **dict(zip(names, x.tolist(), strict=True))}
        return np.array([evaluate(formula, env) for formula in formulas])

    return derivative


def _worked_out(node: ast.expr, values: Mapping[str, float], varying: frozenset[str]) -> ast.expr:
    """The formula with its constant parts as numbers and its input calls as names (their source text)."""
    if is_input(node):
        return ast.Name(ast.unparse(node))
    inputs = any(is_input(part) for part in ast.walk(node))
    if not inputs and not isinstance(node, ast.Compare) and not names_in(node) & varying:
        return ast.Constant(float(evaluate(node, values)))
    match node:
        case ast.UnaryOp():
            return ast.UnaryOp(node.op, _worked_out(node.operand, values, varying))
        case ast.BinOp():
            left, right = (_worked_out(side, values, varying) for side in (node.left, node.right))
            return ast.BinOp(left, node.op, right)
        case ast.Compare():
            sides = [_worked_out(side, values, varying) for side in (node.left, *node.comparators)]
            return ast.Compare(sides[0], node.ops, sides[1:])
        case ast.Call():
            return ast.Call(node.func, [_worked_out(argument, values, varying) for argument in node.args], [])
    return node


def _calls(model: Model) -> dict[str, tuple[str, str, str | None]]:
    """Input calls of the model by source text: function, drug, route or None."""
    nodes = (node for state in model.states for node in ast.walk(state.derivative) if is_input(node))
    calls = {}
    for node in nodes:
        text = ast.unparse(node)
        function, (drug, *route), _ = arguments_of(text)
        calls[text] = (function, drug, route[0] if route else None)
    return calls


def _of(deliveries: Iterable[Delivery], drug: str, route: str | None) -> Iterable[Delivery]:
    return (d for d in deliveries if d.drug == drug and route in (None, d.route))


def _rates(model: Model, deliveries: Sequence[Delivery], t: float) -> dict[str, float]:
    """Value of each input call at ``t``, which is no edge: mg per model time unit; impulses have their own place."""
    rates = {}
    for text, (function, drug, route) in _calls(model).items():
        running = [d for d in _of(deliveries, drug, route) if d.start < t < d.end and function == "input"]
        rates[text] = model.input_scale.get(drug, 1.0) * sum(d.amount / (d.end - d.start) for d in running)
    return rates


Jump = tuple[Floats, Floats]
"""What one moment does to the state: x <- kept * x + added."""


def _jumps(model: Model, values: Mapping[str, float], deliveries: Sequence[Delivery]) -> dict[float, list[Jump]]:
    """Impulses and new courses by time; at one time a new course comes before the dose that begins it."""
    names = [state.name for state in model.states]
    jumps: dict[float, list[Jump]] = {}
    for target in model.targets:
        kept = np.array([0.0 if name == target.state else 1.0 for name in names])
        given = list(_of(deliveries, target.drug, None))
        hour = HOUR_MS / UNIT_MS[model.time_unit]
        starts = course_starts(given, target.course_gap)
        for start in day_starts(given, starts, 24 * hour, 20 * hour) if target.measure == "day" else starts:
            jumps.setdefault(start, []).append((kept, np.zeros(len(names))))
    calls = _calls(model)
    terms = [linear_terms(state.derivative, frozenset(calls)) or {} for state in model.states]
    for text, (function, drug, route) in calls.items():
        gain = np.array([float(evaluate(t[text], values)) if text in t else 0.0 for t in terms])
        scale = model.input_scale.get(drug, 1.0)
        entering = list(_of(deliveries, drug, route))
        if function == "pulse":
            for start in _pulses([d.start for d in entering if d.counted], course_gap(text)):
                jumps.setdefault(start, []).append((np.ones(len(names)), gain))
            continue
        for delivery in entering:
            if function == "input" and delivery.end == delivery.start:
                jumps.setdefault(delivery.start, []).append((np.ones(len(names)), gain * scale * delivery.amount))
    return jumps


def _pulses(starts: Sequence[float], gap: float) -> list[float]:
    """Of the doses at ``starts`` those that a pulse sees: all, or the first of each course, which ``gap`` ends."""
    times = sorted(set(starts)) if gap else list(starts)
    return [now for i, now in enumerate(times) if not gap or i == 0 or now - times[i - 1] >= gap]


def _jumped(x: Floats, jumps: Iterable[Jump]) -> Floats:
    for kept, added in jumps:
        x = kept * x + added
    return x


def course_starts(deliveries: Iterable[Delivery], gap: float) -> list[float]:
    """Starts of deliveries before which there was none for at least ``gap``."""
    starts: list[float] = []
    until = -float("inf")
    for start, end in sorted((d.start, d.end) for d in deliveries if d.amount > 0):
        if start - until >= gap:
            starts.append(start)
        until = max(until, end)
    return starts


def day_starts(deliveries: Iterable[Delivery], courses: Sequence[float], day: float, apart: float) -> list[float]:
    """Starts of ``courses``, and of the days within: of a dose ``apart`` or more after the last start, or a ``day``
    after it while delivery goes on."""
    starts: list[float] = []
    for start, end in sorted((d.start, d.end) for d in deliveries if d.amount > 0):
        if not starts or start in courses or start - starts[-1] >= apart:
            starts.append(start)
        while starts[-1] + day < end:
            starts.append(starts[-1] + day)
    return starts
