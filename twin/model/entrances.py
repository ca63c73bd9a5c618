"""Where a dose enters a model: by its route, or into one state alone, whatever its route.

An entrance is text: a route (``oral``), or a route and the state that the dose names (``oral into Depot``). An input
call without a route takes, by route, what no other call of the drug claims; of a dose that names its state, what no
other call of the drug in that state claims.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import cast

from twin.model.formula import ROUTES, arguments_of, evaluate
from twin.model.spec import Model, Route
from twin.model.structure import input_calls

INTO = " into "


def parted(entrance: str) -> tuple[Route, str | None]:
    """The route of an entrance, and the state that it names, if it names one.

    >>> parted("oral into Depot"), parted("iv")
    (('oral', 'Depot'), ('iv', None))
    """
    route, _, state = entrance.partition(INTO)
    return cast(Route, route), state or None


def taken_by(call: str, others: Sequence[str]) -> frozenset[str]:
    """Routes of a drug that an input call takes, where ``others`` (itself perhaps among them) take theirs.

    >>> sorted(taken_by("input(a)", ["input(a, oral)", "input(b, iv)"]))
    ['im', 'ip', 'iv', 'sc']
    """
    _, (drug, *route), _ = arguments_of(call)
    if route:
        return frozenset(route)
    return frozenset(ROUTES) - {words[1] for _, words, _ in map(arguments_of, others) if words[0] == drug and words[1:]}


def course_gap(call: str) -> float:
    """The time without a dose that ends a course for ``pulse(drug, T)``; 0 for other input calls, which see every dose.

    >>> course_gap("pulse(drug, 96)"), course_gap("pulse(drug)")
    (96.0, 0.0)
    """
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    return float(sum(evaluate(gap, {}) for gap in node.args if isinstance(gap, ast.Constant)))


def calls_into(model: Model, drug: str, state: str) -> tuple[str, ...]:
    """Calls by which amounts of a drug enter a state."""
    derivative = next((each.derivative for each in model.states if each.name == state), None)
    calls = () if derivative is None else input_calls(derivative)
    return tuple(call for call in calls if not call.startswith("pulse(") and arguments_of(call)[1][0] == drug)


def states_taking(model: Model, drug: str) -> tuple[str, ...]:
    """States that amounts of a drug enter, in model order."""
    return tuple(state.name for state in model.states if calls_into(model, drug, state.name))


def takes(model: Model, drug: str, route: str, state: str) -> bool:
    """Whether a dose of a drug by this route may name the state."""
    calls = calls_into(model, drug, state)
    return any(route in taken_by(call, calls) for call in calls)
