"""What can be measured, as a model file writes it: a section of [outputs] for each, in one of four kinds.

``kind = "ordinal"``   ``categories``, a formula for the probability of each grade from 0 on
``kind = "event"``     ``hazard``, per model time unit; it is integrated between looks, as a state ``H_NAME``
``kind = "count"``     ``expression`` is the mean, and the error Poisson or negative binomial
(none)                 ``expression`` is the prediction, and the error its scatter
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import cast, get_args

from twin.model.spec import NO_ERROR, OutputKind, OutputSpec, StateSpec
from twin.model.table import Table, check_name
from twin.observation.residual_error import read_count_error, read_error

MOST_CATEGORIES = 12
"""Categories of an ordinal output; toxicity is graded in six."""


def read_outputs(
    top: Table, names: Collection[str], record: Mapping[str, Collection[str]]
) -> tuple[tuple[OutputSpec, ...], tuple[StateSpec, ...]]:
    """The outputs, and a state for the cumulative hazard of each event among them.

    Raises:
        ModelError: a name taken twice, a kind without what it needs, or a formula outside the language.
    """
    found: list[OutputSpec] = []
    hazards: list[StateSpec] = []
    taken: set[str] = set()
    for name, table in top.named("outputs"):
        check_name(table, name)
        aliases = table.texts("aliases")
        for word in (name, *aliases):
            if word in taken:
                raise table.wrong("aliases", f"'{word}' already names an output; each analyte belongs to one output")
            taken.add(word)
        kind = cast(OutputKind, table.choice("kind", get_args(OutputKind))) if table.has("kind") else "continuous"
        match kind:
            case "ordinal":
                found.append(_ordinal(name, table, aliases, names, record))
            case "event":
                output, state = _event(name, table, aliases, names, record)
                found.append(output)
                hazards.append(state)
            case _:
                found.append(_measured(name, table, aliases, kind, names, record))
    if not found:
        raise top.wrong("outputs", "is missing; declare at least one, [outputs.plasma]")
    return tuple(found), tuple(hazards)


def _measured(
    name: str,
    table: Table,
    aliases: tuple[str, ...],
    kind: OutputKind,
    names: Collection[str],
    record: Mapping[str, Collection[str]],
) -> OutputSpec:
    unit = "1" if kind == "count" and not table.has("unit") else table.text("unit")
    expression = table.formula("expression", names, None, record)
    inner = table.table("error")
    error = read_count_error(inner) if kind == "count" else read_error(inner)
    return OutputSpec(name, unit, expression, error, aliases, table.optional_number("molar_mass", above=0), kind)


def _ordinal(
    name: str, table: Table, aliases: tuple[str, ...], names: Collection[str], record: Mapping[str, Collection[str]]
) -> OutputSpec:
    categories = table.formulas("categories", names, record)
    if not 2 <= len(categories) <= MOST_CATEGORIES:
        problem = f"has {len(categories)} formulas; write one for the probability of each category, 2 to"
        raise table.wrong("categories", f"{problem} {MOST_CATEGORIES}")
    expected: ast.expr = categories[1]
    for number, probability in enumerate(categories[2:], start=2):
        expected = ast.BinOp(expected, ast.Add(), ast.BinOp(ast.Constant(float(number)), ast.Mult(), probability))
    return OutputSpec(name, "1", expected, NO_ERROR, aliases, None, "ordinal", categories)


def _event(
    name: str, table: Table, aliases: tuple[str, ...], names: Collection[str], record: Mapping[str, Collection[str]]
) -> tuple[OutputSpec, StateSpec]:
    hazard = table.formula("hazard", names, None, record)
    cumulative = f"H_{name}"
    if cumulative in names:
        problem = f"integrates its hazard as '{cumulative}', which the file already has; choose another name for one"
        raise table.wrong("hazard", problem)
    h = ast.Name(cumulative, ast.Load())
    survival = ast.Call(ast.Name("exp", ast.Load()), [ast.UnaryOp(ast.USub(), h)], [])
    happened = ast.BinOp(ast.Constant(1.0), ast.Sub(), survival)
    output = OutputSpec(name, "1", happened, NO_ERROR, aliases, None, "event", (h, hazard))
    return output, StateSpec(cumulative, "1", ast.Constant(0.0), hazard)
