"""Observations that are likelihoods: a formula of the observed value itself, for grades and for events.

A stream that is fitted with LIKELIHOOD, -2LL or F_FLAG gives the probability of what was observed. Asked for 0, 1, 2
it gives that of each grade; where what is not observed has the probability exp(-H) of a state H, it is an event, and
its hazard is what H gains.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.models.formulas import call, number, replaced, total, words
from connectors.models.observing.values import Sampling
from connectors.models.source import Observed, Source
from twin.observation.kinds.ordinal import MOST_CATEGORIES


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How a source writes a likelihood: its ``kind`` (``likelihood``, ``-2ll``) and the word for what is observed."""

    kind: str
    observed: ast.expr

    def probability(self, y: ast.expr) -> ast.expr:
        if self.kind == "-2ll":
            return call("exp", ast.BinOp(ast.UnaryOp(ast.USub(), y), ast.Div(), number(2.0)))
        return y


def recognised(
    source: Source, leaves: list[tuple[str, ast.expr]], likelihood: Likelihood, sampling: Sampling, line: int
) -> list[Observed]:
    """Events and grades among likelihoods, each under its label."""
    event = _event(source, leaves, sampling, line)
    if event is not None:
        return [event]
    found: list[Observed] = []
    for label, y in leaves:
        grades = _grades(likelihood, y, sampling)
        if grades:
            found.append(Observed(label, None, None, line, categories=grades))
    return found


def _event(source: Source, leaves: list[tuple[str, ast.expr]], sampling: Sampling, line: int) -> Observed | None:
    for _, y in leaves:
        for state in source.states:
            survival = call("exp", ast.UnaryOp(ast.USub(), ast.Name(state.name, ast.Load())))
            if sampling.equal(y, survival):
                return Observed("event", None, None, line, hazard=state.derivative)
    return None


def _grades(likelihood: Likelihood, y: ast.expr, sampling: Sampling) -> tuple[ast.expr, ...]:
    assert isinstance(likelihood.observed, ast.Name)
    word = likelihood.observed.id
    if word not in words(y):
        return ()
    found: list[ast.expr] = []
    for grade in range(MOST_CATEGORIES):
        asked: Mapping[str, ast.expr] = {word: number(float(grade))}
        probability = likelihood.probability(replaced(y, asked))
        if not _reads(probability, sampling):
            break
        found.append(probability)
        if len(found) > 1 and sampling.constant(total(found), 1.0):
            return tuple(found)
    return ()


def _reads(probability: ast.expr, sampling: Sampling) -> bool:
    values = sampling.values(probability)
    return bool(values) and all(0 <= each <= 1 for each in values) and any(each > 0 for each in values)
