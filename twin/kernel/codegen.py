"""Python source of a model's kernel.

For every model these functions are generated as Python source, each a module of its own, and compiled with ``nogil``:

``individual``   individual parameters: effects, then covariate effects; eta (N, E) are the effects of
                 `Model.effect_names` as they stand at one time;
``initial``      initial states;
``system``       the linear block dx/dt = A x + B u + c of `twin.model.structure`;
``timing``       lags, durations, transit steps and bioavailabilities of the inputs of `twin.kernel.delayed_input`;
``advance``      particles through a schedule of steps;
``weigh``        what doses are multiplied by when they are given (`twin.model.coefficients`), where any are.

`twin.kernel.arguments` says what each is called with. ``advance`` is the work of `twin.kernel.loops.stepper`, of
`twin.kernel.loops.delayed_stepper` where doses enter late, or of `twin.kernel.loops.rosenbrock` where equations are
stiff (`twin.kernel.stiffness`). No fast-math: the same history gives the same bytes.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Container, Sequence

from twin.kernel.loops.delayed_stepper import write_late_advance
from twin.kernel.loops.rosenbrock import write_implicit
from twin.kernel.loops.stabilised import write_stabilised
from twin.kernel.loops.stepper import IMPORTS, write_advance
from twin.kernel.source import Lines, Scope
from twin.model.coefficients import given_names
from twin.model.formula import arguments_of
from twin.model.spec import Model, ParameterSpec
from twin.model.structure import Structure

GENERATOR = 10
"""Raise when the generated code changes meaning, so that cached kernels are not reused."""

Writer = Callable[[Lines, Scope], None]
"""Adds a function to a module."""


def generate(
    model: Model, structure: Structure, *, implicit: bool = False, only: Container[str] | None = None
) -> dict[str, str]:
    """Python source of each function of the model's kernel (see the module docstring): a module of its own.

    Args:
        implicit: step as stiff equations ask for; not with doses that enter late.
        only: names of the functions that are wanted; all when not said.
    """
    writers: dict[str, Writer] = {
        "individual": _individual,
        "initial": _initial,
        "system": _system,
        "timing": _timing,
        "advance": write_implicit if implicit else write_late_advance if structure.late else write_advance,
    }
    if structure.weights:
        writers["weigh"] = _weigh
    scope = Scope.of(model, structure)
    return {name: write_module(write, scope) for name, write in writers.items() if only is None or name in only}


def generate_stabilised(model: Model, structure: Structure) -> str:
    """Source of a module with another ``advance``, for long steps (`twin.kernel.loops.stabilised`)."""
    return write_module(write_stabilised, Scope.of(model, structure))


def write_module(write: Writer, scope: Scope) -> str:
    """Source of a module with one function: its head, and what ``write`` adds.

    Nothing stands in it that the function is not made of: models that differ elsewhere share what was compiled.
    """
    lines = Lines()
    lines.add(0, f'"""Generated from a model; generator {GENERATOR}."""', "import math", "")
    lines.add(0, IMPORTS[0], "from numba import njit", *IMPORTS[1:], "", "")
    write(lines, scope)
    return lines.text()


def _for_each_particle(lines: Lines, signature: str, scope: Scope, body: Sequence[str], own: bool = False) -> None:
    """A function over the particles of ``par``, with local variables for what its body reads of one of them.

    Covariates are those of all, or each particle's ``own``.
    """
    read = {node.id for node in ast.walk(ast.parse("\n".join(body))) if isinstance(node, ast.Name)}
    lines.compiled(signature)
    if not own:
        scope.bind_covariates(lines)
    lines.add(1, "for n in range(par.shape[0]):")
    if own:
        lines.add(2, "cov = covariates[n]")
        scope.bind_covariates(lines, 2)
    lines.add(2, *(f"m_{name} = par[n, {i}]" for i, name in enumerate(scope.individual) if f"m_{name}" in read))
    lines.add(2, *body, "pass")


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
    write_covariate_effects(lines, scope)


def write_covariate_effects(lines: Lines, scope: Scope) -> None:
    """Add what makes the columns of ``par`` of each parameter's value before covariate effects."""
    model = scope.model
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
    write_initial(lines, scope, "initial(par, cov, x, y)")


def write_initial(lines: Lines, scope: Scope, signature: str, *, own: bool = False) -> None:
    """Add the function of initial states; particles have their ``own`` covariates, or share them."""
    structure = scope.structure
    initial = {state.name: scope.source(state.initial) for state in scope.model.states}
    body = [f"x[n, {i}] = {initial[name]}" for i, name in enumerate(structure.linear)]
    for i, name in enumerate(structure.stepped):
        if name in structure.growing:
            body += [f"q = {initial[name]}", f"y[n, {i}] = math.log(q) if q > 0.0 else -math.inf"]
        else:
            body.append(f"y[n, {i}] = {initial[name]}")
    _for_each_particle(lines, signature, scope, body, own)


def _system(lines: Lines, scope: Scope) -> None:
    write_system(lines, scope, "system(par, cov, a, b, c)")


def write_system(lines: Lines, scope: Scope, signature: str, *, own: bool = False) -> None:
    """Add the function of the linear block; particles have their ``own`` covariates, or share them."""
    structure, body = scope.structure, []
    for row, name in enumerate(structure.linear):
        equation = structure.equations[name]
        for column, other in enumerate(structure.linear):
            if other in equation.states:
                body.append(f"a[n, {row}, {column}] = {scope.source(equation.states[other])}")
        for column, call in enumerate(structure.inputs):
            if call in equation.inputs:
                body.append(f"b[n, {row}, {column}] = {scope.source(equation.inputs[call])}")
        if equation.rest is not None:
            body.append(f"c[n, {row}] = {scope.source(equation.rest)}")
    _for_each_particle(lines, signature, scope, body, own)


def _timing(lines: Lines, scope: Scope) -> None:
    structure, body = scope.structure, []
    for column, call in enumerate(structure.late):
        formulas = arguments_of(call)[2]
        second = formulas.get("n", formulas.get("duration"))
        numbers = (formulas.get("lag"), second, formulas.get("mtt"), structure.fractions.get(call))
        for i, formula in enumerate(numbers):
            body.append(f"out[n, {column}, {i}] = {'0.0' if formula is None else scope.source(formula)}")
    _for_each_particle(lines, "timing(par, cov, out)", scope, body)


def _weigh(lines: Lines, scope: Scope) -> None:
    model, structure, known = scope.model, scope.structure, given_names(scope.model)
    lines.compiled("weigh(covariates, weight)")
    lines.add(1, "for e in range(covariates.shape[0]):", "    cov = covariates[e]")
    scope.bind_covariates(lines, 2)
    lines.add(2, *(f"m_{p.name} = {float(p.value)!r}" for p in model.parameters if p.name in known))
    lines.add(2, *(f"m_{d.name} = {scope.source(d.expression)}" for d in model.derived if d.name in known))
    for call, formula in structure.weights.items():
        lines.add(2, f"weight[e, {structure.inputs.index(call)}] = {scope.source(formula)}")
