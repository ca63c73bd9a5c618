"""An independent solution of a model: LSODA on the formulas as the file states them, discontinuity by discontinuity.

Many states that are linear are solved by the exponential of their matrix instead, which is exact. Nothing of
`twin.kernel.kernel`, `twin.solver.step_schedule` or `twin.solver.solver` is used: no linear block, no logarithms, no
fixed steps. Only the timeline (what enters when) is shared with the code under test.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.stats import gamma

from twin.clock import HOUR_MS, UNIT_MS
from twin.events import DoseGiven, Quantity, from_millis, to_millis
from twin.kernel.kernel import Kernel, compile_model
from twin.model.formula import arguments_of, evaluate, is_input, to_source
from twin.model.spec import Model, ParameterSpec, RegimenSpec
from twin.modelfile.library import load_model
from twin.observation.observation import Observation
from twin.record.facts import ClinicalEvent
from twin.timeline.delivery import Delivered, delivered, with_rates
from twin.timeline.input_columns import entering
from twin.timeline.pumps.steps import Steps
from twin.timeline.timeline import Timeline, assemble

RTOL, ATOL = 1e-11, 1e-13
"""Tolerances of LSODA, states in their own units: a decayed concentration is known to about 1e-11 of its peak."""

MANY_STATES = 60
"""States from which on formulas one by one take too long."""

BEGINNING = int(np.iinfo(np.int64).min)
Environment = dict[str, float]


Slope = Callable[[float, NDArray[np.float64], NDArray[np.float64]], list[float]]


def individual(kernel: Kernel, eta: Sequence[float], covariates: Sequence[float]) -> Environment:
    """Covariates, columns of the record, individual parameters and derived values of one patient, by name."""
    model = kernel.model
    env: Environment = {name: float(value) for name, value in zip(kernel.covariates, covariates, strict=True)}
    effect = dict(zip(model.effect_names, eta, strict=True))
    plain = env | {p.name: _with_effect(p, effect.get(p.name, 0.0)) for p in model.parameters}
    env |= {p.name: float(evaluate(p.expression, plain)) if p.expression else plain[p.name] for p in model.parameters}
    for derived in model.derived:
        env[derived.name] = float(evaluate(derived.expression, env))
    return env


def _with_effect(parameter: ParameterSpec, eta: float) -> float:
    """An individual value before covariate effects, by the definitions of the distributions."""
    match parameter.distribution:
        case "normal":
            return parameter.value + eta
        case "logit":
            odds = parameter.value / (1 - parameter.value) * math.exp(eta)
            return odds / (1 + odds)
        case "box-cox":
            assert parameter.shape is not None
            return parameter.value * math.exp(math.expm1(parameter.shape * eta) / parameter.shape)
    return parameter.value * math.exp(eta)


def reference(
    kernel: Kernel, timeline: Timeline, eta: Sequence[float], marks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Outputs, target states and what likelihoods need besides, (M, O), of one patient at ``marks`` (ms, sorted).

    Just before what happens there.
    """
    model, unit = kernel.model, UNIT_MS[kernel.model.time_unit]
    timeline = _as_given(kernel, timeline)
    names = [state.name for state in model.states]
    order = [*kernel.linear, *kernel.stepped]
    epoch = _epoch(timeline, timeline.start)
    env = individual(kernel, eta, timeline.covariates[epoch])
    slope = derivative(model, kernel.inputs, env)
    x = np.array([float(evaluate(state.initial, env)) for state in model.states])
    late = _late(kernel, timeline, eta)
    shared = [timeline.start, *timeline.changes_between(timeline.start, int(marks[-1])), *marks.tolist()]
    # All in model time since the start, in which late doses have their own, fractional, instants.
    edges = np.unique([(millis - timeline.start) / unit for millis in shared] + late.edges)
    edges = edges[edges <= (marks[-1] - timeline.start) / unit]
    found = [_row(model, env, x, 0.0)] if marks[0] == timeline.start else []
    silence = np.zeros(len(kernel.inputs))
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        since = timeline.start + math.floor(begin * unit + 1e-3)
        if _epoch(timeline, since) != epoch:
            epoch = _epoch(timeline, since)
            env = individual(kernel, eta, timeline.covariates[epoch])
            slope = derivative(model, kernel.inputs, env)
        kicks = [
            (int(timeline.kick_column[q]), float(timeline.kick_amount[q]))
            for q in np.flatnonzero(timeline.kick == since)
            if since == round(timeline.start + begin * unit, 3)
        ]
        for column, amount in kicks + [(j, amount) for at, j, amount in late.kicks if at == begin]:
            if column < 0:
                x[names.index(order[-1 - column])] = 0.0
            else:
                # An impulse is the integral of a unit rate: what one unit of input adds to every derivative.
                one = np.eye(len(kernel.inputs))[column]
                x = x + amount * (np.array(slope(begin, x, one)) - np.array(slope(begin, x, silence)))
        rates = timeline.rates[int(np.searchsorted(timeline.change, since, side="right"))].copy()
        for low, high, column, rate in late.rates:
            rates[column] += rate if low <= begin < high else 0.0
        flows = [flow for flow in late.flows if flow[0] <= begin]

        def entering(
            t: float,
            x: NDArray[np.float64],
            slope: Slope = slope,
            rates: NDArray[np.float64] = rates,
            flows: list[tuple[float, int, float, float, float]] = flows,
        ) -> list[float]:
            now = rates.copy()
            for low, column, amount, n, mtt in flows:
                now[column] += amount * gamma.pdf(t - low, n + 1, scale=mtt / (n + 1))
            return slope(t, x, now)

        if isinstance(slope, _Matrices) and not flows:
            x = slope.after(x, rates, end - begin)
        else:
            solved = solve_ivp(entering, (begin, end), x, method="LSODA", rtol=RTOL, atol=ATOL)
            assert solved.success, solved.message
            x = solved.y[:, -1]
        if round(timeline.start + end * unit, 3) in marks:
            found.append(_row(model, env, x, end))
    return np.array(found)


