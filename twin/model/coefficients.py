"""What multiplies an input in an equation, ``F*1000*input(drug)``, taken apart.

A *bioavailability* makes less or more of every dose. Of an infusion of a stated rate it may be the rate or the duration
that becomes less. NONMEM keeps the rate: an infusion by ``RATE`` lasts F times as long (NONMEM Help, "F
(bioavailability fraction)"). So it is here for doses that say that they keep their rate
(`twin.events.DoseGiven.keeps`), unless the model file has ``bioavailability_changes = "rate"`` for the drug. It is what
multiplies an input besides the conversion of its unit: all of it into a state in a unit of mass, unless that is 1 for
everybody; elsewhere those factors whose parameters and covariates have the unit 1.

A *weight* is the part that is known of a dose when it is given, whoever takes it: factors that ask the record, such as
``exp(-k*span(drug))``, and read nothing else but covariates and what is the same in everybody. A dose is multiplied by
its weight before it enters, so that what is another number for each dose leaves the equations as they are: they are
solved as one from the first dose to the last.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from twin.model.formula import ExpressionError, arguments_of, evaluate, is_record, names_in
from twin.model.spec import Model, ParameterSpec
from twin.model.terms import Terms
from twin.units import AMOUNT_UNIT, UnitError, convert


class Coefficient(NamedTuple):
    """What multiplies an input call: ``value`` times ``weight``.

    Attributes:
        value: what every patient has of their own, and all that has no weight.
        weight: what is known of a dose when it is given; ``None``: nothing.
        fraction: the bioavailability that changes how long an infusion of a stated rate lasts, but for the weight;
            ``None`` where it is 1 or changes the rate.
        unweighed: covariate effects of parameters without the part that is in the weight, by the names that stand for
            them in ``value`` and ``fraction``, which no model has.
    """

    value: ast.expr
    weight: ast.expr | None
    fraction: ast.expr | None
    unweighed: Mapping[str, ast.expr] = MappingProxyType({})


def coefficient_of(call: str, multiplier: ast.expr, state: str, model: Model) -> Coefficient:
    """What multiplies an input call of ``state``, taken apart."""
    fraction = _fraction_of(call, multiplier, state, model)
    parts = _weighed(multiplier, model)
    if parts is None:
        return Coefficient(multiplier, None, fraction)
    if fraction is None:
        return parts
    if _per_mg_of(call, state, model) is None:
        # Only some of the factors are a bioavailability, perhaps only some of the weight: the equations keep them all.
        return Coefficient(multiplier, None, fraction)
    return parts._replace(fraction=_fraction_of(call, parts.value, state, model) or ast.Constant(1.0))


# --- the weight ------------------------------------------------------------------------------------------------------


def given_names(model: Model) -> frozenset[str]:
    """What a weight may read besides the record: covariates, parameters that are the same in everybody, and values
    derived of those."""
    found = {c.name for c in model.covariates} | {p.name for p in model.parameters if _is_fixed(p)}
    for derived in model.derived:
        if names_in(derived.expression) <= found:
            found.add(derived.name)
    return frozenset(found)


def _weighed(multiplier: ast.expr, model: Model) -> Coefficient | None:
    """What multiplies an input, without its bioavailability; ``None`` where it is no product with a weight."""
    effects = {p.name: p.expression for p in model.parameters if p.expression is not None and _asks(p.expression)}
    written = _written_out(multiplier, frozenset(effects), model)
    if written is None:
        return None
    value: list[ast.expr] = []
    weight: list[ast.expr] = []
    unweighed: dict[str, ast.expr] = {}
    for factor in _factors(written):
        if isinstance(factor, ast.Name) and factor.id in effects:
            parts = _factors(effects[factor.id])
            own = f"0{factor.id}"
            unweighed[own] = _product([part for part in parts if not _asks(part)]) or ast.Constant(1.0)
            value.append(ast.Name(own, ast.Load()))
            weight += [part for part in parts if _asks(part)]
        else:
            (weight if _asks(factor) else value).append(factor)
    known = given_names(model)
    asked = _product(weight)
    if asked is None or any(name not in known for name in names_in(asked) if "(" not in name):
        return None
    if any(names_in(factor) & effects.keys() for factor in value):
        return None
    return Coefficient(_product(value) or ast.Constant(1.0), asked, None, unweighed)


def _written_out(multiplier: ast.expr, asking: frozenset[str], model: Model) -> ast.expr | None:
    """The formula with the derived values written out that ask the record, themselves or by parameters ``asking``;
    ``None`` where it would be too large."""
    terms = Terms()
    try:
        for derived in model.derived:
            if _asks(derived.expression) or names_in(derived.expression) & {*asking, *terms}:
                terms.add(derived.name, terms.written_out(derived.expression))
        return terms.written_out(multiplier)
    except ExpressionError:
        return None


def _asks(formula: ast.expr) -> bool:
    return any(is_record(node) for node in ast.walk(formula))


# --- the bioavailability ---------------------------------------------------------------------------------------------


def _fraction_of(call: str, coefficient: ast.expr, state: str, model: Model) -> ast.expr | None:
    """The bioavailability of an input call of ``state``, or ``None`` where it is 1 or changes the rate."""
    drug = arguments_of(call)[1][0]
    if not call.startswith("input("):
        return None
    if any(each.drug == drug and each.bioavailability_changes == "rate" for each in model.inputs):
        return None
    per_mg = _per_mg_of(call, state, model)
    if per_mg is not None:
        fixed = {p.name: p.value for p in model.parameters if _is_fixed(p)}
        if names_in(coefficient) <= fixed.keys():
            value = float(evaluate(coefficient, fixed)) / per_mg
            return None if abs(value - 1.0) < 1e-9 else ast.Constant(value)
        return coefficient if per_mg == 1.0 else ast.BinOp(coefficient, ast.Div(), ast.Constant(per_mg))
    units = {each.name: each.unit for each in model.parameters} | {each.name: each.unit for each in model.covariates}
    units |= {each.name: each.unit for each in model.derived}
    plain = {name for name, unit in units.items() if unit == "1"}
    return _product([factor for factor in _factors(coefficient) if _is_plain(factor, plain)])


def _is_fixed(parameter: ParameterSpec) -> bool:
    """Whether it is the same in everybody."""
    return parameter.expression is None and not (parameter.iiv or parameter.iov or parameter.drift)


def _per_mg_of(call: str, state: str, model: Model) -> float | None:
    """How many of a state's unit a mg of an input is; ``None`` where it is no unit of mass, or a dose is scaled."""
    if model.input_scale.get(arguments_of(call)[1][0], 1.0) != 1.0:
        return None
    unit = next(each.unit for each in model.states if each.name == state)
    try:
        return convert(1.0, AMOUNT_UNIT, unit)
    except UnitError:
        return None


def _factors(expression: ast.expr) -> list[ast.expr]:
    """What a product is made of; what divides it as 1 over that."""
    match expression:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return [*_factors(left), *_factors(right)]
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return [*_factors(left), *(ast.BinOp(ast.Constant(1.0), ast.Div(), each) for each in _factors(right))]
    return [expression]


def _is_plain(factor: ast.expr, plain: set[str]) -> bool:
    names = names_in(factor)
    return bool(names) and names <= plain


def _product(factors: list[ast.expr]) -> ast.expr | None:
    if not factors:
        return None
    found = factors[0]
    for factor in factors[1:]:
        found = ast.BinOp(found, ast.Mult(), factor)
    return found
