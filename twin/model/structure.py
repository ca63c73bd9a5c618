"""Which part of a model can be solved exactly.

The state vector is split in two. The *linear block* holds states whose equations are linear in one another with
coefficients that depend on parameters alone (compartments, effect sites, areas under curves):

    dx/dt = A x + B u(t) + c,       u(t) piecewise constant,

so a step of any length is exact in the eigenbasis of A. The rest, ``dy/dt = f(t, x, y, u)``, is stepped numerically
while the exact x drives it. The split is found from the equations, not declared: a state leaves the block as soon as
its equation needs a state outside it.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

from twin.model.coefficients import coefficient_of
from twin.model.formula import arguments_of, is_input, names_in
from twin.model.linearity import linear_terms
from twin.model.record_functions import record_columns, varies
from twin.model.spec import Model, ModelError, StateSpec


@dataclass(frozen=True, slots=True)
class Equation:
    """One state's derivative: coefficients of linear-block states and of inputs, and what remains."""

    states: dict[str, ast.expr]
    inputs: dict[str, ast.expr]
    rest: ast.expr | None


@dataclass(frozen=True, slots=True)
class Structure:
    """The split of a model.

    Attributes:
        inputs: input calls as written in the equations, e.g. ``input(docetaxel)``.
        enters: states that each of them enters; an input or transit enters one, and those of one text in several states
            have their state as a further argument.
        late: those of them by which a dose enters at another time in every particle (`twin.kernel.delayed_input`).
        fractions: of some of the late ones, the bioavailability that changes how long an infusion of a stated rate
            lasts (`twin.model.coefficients`).
        weights: of some inputs, what multiplies a dose when it is given, whoever takes it; their coefficients in
            ``equations`` are without it (`twin.model.coefficients`).
        unweighed: what is computed for each individual besides `Model.individual_names`: covariate effects without
            what is in a weight, by the names that coefficients have for them.
        linear: names of the states of the linear block, in model order.
        stepped: names of the other states.
        equations: by state; for stepped states ``states`` is empty and ``rest`` is everything but the inputs.
        drivers: linear states that stepped equations read.
        growing: stepped states with dy/dt = g y (a population of cells), which are stepped as log y: killing then
            only shifts the logarithm, so that no dose, however large, makes a step unstable or a count negative. Their
            ``rest`` is g.
        record: functions of the patient's record that formulas call (`twin.model.record_functions`).
    """

    inputs: tuple[str, ...]
    enters: Mapping[str, tuple[str, ...]]
    late: tuple[str, ...]
    fractions: Mapping[str, ast.expr]
    weights: Mapping[str, ast.expr]
    unweighed: Mapping[str, ast.expr]
    linear: tuple[str, ...]
    stepped: tuple[str, ...]
    equations: dict[str, Equation]
    drivers: tuple[str, ...]
    growing: frozenset[str]
    record: tuple[str, ...]


@functools.lru_cache(maxsize=1024)
def input_calls(expression: ast.expr) -> tuple[str, ...]:
    """Calls of what enters in an expression, as source text, each once, in an order that the formula fixes."""
    return tuple(dict.fromkeys(ast.unparse(node) for node in ast.walk(expression) if is_input(node)))


def analyse(model: Model, keep_stepped: Iterable[str] = ()) -> Structure:
    """Split the model's states; states named in ``keep_stepped`` are stepped even when linear.

    Raises:
        ModelError: an input enters an equation nonlinearly, or scaled by a state.
    """
    names = [state.name for state in model.states]
    states = _told_apart(model)
    enters: dict[str, tuple[str, ...]] = {}
    for state in states:
        for call in input_calls(state.derivative):
            enters[call] = (*enters.get(call, ()), state.name)
    inputs = tuple(enters)
    kept = set(keep_stepped)
    equations = _linear_block([state for state in states if state.name not in kept], inputs, frozenset(names))
    linear = list(equations)
    chosen = dict(equations)
    growing: set[str] = set()
    for state in states:
        if state.name not in chosen:
            rate = _growth_rate(state.name, state.derivative)
            if rate is not None:
                growing.add(state.name)
                chosen[state.name] = Equation({}, {}, rate)
            else:
                chosen[state.name] = _stepped_equation(model, state.name, state.derivative, inputs, frozenset(names))
    stepped = tuple(name for name in names if name not in linear)
    read: set[str] = set()
    for name in stepped:
        rest = chosen[name].rest
        read |= names_in(rest) if rest is not None else frozenset()
    drivers = tuple(name for name in linear if name in read)
    fractions: dict[str, ast.expr] = {}
    weights: dict[str, ast.expr] = {}
    unweighed: dict[str, ast.expr] = {}
    for call, (entered, *others) in enters.items():
        equation = chosen[entered]
        if others or call not in equation.inputs:
            continue
        found = coefficient_of(call, equation.inputs[call], entered, model)
        chosen[entered] = replace(equation, inputs={**equation.inputs, call: found.value})
        fractions |= {} if found.fraction is None else {call: found.fraction}
        weights |= {} if found.weight is None else {call: found.weight}
        unweighed |= found.unweighed
    return Structure(
        inputs=inputs,
        enters=enters,
        late=tuple(call for call in inputs if arguments_of(call)[2] or call in fractions),
        fractions=fractions,
        weights=weights,
        unweighed=unweighed,
        linear=tuple(linear),
        stepped=stepped,
        equations=chosen,
        drivers=drivers,
        growing=frozenset(growing),
        record=record_columns(model),
    )


