"""Coefficients of covariates that do to a parameter what its random effect does.

    psi = h(E(typical value, coefficients, covariates)) + eta

holds for a parameter whose formula E leaves an effect what it is on the scale h, as CL*(WT/70)**b does on the
logarithmic one. If all parameters that a coefficient is in are of that kind, and it is read nowhere else, a population
may take another coefficient while individuals stay who they are: what the mean gains their effects lose.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Mapping

from twin.kernel.free import placed, scale_of
from twin.model.formula import is_record, names_in
from twin.model.spec import Model, ParameterSpec
from twin.model.typical import individual_value, value_of

TRIED = (-0.7, 0.4)
"""Effects with which a formula is tried for whether it leaves an effect what it is."""

PATIENTS = (0.77, 1.31)
"""Shares of their references that covariates are tried at too."""

SAME = 1e-7
"""What two numbers that are the same may differ by."""


@functools.lru_cache(maxsize=256)
def movable(model: Model) -> Mapping[str, tuple[str, ...]]:
    """Coefficients by name, in file order, with the parameters that each is in.

    A formula that has no value for the typical patient moves nothing.
    """
    read, found = _read(model), {}
    for parameter in model.parameters:
        if parameter.name in read or parameter.expression is not None or parameter.name in model.effect_names:
            continue
        owners = tuple(
            p for p in model.parameters if p.expression is not None and parameter.name in names_in(p.expression)
        )
        if owners and parameter.drift is None and all(_as_an_effect(model, p) for p in owners):
            found[parameter.name] = tuple(p.name for p in owners)
    return found


def shift(parameter: ParameterSpec, values: Mapping[str, float]) -> float:
    """h(E) - h(typical value) of a parameter of that kind: what its covariates add to its effect.

    ``values`` are those of all that its formula reads beside itself.

    Raises:
        ArithmeticError: the formula has no value there on the parameter's scale.
    """
    assert parameter.expression is not None, "without a formula nothing is added"
    return _psi(parameter, values, 0.0) - placed(scale_of(parameter), parameter.value)


def _psi(parameter: ParameterSpec, values: Mapping[str, float], eta: float) -> float:
    assert parameter.expression is not None
    value = value_of(parameter.expression, {**values, parameter.name: individual_value(parameter, eta)})
    scale = scale_of(parameter)
    if (scale == "log" and value <= 0.0) or (scale == "logit" and not 0.0 < value < 1.0):
        raise ArithmeticError(f"{parameter.name} is {value:g}, which has no place on its scale")
    return placed(scale, value)


def _as_an_effect(model: Model, owner: ParameterSpec) -> bool:
    assert owner.expression is not None
    if owner.iiv is None or owner.shape is not None or any(is_record(node) for node in ast.walk(owner.expression)):
        return False
    others = [p.expression for p in model.parameters if p.expression is not None and p is not owner]
    if any(owner.name in names_in(one) for one in others):
        return False
    read = names_in(owner.expression) - {owner.name}
    plain = {p.name: p.value for p in model.parameters if p.name not in model.effect_names}
    if not read <= {*plain, *(c.name for c in model.covariates)}:
        return False
    # At references alone a formula may look like what it is not.
    patients = ({c.name: part * (c.reference or 1.0) for c in model.covariates} for part in PATIENTS)
    references = {c.name: c.reference for c in model.covariates}
    return _adds_up(owner, plain | references) is True and all(
        _adds_up(owner, plain | patient) is not False for patient in patients
    )


def _adds_up(owner: ParameterSpec, values: Mapping[str, float]) -> bool | None:
    """Whether an effect moves the individual value, on its scale, by itself; ``None`` where there is no value."""
    try:
        here = _psi(owner, values, 0.0)
        return all(math.isclose(_psi(owner, values, move) - here, move, abs_tol=SAME) for move in TRIED)
    except ArithmeticError:
        return None


def _read(model: Model) -> frozenset[str]:
    """What formulas other than covariate effects read."""
    found = [one.expression for one in (*model.derived, *model.terms)]
    found += [output.expression for output in model.outputs]
    found += [formula for state in model.states for formula in (state.initial, state.derivative)]
    found += [formula for output in model.outputs for formula in output.further]
    # Names within the arguments of inputs too, which `names_in` passes by.
    return frozenset(n.id for formula in found for n in ast.walk(formula) if isinstance(n, ast.Name))
