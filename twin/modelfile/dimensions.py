"""Every equation of a model is checked for its units, scale included: mg for ug is as wrong as mg for h.

Units multiply and divide with pint; sums, comparisons and branches need equal ones; ``exp``, ``log``, angles, ``floor``
and powers need plain numbers. ``input(drug)`` is mg per model time unit and ``pulse(drug)`` one per model time unit.

A number written in a formula has no unit of its own, and papers use it in three ways, each read as meant:

``1 - Slope*C``, ``BSA - 1.8``       in a sum it takes the unit of the other term;
``1 + 0.77*(BSA - 1.8)``             as a coefficient in a sum it carries what makes the terms equal (here 1/m2);
``BSA / 1.73``                       below a covariate it is the reference, and the quotient a plain number.

A written 0 makes its product 0 in any unit. Anywhere else a number is a plain one, so that ``4/MTT`` is 1/h. Where
another unit is meant, the number is given a name and a unit under [parameters].
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from twin.model.formula import INPUT_FUNCTIONS, RECORD_FUNCTIONS, arguments_of, evaluate
from twin.model.spec import Model, ModelError
from twin.model.structure import input_calls
from twin.observation.kinds import kind_of
from twin.spellings import canonical_spelling
from twin.units import LARGEST_EXPONENT, UnitError, quantity_of

_CLOSE = 1e-9
"""Two scales closer than this are equal: the rest is rounding of pint's factors."""

LONGEST_QUOTE = 300
"""Characters of a formula that a message quotes."""


class DimensionError(ValueError):
    """Units that do not fit within one formula."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The unit of a part of a formula.

    Attributes:
        unit: as a pint quantity of size one unit; ``None`` for a number without a unit of its own.
        coefficient: the part contains a number as a factor, which may carry a unit where one is needed.
        covariate: the part is a covariate by itself.
    """

    unit: Any | None
    coefficient: bool = False
    covariate: bool = False


def check_dimensions(model: Model, file: str) -> None:
    """Check the units of a model and of all its formulas.

    Raises:
        ModelError: naming ``file``, the key, the two units that do not agree and how to mend it.
    """
    time = quantity_of(model.time_unit)
    env = _environment(model, file)
    for parameter in model.parameters:
        if parameter.expression is not None:
            _agree(file, f"parameters.{parameter.name}.expression", parameter.expression, env, parameter.unit)
    for derived in model.derived:
        _agree(file, f"derived.{derived.name}.expression", derived.expression, env, derived.unit)
    for term in model.terms:
        _agree(file, f"terms.{term.name}.expression", term.expression, env, term.unit)
    own = {kind_of(output).own_state(output) for output in model.outputs}
    own |= {target.state for target in model.targets if target.measure == "time_above"}
    for state in model.states:
        if state.name in own:  # its kind made it, of a formula that is checked below
            continue
        _agree(file, f"states.{state.name}.initial", state.initial, env, state.unit)
        rate = env[state.name].unit / time
        _agree(
            file, f"states.{state.name}.derivative", state.derivative, env, f"{state.unit} per {model.time_unit}", rate
        )
        for call in input_calls(state.derivative):
            for argument, formula in arguments_of(call)[2].items():
                unit = "1" if argument == "n" else model.time_unit
                _agree(file, f"states.{state.name}.derivative", formula, env, unit)
    for output in model.outputs:
        for stated in kind_of(output).stated(output):
            code, wanted = stated.unit, quantity_of(stated.unit)
            if stated.per_time:
                code, wanted = f"{code} per {model.time_unit}", wanted / time
            _agree(file, f"outputs.{output.name}.{stated.key}", stated.expression, env, code, wanted)
    _check_mentions(model, file)


def _environment(model: Model, file: str) -> dict[str, Measure]:
    time = quantity_of(model.time_unit)
    env = {"t": Measure(time), "clock": Measure(quantity_of("h"))}
    env |= {"since": Measure(time), "tad": Measure(time), "span": Measure(time)}
    env |= {"count": Measure(_one()), "after": Measure(_one())}
    env |= {"dose": Measure(quantity_of("mg")), "daily": Measure(quantity_of("mg"))}
    env |= {f"previous({o.name})": Measure(_unit(file, f"outputs.{o.name}.unit", o.unit)) for o in model.outputs}
    for term in model.terms:
        _unit(file, f"terms.{term.name}.unit", term.unit)
    for section, items in (("parameters", model.parameters), ("derived", model.derived), ("states", model.states)):
        env |= {item.name: Measure(_unit(file, f"{section}.{item.name}.unit", item.unit)) for item in items}
    for covariate in model.covariates:
        env[covariate.name] = Measure(_unit(file, f"covariates.{covariate.name}.unit", covariate.unit), covariate=True)
    env["input"] = env["transit"] = Measure(quantity_of("mg") / time)
    env["pulse"] = Measure(1 / time)
    return env


