"""Python source of a model's kernel module.

For every model these functions are generated as Python source and compiled with ``nogil``:

``individual``   individual parameters: effects, then covariate effects; eta (N, E) are the effects of
                 `Model.effect_names` as they stand at one time;
``initial``      initial states;
``system``       the linear block dx/dt = A x + B u + c of `twin.model.structure`;
``timing``       lags, durations, transit steps and bioavailabilities of the inputs of `twin.kernel.delayed_input`;
``advance``      particles through a schedule of steps;
``weigh``        what doses are multiplied by when they are given (`twin.model.coefficients`), where any are.

`twin.kernel.arguments` says what each is called with. ``advance`` is the work of `twin.kernel.loops.stepper`, or of
`twin.kernel.loops.delayed_stepper` where doses enter late. No fast-math: the same history gives the same bytes.
"""

from __future__ import annotations

import math

from twin.kernel.loops.delayed_stepper import write_late_advance
from twin.kernel.loops.stabilised import write_stabilised
from twin.kernel.loops.stepper import IMPORTS, write_advance
from twin.kernel.source import Lines, Scope
from twin.model.coefficients import given_names
from twin.model.formula import arguments_of
from twin.model.spec import Model, ParameterSpec
from twin.model.structure import Structure

GENERATOR = 10
"""Raise when the generated code changes meaning, so that cached kernels are not reused."""


def generate(model: Model, structure: Structure) -> str:
    """Python source of the model's kernel module (see the module docstring for what it defines)."""
    lines, scope = _begun(model), Scope.of(model, structure)
    _individual(lines, scope)
    _initial(lines, scope)
    _system(lines, scope)
    _timing(lines, scope)
    write = write_late_advance if structure.late else write_advance
    write(lines, scope)
    if structure.weights:
        _weigh(lines, scope)
    return lines.text()


def generate_stabilised(model: Model, structure: Structure) -> str:
    """Source of a module with another ``advance`` alone, for long steps (`twin.kernel.loops.stabilised`)."""
    lines = _begun(model)
    write_stabilised(lines, Scope.of(model, structure))
    return lines.text()


def _begun(model: Model) -> Lines:
    """The head of a module."""
    lines = Lines()
    # Nothing that a model file says in words stands in the source, only its hash.
    lines.add(0, f'"""Generated from model {model.hash}; generator {GENERATOR}."""', "import math", "")
    lines.add(0, IMPORTS[0], "from numba import njit", *IMPORTS[1:], "", "")
    return lines


def _for_each_particle(lines: Lines, signature: str, scope: Scope) -> None:
    """Head of a function over the particles of ``par``, down to local variables for one of them."""
    lines.compiled(signature)
    scope.bind_covariates(lines)
    lines.add(1, "for n in range(par.shape[0]):")
    lines.add(2, *(f"m_{name} = par[n, {i}]" for i, name in enumerate(scope.individual)))


def _individual(lines: Lines, scope: Scope) -> None:
    model = scope.model
    lines.compiled("individual(eta, cov, par)")
    scope.bind_covariates(lines)
    lines.add(1, "for n in range(eta.shape[0]):")
    for p in model.parameters:
        value = repr(float(p.value))
        if p.name in model.effect_names:
            value = _with_eta(p, f"eta[n, {model.effect_names.index(p.name)}]")
        lines.add(2, f"m_{p.name} = {value}")
    # Covariate effects come after all typical values, so that an effect may read any of them.
    for p in model.parameters:
        if p.expression is not None:
            lines.add(2, f"i_{p.name} = {scope.source(p.expression)}")
    lines.add(2, *(f"m_{name} = {scope.source(formula)}" for name, formula in scope.structure.unweighed.items()))
    for p in model.parameters:
        if p.expression is not None:
            lines.add(2, f"m_{p.name} = i_{p.name}")
    for d in model.derived:
        lines.add(2, f"m_{d.name} = {scope.source(d.expression)}")
    lines.add(2, *(f"par[n, {i}] = m_{name}" for i, name in enumerate(scope.individual)), "pass")
    lines.add(0, "", "")


def _with_eta(parameter: ParameterSpec, eta: str) -> str:
    """Source of the individual value before covariate effects (`twin.model.typical.individual_value`, as code)."""
    value, shape = repr(float(parameter.value)), parameter.shape
    match parameter.distribution:
        case "log-normal":
            return f"{value} * math.exp({eta})"
        case "normal":
            return f"{value} + {eta}"
        case "logit":
            return f"1.0 / (1.0 + math.exp(-({math.log(parameter.value / (1.0 - parameter.value))!r} + {eta})))"
        case "box-cox":
            return f"{value} * math.exp(math.expm1({shape!r} * {eta}) / {shape!r})"


def _initial(lines: Lines, scope: Scope) -> None:
    structure = scope.structure
    _for_each_particle(lines, "initial(par, cov, x, y)", scope)
    initial = {state.name: scope.source(state.initial) for state in scope.model.states}
    lines.add(2, *(f"x[n, {i}] = {initial[name]}" for i, name in enumerate(structure.linear)))
    for i, name in enumerate(structure.stepped):
        if name in structure.growing:
            lines.add(2, f"q = {initial[name]}", f"y[n, {i}] = math.log(q) if q > 0.0 else -math.inf")
        else:
            lines.add(2, f"y[n, {i}] = {initial[name]}")
    lines.add(0, "", "")


def _system(lines: Lines, scope: Scope) -> None:
    structure = scope.structure
    _for_each_particle(lines, "system(par, cov, a, b, c)", scope)
    for row, name in enumerate(structure.linear):
        equation = structure.equations[name]
        for column, other in enumerate(structure.linear):
            if other in equation.states:
                lines.add(2, f"a[n, {row}, {column}] = {scope.source(equation.states[other])}")
        for column, call in enumerate(structure.inputs):
            if call in equation.inputs:
                lines.add(2, f"b[n, {row}, {column}] = {scope.source(equation.inputs[call])}")
        if equation.rest is not None:
            lines.add(2, f"c[n, {row}] = {scope.source(equation.rest)}")
    lines.add(2, "pass")
    lines.add(0, "", "")


def _timing(lines: Lines, scope: Scope) -> None:
    structure = scope.structure
    _for_each_particle(lines, "timing(par, cov, out)", scope)
    for column, call in enumerate(structure.late):
        formulas = arguments_of(call)[2]
        second = formulas.get("n", formulas.get("duration"))
        numbers = (formulas.get("lag"), second, formulas.get("mtt"), structure.fractions.get(call))
        for i, formula in enumerate(numbers):
            lines.add(2, f"out[n, {column}, {i}] = {'0.0' if formula is None else scope.source(formula)}")
    lines.add(2, "pass")
    lines.add(0, "", "")


def _weigh(lines: Lines, scope: Scope) -> None:
    model, structure, known = scope.model, scope.structure, given_names(scope.model)
    lines.add(0, "", "")
    lines.compiled("weigh(covariates, weight)")
    lines.add(1, "for e in range(covariates.shape[0]):", "    cov = covariates[e]")
    scope.bind_covariates(lines, 2)
    lines.add(2, *(f"m_{p.name} = {float(p.value)!r}" for p in model.parameters if p.name in known))
    lines.add(2, *(f"m_{d.name} = {scope.source(d.expression)}" for d in model.derived if d.name in known))
    for call, formula in structure.weights.items():
        lines.add(2, f"weight[e, {structure.inputs.index(call)}] = {scope.source(formula)}")