def _as_given(kernel: Kernel, timeline: Timeline) -> Timeline:
    """The timeline before anything was multiplied by what is known of a dose: here the equations still say it."""
    if kernel.weigh is None:
        return timeline
    found = entering(kernel, timeline.delivered, timeline.restarts.tolist())
    resets = [
        (int(timeline.kick[q]), int(timeline.kick_column[q]), 0.0) for q in np.flatnonzero(timeline.kick_column < 0)
    ]
    kicks = sorted([*found.kicks, *resets])
    return replace(
        timeline,
        change=found.change,
        rates=found.rates,
        kick=np.array([millis for millis, _, _ in kicks], dtype=np.int64),
        kick_column=np.array([column for _, column, _ in kicks], dtype=np.int64),
        kick_amount=np.array([amount for _, _, amount in kicks], dtype=np.float64),
        heeded=np.ones_like(timeline.heeded),
    )


@dataclass
class _Late:
    """What enters late, in model time since the start: impulses, rates over stretches, flows through transit steps."""

    kicks: list[tuple[float, int, float]] = field(default_factory=list)
    rates: list[tuple[float, float, int, float]] = field(default_factory=list)
    flows: list[tuple[float, int, float, float, float]] = field(default_factory=list)

    @property
    def edges(self) -> list[float]:
        """Instants at which something begins or ends."""
        ends = [end for _, end, _, _ in self.rates]
        return [at[0] for at in (*self.kicks, *self.rates, *self.flows)] + ends


def _late(kernel: Kernel, timeline: Timeline, eta: Sequence[float]) -> _Late:
    found, unit = _Late(), UNIT_MS[kernel.model.time_unit]
    for column in kernel.late:
        function, (drug, *route), formulas = arguments_of(kernel.inputs[column])
        given = timeline.delivered[drug]
        doses = [(at, at, at, amount) for at, amount, by in given.impulses if not route or by == route[0]]
        doses += [
            (d.start, d.start, d.end, d.rate * unit / HOUR_MS)
            for d in given.recorded
            if not route or d.route == route[0]
        ]
        if not route or route[0] == "iv":
            doses += [(began, since, until, rate * unit / HOUR_MS) for since, until, rate, began in given.pumping()]
        if function == "pulse":
            doses = [(at, at, at, 1.0) for at in given.pulses]
        for at, since, until, amount in doses:
            env = individual(kernel, eta, timeline.covariates[_epoch(timeline, at)])
            value = {name: float(evaluate(formula, env)) for name, formula in formulas.items()}
            begin = (since - timeline.start) / unit + value.get("lag", 0.0)
            length = (until - since) / unit
            if function == "transit":
                found.flows.append((begin, column, amount, value["n"], value["mtt"]))
            elif length == 0.0 and value.get("duration", 0.0) > 0:
                found.rates.append((begin, begin + value["duration"], column, amount / value["duration"]))
            elif length == 0.0:
                found.kicks.append((begin, column, amount))
            else:
                found.rates.append((begin, begin + length, column, amount))
    return found