def _check_mentions(model: Model, file: str) -> None:
    """Thresholds are compared with states and outputs as they are, so they must be written in the same unit."""
    states = {state.name: state.unit for state in model.states}
    outputs = {output.name: output.unit for output in model.outputs}
    mentions = [
        (f"targets.{t.name}.unit", t.unit, states[t.state], f"state {t.state}")
        for t in model.targets
        if t.state is not None
    ]
    for t in model.targets:
        if t.measure == "trough":
            shown = next(o for o in model.outputs if ast.dump(o.expression) in ast.dump(t.expression))
            mentions.append((f"targets.{t.name}.unit", t.unit, shown.unit, f"output {shown.name}"))
    mentions += [
        (f"toxicities.{t.name}.unit", t.unit, outputs[t.output], f"output {t.output}") for t in model.toxicities
    ]
    for key, unit, other, name in mentions:
        if not _same(_unit(file, key, unit), quantity_of(other)):
            raise ModelError(file, key, f"is '{unit}', but {name} is in '{other}'; write the limits in '{other}'")
    for regimen in model.regimens:
        bsa = next((c for c in model.covariates if c.name == "BSA"), None)
        if regimen.amount_unit == "mg/m2" and bsa is not None and not _same(quantity_of(bsa.unit), quantity_of("m2")):
            raise ModelError(file, "covariates.BSA.unit", f"is '{bsa.unit}'; doses in mg/m2 need it in 'm2'")


def _unit(file: str, key: str, code: str) -> Any:
    spelled = canonical_spelling(code)
    if spelled != code:
        raise ModelError(file, key, f"'{code}' is not a UCUM code; write '{spelled}'")
    try:
        unit = quantity_of(code)
    except UnitError as error:
        raise ModelError(file, key, str(error)) from None
    if not unit._is_multiplicative:
        raise ModelError(
            file, key, f"'{code}' has its zero elsewhere and cannot be multiplied; use 'K' for temperatures"
        )
    return unit


def _agree(
    file: str, key: str, expression: ast.expr, env: Mapping[str, Measure], code: str, wanted: Any | None = None
) -> None:
    expected = quantity_of(code) if wanted is None else wanted
    try:
        found = measure(expression, env).unit
        fits = found is None or _same(found, expected)
    except DimensionError as error:
        raise ModelError(file, key, str(error)) from None
    except ArithmeticError:  # Scales and exponents that no floating-point number holds.
        problem = f"'{_quoted(expression)}' has a unit that is too large to work out"
        raise ModelError(file, key, f"{problem}; use fewer powers") from None
    if fits or found is None:
        return
    shown = _quoted(expression)
    if found.dimensionality == expected.dimensionality:
        problem = f"'{shown}' is in {_shown(found)}, {_factor_between(found, expected):g} times the declared {code}"
        raise ModelError(
            file, key, f"{problem}; mend a unit, or multiply by a parameter that converts one to the other"
        )
    raise ModelError(file, key, f"'{shown}' is in {_shown(found)}, not in {code}; mend the formula or a unit")


# --- formulas --------------------------------------------------------------------------------------------------------


def measure(node: ast.expr, env: Mapping[str, Measure]) -> Measure:
    """The unit of a formula, names (and ``input``, ``pulse``) taken from ``env``.

    Raises:
        DimensionError: parts that do not fit together, quoted with their units.
    """
    match node:
        case ast.Constant():
            return Measure(None)
        case ast.Name(id=name):
            return env[name]
        case ast.UnaryOp(operand=operand):
            return replace(measure(operand, env), covariate=False)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return _sum(node, measure(left, env), measure(right, env))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            found = _product(measure(left, env), measure(right, env))
            return Measure(None) if _is_zero(left) or _is_zero(right) else found
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _quotient(measure(left, env), measure(right, env))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(left, right, env)
        case ast.Compare(left=left, comparators=[right]):
            return _equal(node, measure(left, env), measure(right, env))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _call(node, function, arguments, env)
    raise TypeError(f"not a parsed formula: {ast.dump(node)}")


def _call(node: ast.expr, function: str, arguments: list[ast.expr], env: Mapping[str, Measure]) -> Measure:
    if function in INPUT_FUNCTIONS or function in RECORD_FUNCTIONS:
        return env[f"previous({ast.unparse(arguments[0])})" if function == "previous" else function]
    if function in ("exp", "log", "sin", "cos", "tanh", "floor"):
        _plain(arguments[0], measure(arguments[0], env), f"the argument of {function}")
        return Measure(_one())
    if function == "sqrt":
        return _raised(measure(arguments[0], env), 0.5)
    if function == "pow":
        return _power(arguments[0], arguments[1], env)
    if function == "where":
        measure(arguments[0], env)
        arguments = arguments[1:]
    found = measure(arguments[0], env)
    for argument in arguments[1:]:
        found = _equal(node, found, measure(argument, env))
    return replace(found, covariate=False)


