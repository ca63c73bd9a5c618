"""Which part of what multiplies an input is a bioavailability, and what it changes of an infusion.

What multiplies an input in an equation, ``F*1000*input(drug)``, makes less or more of every dose. Of an infusion of a
stated rate it may be the rate or the duration that becomes less. NONMEM keeps the rate: an infusion by ``RATE`` lasts
F times as long (NONMEM Help, "F (bioavailability fraction)"). So it is here for doses that say that they keep their
rate (`twin.events.DoseGiven.keeps`), unless the model file has ``bioavailability_changes = "rate"`` for the drug.

A bioavailability is what multiplies an input besides the conversion of its unit: all of it into a state in a unit of
mass, unless that is 1 for everybody; elsewhere those factors whose parameters and covariates have the unit 1.
"""

from __future__ import annotations

import ast

from twin.model.formula import arguments_of, evaluate, names_in
from twin.model.spec import Model, ParameterSpec
from twin.units import AMOUNT_UNIT, UnitError, convert


def fraction_of(call: str, coefficient: ast.expr, state: str, model: Model) -> ast.expr | None:
    """The bioavailability of an input call of ``state``, or ``None`` where it is 1 or changes the rate."""
    drug = arguments_of(call)[1][0]
    if any(each.drug == drug and each.bioavailability_changes == "rate" for each in model.inputs):
        return None
    unit = next(each.unit for each in model.states if each.name == state)
    per_mg = _per_mg(unit) if model.input_scale.get(drug, 1.0) == 1.0 else None
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


def _per_mg(unit: str) -> float | None:
    """How many of a unit of mass make a mg; ``None`` where it is none."""
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
