"""Python source of a model's kernel module.

For every model these functions are generated as Python source and compiled with ``nogil``:

``individual(eta, covariates, par)``   individual parameters: effects, then covariate effects; eta (N, E) are the
                                       effects of `Model.effect_names` as they stand at one time;
``system(par, covariates, A, B, c)``   the linear block dx/dt = A x + B u + c of `twin.model.structure`;
``timing(par, covariates, timing)``    lags, durations and transit steps of the inputs of `twin.kernel.delayed_input`;
``advance(...)``                       particles through a schedule of steps.

The last is the work of `twin.kernel.stepper`, or of `twin.kernel.delayed_stepper` where doses enter late. No fast-math:
the same history gives the same bytes.
"""

from __future__ import annotations

import math

from twin.kernel.delayed_stepper import LATE_SIGNATURE, write_late_advance
from twin.kernel.stepper import IMPORTS, SIGNATURE, Lines, bind_covariates, local_names, write_advance
from twin.model.formula import arguments_of, to_source
from twin.model.spec import Model, ParameterSpec
from twin.model.structure import Structure

GENERATOR = 8
"""Raise when the generated code changes meaning, so that cached kernels are not reused."""


def generate(model: Model, structure: Structure) -> str:
    """Python source of the model's kernel module (see the module docstring for what it defines)."""
    lines = Lines()
    lines.add(0, f'"""Generated from {model.id} ({model.hash}); generator {GENERATOR}."""', "import math", "")
    lines.add(0, IMPORTS[0], "from numba import njit", *IMPORTS[1:], "", "")
    _individual(lines, model)
    _initial(lines, model, structure)
    _system(lines, model, structure)
    _timing(lines, model, structure)
    if structure.late:
        _head(lines, LATE_SIGNATURE)
        write_late_advance(lines, model, structure)
    else:
        _head(lines, SIGNATURE)
        write_advance(lines, model, structure)
    return lines.text()


def _for_each_particle(lines: Lines, signature: str, model: Model) -> None:
    """Head of a function over the particles of ``par``, down to local variables for one of them."""
    _head(lines, signature)
    bind_covariates(lines, model)
    lines.add(1, "for n in range(par.shape[0]):")
    lines.add(2, *(f"m_{name} = par[n, {i}]" for i, name in enumerate(model.individual_names)))


def _head(lines: Lines, signature: str) -> None:
    lines.add(0, "@njit(nogil=True, cache=True, error_model='numpy')", f"def {signature}:")


def _individual(lines: Lines, model: Model) -> None:
    _head(lines, "individual(eta, cov, par)")
    bind_covariates(lines, model)
    lines.add(1, "for n in range(eta.shape[0]):")
    rename = local_names(model)
    for p in model.parameters:
        value = repr(float(p.value))
        if p.name in model.effect_names:
            value = _with_eta(p, f"eta[n, {model.effect_names.index(p.name)}]")
        lines.add(2, f"m_{p.name} = {value}")
    # Covariate effects come after all typical values, so that an effect may read any of them.
    for p in model.parameters:
        if p.expression is not None:
            lines.add(2, f"i_{p.name} = {to_source(p.expression, rename)}")
    for p in model.parameters:
        if p.expression is not None:
            lines.add(2, f"m_{p.name} = i_{p.name}")
    for d in model.derived:
        lines.add(2, f"m_{d.name} = {to_source(d.expression, rename)}")
    lines.add(2, *(f"par[n, {i}] = m_{name}" for i, name in enumerate(model.individual_names)), "pass")
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


def _initial(lines: Lines, model: Model, structure: Structure) -> None:
    _for_each_particle(lines, "initial(par, cov, x, y)", model)
    rename = local_names(model)
    initial = {state.name: to_source(state.initial, rename) for state in model.states}
    lines.add(2, *(f"x[n, {i}] = {initial[name]}" for i, name in enumerate(structure.linear)))
    for i, name in enumerate(structure.stepped):
        if name in structure.growing:
            lines.add(2, f"q = {initial[name]}", f"y[n, {i}] = math.log(q) if q > 0.0 else -math.inf")
        else:
            lines.add(2, f"y[n, {i}] = {initial[name]}")
    lines.add(0, "", "")


def _system(lines: Lines, model: Model, structure: Structure) -> None:
    _for_each_particle(lines, "system(par, cov, a, b, c)", model)
    rename = local_names(model)
    for row, name in enumerate(structure.linear):
        equation = structure.equations[name]
        for column, other in enumerate(structure.linear):
            if other in equation.states:
                lines.add(2, f"a[n, {row}, {column}] = {to_source(equation.states[other], rename)}")
        for column, call in enumerate(structure.inputs):
            if call in equation.inputs:
                lines.add(2, f"b[n, {row}, {column}] = {to_source(equation.inputs[call], rename)}")
        if equation.rest is not None:
            lines.add(2, f"c[n, {row}] = {to_source(equation.rest, rename)}")
    lines.add(2, "pass")
    lines.add(0, "", "")


def _timing(lines: Lines, model: Model, structure: Structure) -> None:
    _for_each_particle(lines, "timing(par, cov, out)", model)
    rename = local_names(model)
    for column, call in enumerate(structure.late):
        formulas = arguments_of(call)[2]
        second = formulas.get("n", formulas.get("duration"))
        for i, formula in enumerate((formulas.get("lag"), second, formulas.get("mtt"))):
            lines.add(2, f"out[n, {column}, {i}] = {'0.0' if formula is None else to_source(formula, rename)}")
    lines.add(2, "pass")
    lines.add(0, "", "")
