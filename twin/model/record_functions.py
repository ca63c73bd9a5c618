"""Functions of the patient's record in formulas: what was given and measured so far, as step functions of time.

A model's formulas may ask for the time since a dose, for the last amount, for the last measured value. Each such call
becomes a hidden column beside the covariates: constant between two events, so that the equations change only there.

==================  ====================================  =====================================================
call                hidden column                         value in a formula
==================  ====================================  =====================================================
``clock``           hour of the day at the record's start  (column + hours since the start) mod 24
``since(drug)``     begin of the drug's first dose         max(0, t - column)
``tad(drug)``       begin of its last dose                 max(0, t - column)
``dose(drug)``      amount of its last dose, mg            the column
``daily(drug)``     amount of the last 24 h, mg            the column
``count(drug)``     number of its doses                    the column
``after(drug, T)``  1 from T after its first dose          the column
``span(drug)``      from its first dose to its last one    the column
``previous(o)``     last measured value of output o        the column
==================  ====================================  =====================================================

A dose is what was recorded as given, or what a pump delivers from a start until it stops. It begins when it begins; its
amount is known, and counts in ``dose`` and ``daily``, from its begin when it was recorded, and once the pump stops when
it was pumped. A measured value is seen by everything after it, not by itself; of one known only to lie below a limit,
the limit is what was measured.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

import numpy as np

from twin.model.formula import evaluate, is_record
from twin.model.spec import Model


def record_columns(model: Model) -> tuple[str, ...]:
    """Functions of the record that a model's formulas call, as source text, in the order of the hidden columns."""
    formulas: list[ast.expr | None] = [p.expression for p in model.parameters]
    formulas += [d.expression for d in model.derived]
    formulas += [state.derivative for state in model.states]
    formulas += [formula for output in model.outputs for formula in (output.expression, *output.further)]
    nodes = [node for formula in formulas if formula is not None for node in ast.walk(formula)]
    called = [ast.unparse(node) for node in nodes if is_record(node)]
    clock = ["clock"] if any(isinstance(node, ast.Name) and node.id == "clock" for node in nodes) else []
    return tuple(dict.fromkeys([*clock, *called]))


def value_source(column: str, variable: str, hours: float) -> str:
    """Scalar source of a call's value, from the local ``variable`` that holds its column and from ``time``.

    ``hours`` is the length of the model's time unit.
    """
    if column == "clock":
        day = f"({variable} + {hours} * time)"
        return f"({day} - 24.0 * np.floor({day} / 24.0))"
    if column.startswith(("since(", "tad(")):
        return f"max(0.0, time - {variable})"
    return variable


def varies(name: str) -> bool:
    """Whether a name or a function of the record changes while nothing happens."""
    return name in ("t", "clock") or name.startswith(("since(", "tad("))


def resting(column: str) -> float:
    """The column of a call while nothing was given or measured."""
    function, _, number = parts_of(column)
    return {"since": np.inf, "tad": np.inf, "previous": number}.get(function, 0.0)


def record_values(calls: Iterable[str], row: Mapping[str, float], time: float, hours: float) -> dict[str, float]:
    """Values of calls at ``time`` (model time since the record's start) for the columns of ``row``."""
    values = {}
    for call in calls:
        values[call] = float(row[call])
        if call == "clock":
            values[call] = float((row[call] + hours * time) % 24.0)
        elif varies(call):
            values[call] = max(0.0, time - float(row[call]))
    return values


def parts_of(column: str) -> tuple[str, str, float]:
    """Function, drug or output, and the number after it (0 where there is none)."""
    node = ast.parse(column, mode="eval").body
    if not isinstance(node, ast.Call):
        return column, "", 0.0
    assert isinstance(node.func, ast.Name)
    assert isinstance(node.args[0], ast.Name)
    number = float(evaluate(node.args[1], {})) if len(node.args) > 1 else 0.0
    return node.func.id, node.args[0].id, number