def derivative(model: Model, inputs: tuple[str, ...], env: Environment) -> Slope:
    """The right-hand side f(t, x, rates) of all states in file order, compiled from the formulas as they stand."""
    rename = {state.name: f"x[{i}]" for i, state in enumerate(model.states)} | {name: f"p['{name}']" for name in env}
    rename |= {name: f"max(0, t - p['{name}'])" for name in env if name.startswith(("since(", "tad("))}
    rename["clock"] = f"((p['clock'] + t * {UNIT_MS[model.time_unit] / HOUR_MS}) % 24)"
    rows = []
    for state in model.states:
        plain = _Inputs(inputs, state.name).visit(ast.parse(ast.unparse(state.derivative), mode="eval").body)
        calls = {f"__rate_{j}": f"rates[{j}]" for j in range(len(inputs))}
        rows.append(to_source(plain, rename | calls))
    values = {"p": env, "math": math, "np": np}
    made: Slope = eval(f"lambda t, x, rates: [{', '.join(rows)}]", values)
    return _Matrices(made, len(rows), len(inputs)) if len(rows) > MANY_STATES else made


class _Matrices:
    """A right-hand side A x + B u + c, which of so many states is a hundred times as fast as its formulas."""

    def __init__(self, slope: Slope, states: int, inputs: int) -> None:
        """From formulas, which must be linear and without the time."""
        nothing, still = np.zeros(states), np.zeros(inputs)
        self._origin = np.array(slope(0.0, nothing, still))
        self._a = np.stack([slope(0.0, one, still) for one in np.eye(states)], axis=1) - self._origin[:, None]
        self._b = np.stack([slope(0.0, nothing, one) for one in np.eye(inputs)], axis=1) - self._origin[:, None]
        x, rates = np.linspace(0.5, 1.5, states), np.linspace(1.0, 2.0, inputs)
        np.testing.assert_allclose(self(0.0, x, rates), slope(100.0, x, rates), rtol=1e-9, atol=1e-9)
        self._step: dict[float, NDArray[np.float64]] = {}

    def __call__(self, t: float, x: NDArray[np.float64], rates: NDArray[np.float64]) -> list[float]:  # noqa: ARG002
        """As the formulas give it, whatever the time ``t``."""
        found: list[float] = (self._a @ x + self._b @ rates + self._origin).tolist()
        return found

    def after(self, x: NDArray[np.float64], rates: NDArray[np.float64], length: float) -> NDArray[np.float64]:
        """States after a stretch of constant rates: the exponential of [[A, B, c], [0, 0, 0]] times (x, u, 1)."""
        states = len(x)
        if length not in self._step:
            whole = np.zeros((states + len(rates) + 1,) * 2)
            whole[:states] = np.hstack([self._a, self._b, self._origin[:, None]])
            self._step[length] = expm(length * whole)
        return np.asarray((self._step[length] @ np.concatenate([x, rates, [1.0]]))[:states])


class _Inputs(ast.NodeTransformer):
    """Writes every input call of a formula as a name."""

    def __init__(self, inputs: tuple[str, ...], state: str) -> None:
        self._inputs = inputs
        self._state = state

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if is_input(node):
            call = ast.unparse(node)
            # A drug that enters several states in the same words has an input for each of them.
            own = call if call in self._inputs else f"{call[:-1]}, into={self._state})"
            return ast.Name(f"__rate_{self._inputs.index(own)}")
        return self.generic_visit(node)


