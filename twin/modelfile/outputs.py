"""What can be measured, and exposure targets, as a model file writes them.

A section of [outputs] for each output, read by the kind that it names. A section of [targets] for each target, by what
it measures: *course*, what a state gathers over a course, usually an area under a curve; *day*, what it gathers over
24 h; *trough*, what outputs add up to just before the next dose; *time_above*, how long they lie above a level during a
course.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from typing import cast

from twin.model.spec import TARGET_MEASURES, OutputSpec, StateSpec, TargetMeasure, TargetSpec
from twin.model.table import Table, check_name
from twin.observation.kind import OutputSection
from twin.observation.kinds import USUAL, kind_named, kinds


def read_outputs(
    top: Table, names: Collection[str], record: Mapping[str, Collection[str]]
) -> tuple[tuple[OutputSpec, ...], tuple[StateSpec, ...]]:
    """The outputs, and the states that their kinds add to the model.

    Raises:
        ModelError: a name or channel taken twice, an unknown kind, one without its parts, or a formula that is none.
    """
    outputs: list[OutputSpec] = []
    states: list[StateSpec] = []
    taken: set[str] = set()
    observed: dict[str, str] = {}
    for name, table in top.named("outputs"):
        check_name(table, name)
        aliases = table.aliases("aliases")
        for word in (name, *aliases):
            if word in taken:
                raise table.wrong("aliases", f"'{word}' already names an output; each analyte belongs to one output")
            taken.add(word)
        kind = kind_named(table.choice("kind", kinds().names) if table.has("kind") else USUAL)
        output, own = kind.read(OutputSection(name, aliases, table, names, record))
        if output.vital is not None:
            first = observed.setdefault(output.vital.channel, name)
            if first != name:
                raise table.wrong("vital", f"names a channel that observes '{first}' already; each observes one output")
        outputs.append(output)
        states += own
    if not outputs:
        raise top.wrong("outputs", "is missing; declare at least one, [outputs.plasma]")
    return tuple(outputs), tuple(states)


def read_targets(
    top: Table, drugs: tuple[str, ...], states: tuple[StateSpec, ...], outputs: tuple[OutputSpec, ...], time_unit: str
) -> tuple[tuple[TargetSpec, ...], tuple[StateSpec, ...]]:
    """The targets, and the states that time above a level is gathered in.

    Raises:
        ModelError: an unknown measure, state or output, outputs of different units, or no limit.
    """
    targets: list[TargetSpec] = []
    added: list[StateSpec] = []
    gathered: dict[str, tuple[str, str, float]] = {}
    for name, table in top.named("targets"):
        check_name(table, name)
        measure = cast(
            TargetMeasure, table.choice("measure", TARGET_MEASURES) if table.has("measure") else TARGET_MEASURES[0]
        )
        drug, unit = table.choice("drug", drugs), table.unit()
        if measure in ("course", "day"):
            state = table.choice("state", [state.name for state in states])
            expression: ast.expr = ast.Name(state)
        else:
            state = None
            expression = _sum(_named_outputs(table, outputs))
        if measure == "time_above":
            state = f"above_{name}"
            if unit != time_unit:
                raise table.wrong("unit", f"is '{unit}'; a time above a level is in the model's own '{time_unit}'")
            if state in {other.name for other in states}:
                raise table.wrong(
                    "", f"gathers in a state '{state}', which there is already; name the target otherwise"
                )
            over = ast.Compare(expression, [ast.Gt()], [ast.Constant(table.number("above", above=0))])
            rate = ast.Call(ast.Name("where"), [over, ast.Constant(1.0), ast.Constant(0.0)], [])
            added.append(StateSpec(state, unit, ast.Constant(0.0), rate))
            expression = ast.Name(state)
        low, high = table.optional_number("low", above=0), table.optional_number("high", above=0)
        if low is None and high is None:
            raise table.wrong("low", "is missing, and so is 'high'; a target needs at least one of them")
        if low is not None and high is not None and high <= low:
            raise table.wrong("high", f"is {high:g}; it must be greater than {low:g}")
        settled = (table.optional_number("settled", least=0) or 0.0) if measure == "trough" else 0.0
        gap = table.number("course_gap", above=0)
        gathers = drug, measure, gap
        if state is not None and gathered.setdefault(state, gathers) != gathers:
            raise table.wrong(
                "state", f"'{state}' is emptied for another target; let each gather in a state of its own"
            )
        targets.append(
            TargetSpec(name, drug, measure, state, expression, unit, low, high, gap, settled, *table.evidence())
        )
    return tuple(targets), tuple(added)


def _named_outputs(table: Table, outputs: tuple[OutputSpec, ...]) -> list[OutputSpec]:
    named = {output.name: output for output in outputs}
    names = table.texts("outputs")
    if not names:
        raise table.wrong("outputs", 'is missing; write those that count together, ["plasma"]')
    for name in names:
        if name not in named:
            raise table.wrong("outputs", f"'{name}' is no output of the model; write one of {', '.join(named)}")
    units = {named[name].unit for name in names}
    if len(units) > 1:
        raise table.wrong("outputs", f"are in {' and '.join(sorted(units))}; only outputs of one unit add up")
    return [named[name] for name in names]


def _sum(outputs: Sequence[OutputSpec]) -> ast.expr:
    return reduce(lambda one, other: ast.BinOp(one, ast.Add(), other), (output.expression for output in outputs))