def _is_zero(node: ast.expr) -> bool:
    """Whether a factor is a written 0: the product is 0 in any unit, as of what a paper switches off, ``0*A``."""
    if isinstance(node, ast.UnaryOp):
        return _is_zero(node.operand)
    return isinstance(node, ast.Constant) and node.value == 0


def _sum(node: ast.expr, left: Measure, right: Measure) -> Measure:
    for number, term in ((left, right), (right, left)):
        # 1 + 0.77*(BSA - 1.8): beside a bare number the coefficient makes its term a number too.
        if number.unit is None and term.unit is not None and term.coefficient and not _is_plain(term.unit):
            return Measure(_one())
    return _equal(node, left, right)


def _equal(node: ast.expr, left: Measure, right: Measure) -> Measure:
    """The common unit of two parts that are added, compared or chosen between."""
    if left.unit is None or right.unit is None:
        return Measure(right.unit if left.unit is None else left.unit, left.coefficient or right.coefficient)
    if _same(left.unit, right.unit):
        return Measure(left.unit, left.coefficient and right.coefficient)
    if left.coefficient and right.coefficient:
        return Measure(_one())
    if left.coefficient or right.coefficient:
        return Measure(right.unit if left.coefficient else left.unit)
    apart = ""
    if left.unit.dimensionality == right.unit.dimensionality:
        apart = f", {_factor_between(right.unit, left.unit):g} times as large"
    shown = f"{_shown(left.unit)} beside {_shown(right.unit)}{apart}"
    raise DimensionError(f"'{_quoted(node)}' puts {shown}; mend the formula or a unit")


def _product(left: Measure, right: Measure) -> Measure:
    if left.unit is None or right.unit is None:
        unit = right.unit if left.unit is None else left.unit
        return Measure(unit, coefficient=unit is not None)
    return Measure(left.unit * right.unit, left.coefficient or right.coefficient)


def _quotient(above: Measure, below: Measure) -> Measure:
    if below.unit is None:
        if above.unit is None:
            return Measure(None)
        return Measure(_one()) if above.covariate else Measure(above.unit, coefficient=True)
    if above.unit is None:
        return Measure(1 / below.unit, coefficient=True)
    return Measure(above.unit / below.unit, above.coefficient or below.coefficient)


def _power(base: ast.expr, exponent: ast.expr, env: Mapping[str, Measure]) -> Measure:
    found, power = measure(base, env), measure(exponent, env)
    if power.unit is None:
        return _raised(found, _number(exponent))
    _plain(exponent, power, "an exponent")
    _plain(base, found, "the base of a power whose exponent is not a number")
    return Measure(_one())


def _number(exponent: ast.expr) -> float:
    try:
        return float(evaluate(exponent, {}))
    except KeyError as error:
        raise DimensionError(f"the exponent '{_quoted(exponent)}' reads {error}; write the number") from None
    except ArithmeticError as error:
        raise DimensionError(f"the exponent '{_quoted(exponent)}' has no value ({error}); mend it") from None


def _raised(base: Measure, power: float) -> Measure:
    if base.unit is None or _is_plain(base.unit):
        return Measure(base.unit, base.coefficient)
    if not abs(power) <= LARGEST_EXPONENT:
        raise DimensionError(f"{_shown(base.unit)} to the power {power:g} is beyond {LARGEST_EXPONENT}; check it")
    return Measure(base.unit**power, base.coefficient)


def _plain(node: ast.expr, found: Measure, role: str) -> None:
    if found.unit is None or found.coefficient or _is_plain(found.unit):
        return
    raise DimensionError(
        f"{role}, '{_quoted(node)}', is in {_shown(found.unit)}; divide it by a reference in that unit"
    )


def _quoted(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."


def _one() -> Any:
    return quantity_of("1")


def _is_plain(unit: Any) -> bool:
    return _same(unit, _one())


def _same(left: Any, right: Any) -> bool:
    if left.dimensionality != right.dimensionality:
        return False
    return abs(_factor_between(left, right) - 1.0) < _CLOSE


def _factor_between(left: Any, right: Any) -> float:
    return float((left / right).to_base_units().magnitude)


def _shown(unit: Any) -> str:
    """A unit for people, close to UCUM: ``mg.h/L``, ``10*9/L``."""
    items = [(_symbol(unit._REGISTRY, name), exponent) for name, exponent in unit.unit_items()]
    above = ".".join(_raised_symbol(symbol, exponent) for symbol, exponent in items if exponent > 0)
    below = "".join("/" + _raised_symbol(symbol, -exponent) for symbol, exponent in items if exponent < 0)
    return (above + below) or "1"


def _symbol(registry: Any, name: str) -> str:
    if name == "_10":
        return "10*"
    symbol = str(registry.get_symbol(name)).replace("µ", "u")
    return symbol[:-1] + "L" if name.endswith("liter") else symbol


def _raised_symbol(symbol: str, exponent: float) -> str:
    return symbol if exponent == 1 else f"{symbol}{exponent:g}"