def _row(model: Model, env: Environment, x: NDArray[np.float64], t: float) -> list[float]:
    here = env | dict(zip((state.name for state in model.states), x.tolist(), strict=True)) | {"t": t}
    for name in env:
        if name == "clock":
            here[name] = (env[name] + t * UNIT_MS[model.time_unit] / HOUR_MS) % 24
        elif name.startswith(("since(", "tad(")):
            here[name] = max(0.0, t - env[name])
    outputs = [float(evaluate(output.expression, here)) for output in model.outputs]
    further = [float(evaluate(formula, here)) for output in model.outputs for formula in output.further]
    return outputs + [float(evaluate(target.expression, here)) for target in model.targets] + further


def _epoch(timeline: Timeline, millis: int) -> int:
    return int(np.searchsorted(timeline.epoch, millis, side="right")) - 1


# --- what patients are given -----------------------------------------------------------------------------------------


def infusion(rate: Steps, impulses: Iterable[tuple[int, float, str]] = (), pulses: Iterable[int] = ()) -> Delivered:
    """One drug's delivery: rate steps by vein (ms, mg/h), impulses (ms, mg, route) and doses that count as pulses."""
    return with_rates(Delivered(impulses=list(impulses), pulses=list(pulses), pumped=list(rate)))


def timeline_of(
    kernel: Kernel,
    delivered: dict[str, Delivered],
    start: int = 0,
    covariates: Sequence[tuple[int, Sequence[float]]] = (),
    seen: Sequence[Observation] = (),
    resets: Sequence[int] = (),
) -> Timeline:
    """A timeline of deliveries; ``covariates`` are (from ms, values), the references before the first."""
    rows = [(BEGINNING, [c.reference for c in kernel.model.covariates]), *covariates]
    epoch = np.array([millis for millis, _ in rows], dtype=np.int64)
    values = np.array([values for _, values in rows], dtype=np.float64).reshape(len(rows), -1)
    return assemble(kernel, start, delivered, tuple(seen), epoch, values, resets=np.array(resets, dtype=np.int64))


def usual_course(model_id: str, cycles: int = 2) -> tuple[Kernel, Timeline, int]:
    """A library model's kernel, its usual regimens as delivered over ``cycles`` horizons, and their end (ms)."""
    model = load_model(model_id)
    return _course(model, cycles * model.cadence.horizon)


def whole_course(model_id: str) -> tuple[Kernel, Timeline, int]:
    """As `usual_course`, to the end of the last cycle of every regimen."""
    model = load_model(model_id)
    return _course(
        model, max([model.cadence.horizon, *(regimen.cycles * regimen.interval for regimen in model.regimens)])
    )


def _course(model: Model, length: float) -> tuple[Kernel, Timeline, int]:
    end = round(length * UNIT_MS[model.time_unit])
    doses = [dose_of(regimen, model, cycle) for regimen in model.regimens for cycle in range(regimen.cycles)]
    facts = sorted(((to_millis(dose.time), dose) for dose in doses), key=lambda fact: fact[0])
    kernel = compile_model(model)
    begun: list[tuple[int, ClinicalEvent]] = [fact for fact in facts if fact[0] < end]
    return kernel, timeline_of(kernel, {drug: delivered(drug, begun, {}) for drug in model.drugs}), end


def dose_of(regimen: RegimenSpec, model: Model, cycle: int) -> DoseGiven:
    """The dose of a regimen in the cycle of that number, counted from 1970, for the reference patient."""
    unit = UNIT_MS[model.time_unit]
    surface = next((c.reference for c in model.covariates if c.name == "BSA"), 1.0)
    amount = regimen.amount * (surface if regimen.amount_unit == "mg/m2" else 1.0)
    lasts = Quantity(value=regimen.duration * unit / HOUR_MS, unit="h") if regimen.duration else None
    millis = round((regimen.start + cycle * regimen.interval) * unit)
    return DoseGiven(
        event_id=f"{regimen.drug} {millis}",
        patient_id="P-1",
        time=from_millis(millis),
        source="a regimen",
        drug=regimen.drug,
        route=regimen.route,
        amount=Quantity(value=amount, unit="mg"),
        duration=lasts,
    )
