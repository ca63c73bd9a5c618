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
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twin.model.formula import evaluate, is_record
from twin.model.spec import Model
from twin.timeline.delivery import DAY_MS, HOUR_MS, Delivered, Steps

Measured = Sequence[tuple[int, int, float]]
"""Measured values in event-time order: (ms, number of the output, value)."""


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
    function, _, number = _parts(column)
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


def with_record(
    columns: Sequence[str],
    outputs: Sequence[str],
    unit: int,
    start: int,
    given: Mapping[str, Delivered],
    measured: Measured,
    epoch: NDArray[np.int64],
    covariates: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Covariate epochs (E,), ms, and values (E, C) with the hidden columns laid beside them, (E',) and (E', C + H).

    ``outputs`` are the model's, ``unit`` the milliseconds of its unit of time.
    """
    if not columns:
        return epoch, covariates
    courses = [_course(column, outputs, unit, start, given, measured) for column in columns]
    every = np.unique(np.concatenate([epoch, *(np.array([m for m, _ in c], dtype=np.int64) for c in courses)]))
    rows = np.empty((len(every), covariates.shape[1] + len(columns)))
    rows[:, : covariates.shape[1]] = covariates[np.searchsorted(epoch, every, side="right") - 1]
    for j, (column, course) in enumerate(zip(columns, courses, strict=True), start=covariates.shape[1]):
        values = np.array([resting(column) if column != "clock" else 0.0, *(value for _, value in course)])
        rows[:, j] = values[np.searchsorted(np.array([m for m, _ in course], dtype=np.int64), every, side="right")]
    new = np.ones(len(every), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return every[new], rows[new]


def _parts(column: str) -> tuple[str, str, float]:
    """Function, drug or output, and the number after it (0 where there is none)."""
    node = ast.parse(column, mode="eval").body
    if not isinstance(node, ast.Call):
        return column, "", 0.0
    assert isinstance(node.func, ast.Name)
    assert isinstance(node.args[0], ast.Name)
    number = float(evaluate(node.args[1], {})) if len(node.args) > 1 else 0.0
    return node.func.id, node.args[0].id, number


def _course(
    column: str, outputs: Sequence[str], unit: int, start: int, given: Mapping[str, Delivered], measured: Measured
) -> list[tuple[int, float]]:
    """A hidden column over time: (from ms, value), distinct times, sorted."""
    function, word, number = _parts(column)
    if function == "clock":
        return [(int(np.iinfo(np.int64).min), (start % DAY_MS) / HOUR_MS)]
    if function == "previous":
        output = outputs.index(word)
        # A value at the very start is seen from the next millisecond: the patient begins without it.
        return _last_of_instant((max(m, start + 1), value) for m, o, value in measured if o == output)
    drug = given.get(word, Delivered())
    begins = drug.begins()
    if function == "since":
        return [(m, (m - start) / unit) for m in begins[:1]]
    if function == "tad":
        return _last_of_instant((m, (m - start) / unit) for m in begins)
    if function == "after":
        return [(m + round(number * unit), 1.0) for m in begins[:1]]
    if function == "span":
        return _last_of_instant((m, (m - begins[0]) / unit) for m in begins)
    if function == "count":
        return _last_of_instant((m, float(i)) for i, m in enumerate(begins, start=1))
    amounts = drug.amounts()
    if function == "dose":
        return [(m, sum(amount for at, amount in amounts if at == m)) for m in sorted({m for m, _ in amounts})]
    return _daily(sorted([*amounts, *drug.implied()]))


def _daily(amounts: Steps) -> list[tuple[int, float]]:
    found, first = [], 0
    for m in sorted({at + later for at, _ in amounts for later in (0, DAY_MS)}):
        while first < len(amounts) and amounts[first][0] + DAY_MS <= m:
            first += 1
        total = 0.0
        for at, amount in amounts[first:]:
            if at > m:
                break
            total += amount
        found.append((m, total))
    return found


def _last_of_instant(steps: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    return list(dict(steps).items())
