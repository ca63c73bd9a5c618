"""A model's functions of its individuals with the numbers of the population as arguments: nothing of a fit recompiles.

The kernel of `twin.kernel.kernel` has a model's typical values in its code. Only what makes individual parameters reads
them; so for a fit that function is written once more, over *placed* parameters: every parameter j of an individual on
its scale,

    phi_j = h(typical value_j) + effects,     h = log, logit or identity (`scale_of`),

is an argument, and so are the covariates of every particle. Particles of different patients, with different typical
values, are then solved side by side. Everything after it (``advance``, ``timing``) is the kernel's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twin.arrays import Floats
from twin.kernel.codegen import write_covariate_effects, write_initial, write_module, write_system
from twin.kernel.kernel import Kernel, compiled_module
from twin.kernel.source import Lines, Scope
from twin.model.spec import Model, ParameterSpec

Scale = Literal["log", "logit", "identity"]

Function = Callable[..., None]


@dataclass(frozen=True)
class FreeFunctions:
    """Functions of N particles, each with its own covariates (N, C), that write into their last arguments.

    Attributes:
        individual: ``(phi, covariates, par)``: parameters (N, `Kernel.width`) of placed parameters (N, P).
        initial: ``(par, covariates, x, y)``: as `twin.kernel.arguments.InitialStates`.
        system: ``(par, covariates, a, b, c)``: as `twin.kernel.arguments.LinearBlock`.
    """

    individual: Function
    initial: Function
    system: Function


def scale_of(parameter: ParameterSpec) -> Scale:
    """The scale on which a parameter of a population is moved.

    With random effects it is theirs. Without, a number with a unit that is greater than 0 stays so, a fraction that is
    said to be one stays between 0 and 1, and a plain number, as the exponent of a covariate is, may go anywhere.
    """
    if parameter.distribution == "logit":
        return "logit"
    if parameter.distribution == "normal":
        return "identity"
    if parameter.iiv is not None or parameter.iov is not None or parameter.distribution == "box-cox":
        return "log"
    return "log" if parameter.value > 0.0 and parameter.unit != "1" else "identity"


def placed(scale: Scale, value: float) -> float:
    """h(value)."""
    match scale:
        case "log":
            return float(np.log(value))
        case "logit":
            return float(np.log(value / (1.0 - value)))
        case "identity":
            return float(value)


def natural(scale: Scale, place: float) -> float:
    """The value at a place on a scale."""
    match scale:
        case "log":
            return float(np.exp(place))
        case "logit":
            return float(1.0 / (1.0 + np.exp(-place)))
        case "identity":
            return float(place)


def slope(scale: Scale, value: float) -> float:
    """d value / d place."""
    return {"log": value, "logit": value * (1.0 - value), "identity": 1.0}[scale]


def free_functions(kernel: Kernel) -> FreeFunctions:
    """The functions of a kernel's model, compiled once per process and cached on disk."""
    scope = Scope.of(kernel.model, kernel.structure)
    writers = {"individual": _individual, "initial": _initial, "system": _system}
    compiled = {
        name: getattr(compiled_module(f"free_{name}", write_module(write, scope)), name)
        for name, write in writers.items()
    }
    return FreeFunctions(**compiled)


def with_own_individuals(kernel: Kernel) -> Callable[[Floats, Floats, Floats], None]:
    """What a kernel's ``individual`` is called as, for placed parameters (N, P) and one set of covariates (C,)."""
    individual = free_functions(kernel).individual

    def of_one(phi: Floats, covariates: Floats, par: Floats) -> None:
        rows = np.broadcast_to(covariates, (len(phi), len(covariates)))
        individual(np.ascontiguousarray(phi), np.ascontiguousarray(rows), par)

    return of_one


def _individual(lines: Lines, scope: Scope) -> None:
    model: Model = scope.model
    lines.compiled("individual(phi, covariates, par)")
    lines.add(1, "for n in range(phi.shape[0]):", "    cov = covariates[n]")
    scope.bind_covariates(lines, 2)
    for i, parameter in enumerate(model.parameters):
        lines.add(2, f"m_{parameter.name} = {_natural(scale_of(parameter), f'phi[n, {i}]')}")
    write_covariate_effects(lines, scope)


def _natural(scale: Scale, place: str) -> str:
    match scale:
        case "log":
            return f"math.exp({place})"
        case "logit":
            return f"1.0 / (1.0 + math.exp(-{place}))"
        case "identity":
            return place


def _initial(lines: Lines, scope: Scope) -> None:
    write_initial(lines, scope, "initial(par, covariates, x, y)", own=True)


def _system(lines: Lines, scope: Scope) -> None:
    write_system(lines, scope, "system(par, covariates, a, b, c)", own=True)