def _linear_block(states: list[StateSpec], inputs: tuple[str, ...], everything: frozenset[str]) -> dict[str, Equation]:
    """The equations of the states that are linear in one another, by name in model order.

    A state that leaves concerns only those whose equations read it, so that only these are looked at again.
    """
    linear = {state.name: state for state in states}
    reads = {state.name: names_in(state.derivative) for state in states}
    found: dict[str, Equation] = {}
    waiting = list(linear)
    while waiting:
        block = frozenset(linear)
        left: set[str] = set()
        for name in waiting:
            equation = _linear_equation(linear[name].derivative, block, inputs, everything)
            if equation is None:
                left.add(name)
            else:
                found[name] = equation
        for name in left:
            del linear[name]
        waiting = [name for name in linear if reads[name] & left]
    return {name: found[name] for name in linear}


def _told_apart(model: Model) -> list[StateSpec]:
    """The states, with derivatives in which inputs of one text in several states have their state as an argument."""
    found = Counter(call for state in model.states for call in input_calls(state.derivative))
    shared = {call for call, states in found.items() if states > 1 and not call.startswith("pulse(")}
    if not shared:
        return list(model.states)
    return [
        replace(state, derivative=_WithState(state.name, shared).visit(deepcopy(state.derivative)))
        for state in model.states
    ]


class _WithState(ast.NodeTransformer):
    """Makes the calls ``shared`` say their state."""

    def __init__(self, state: str, shared: Container[str]) -> None:
        self.state = state
        self.shared = shared

    def visit_Call(self, node: ast.Call) -> ast.Call:
        if ast.unparse(node) in self.shared:
            node.keywords = [*node.keywords, ast.keyword("into", ast.Name(self.state))]
        return node


def _linear_equation(
    derivative: ast.expr, linear: frozenset[str], inputs: tuple[str, ...], states: frozenset[str]
) -> Equation | None:
    terms = linear_terms(derivative, linear | frozenset(inputs))
    if terms is None:
        return None
    if any(call.startswith("transit(") for call in terms):
        return None  # A flow that rises and falls with time is no piecewise constant input.
    if any(name in states or varies(name) for coefficient in terms.values() for name in names_in(coefficient)):
        return None
    return Equation(
        {name: terms[name] for name in terms if name in linear},
        {name: terms[name] for name in terms if name in inputs},
        terms.get(""),
    )


def _growth_rate(name: str, derivative: ast.expr) -> ast.expr | None:
    """g of a derivative of the form g * state, or None."""
    if input_calls(derivative):
        return None
    terms = linear_terms(derivative, frozenset({name}))
    return terms[name] if terms is not None and set(terms) == {name} else None


def _stepped_equation(
    model: Model, name: str, derivative: ast.expr, inputs: tuple[str, ...], states: frozenset[str]
) -> Equation:
    if not input_calls(derivative):
        return Equation({}, {}, derivative)
    terms = linear_terms(derivative, frozenset(inputs))
    key = f"states.{name}.derivative"
    if terms is None:
        raise ModelError(model.id, key, "an input must enter as 'coefficient * input(drug)'; move it out of functions")
    rest = terms.get("")
    entries = {call: coefficient for call, coefficient in terms.items() if call}
    for call, coefficient in entries.items():
        if any(other in states or varies(other) for other in names_in(coefficient)):
            written = call.replace(f", into={name}", "")
            problem = f"the coefficient of {written} depends on a state or on the time; it may use parameters only"
            raise ModelError(model.id, key, problem)
    return Equation({}, entries, rest)
