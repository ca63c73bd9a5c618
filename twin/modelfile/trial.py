"""A model file is tried on its typical patient: the last check, which units cannot make.

Formulas that divide by nothing or take the logarithm of a negative number would give every patient NaN.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from twin.model.formula import CLOCKS
from twin.model.spec import Model, ModelError
from twin.model.typical import typical_values, value_of
from twin.observation.kinds import kind_of

_MEND = "look for a division by zero, or a root, power or logarithm of a negative number"


def check_typical(model: Model, file: str) -> None:
    """Check that every formula has a value for the typical patient.

    Raises:
        ModelError: naming the formula that has none.
    """
    constants: dict[str, float] = {}
    try:
        constants = typical_values(model)
    except (ArithmeticError, ValueError) as error:
        raise ModelError(file, "parameters", f"have no value for the typical patient ({error}); {_MEND}") from None
    for parameter in model.parameters:
        found, kind = constants[parameter.name], parameter.distribution
        key = f"parameters.{parameter.name}.expression"
        if parameter.name in model.effect_names and kind in ("log-normal", "box-cox") and found <= 0:
            raise ModelError(file, key, f"gives {found:g} for the typical patient; a {kind} parameter is above 0")
    start = constants | dict.fromkeys(CLOCKS, 0.0)
    start |= {s.name: _checked(file, f"states.{s.name}.initial", s.initial, constants) for s in model.states}
    for state in model.states:
        _checked(file, f"states.{state.name}.derivative", state.derivative, start)
    for output in model.outputs:
        head, asked = f"outputs.{output.name}", kind_of(output)
        values = [_checked(file, f"{head}.{stated.key}", stated.expression, start) for stated in asked.stated(output)]
        if (flaw := asked.flaw(output, values)) is not None:
            raise ModelError(file, f"{head}.{flaw[0]}", flaw[1])


def _checked(file: str, key: str, expression: ast.expr, env: Mapping[str, float]) -> float:
    try:
        return value_of(expression, env)
    except (ArithmeticError, ValueError) as error:
        raise ModelError(file, key, f"has no value at the start of the typical patient ({error}); {_MEND}") from None
