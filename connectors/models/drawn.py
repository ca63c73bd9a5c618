"""A source whose thetas and etas have become parameters: what a model file is written of."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from connectors.models.formulas import replaced, words
from connectors.models.source import Observed, Source, State, Theta

LONGEST_CHAIN = 1500
"""Characters of a formula that says what a name was made of in several steps."""


@dataclass(slots=True)
class Parameter:
    """A parameter as the file will have it; ``fixed`` are the levels whose variances are known."""

    name: str
    value: float
    line: int
    iiv: float | None = None
    iov: float | None = None
    isv: float | None = None
    distribution: str = "log-normal"
    expression: ast.expr | None = None
    comment: str = ""
    theta: Theta | None = None
    fixed: tuple[str, ...] = ()


@dataclass(slots=True)
class Drawn:
    """A source with its effects as parameters.

    Attributes:
        covariances: of pairs of parameters, with their level (`connectors.models.source.Level`).
        definitions: those that are left and needed, in order.
    """

    source: Source
    parameters: list[Parameter] = field(default_factory=list)
    covariances: list[tuple[str, str, str, float]] = field(default_factory=list)
    definitions: dict[str, ast.expr] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    covariates: tuple[str, ...] = ()


def roots(source: Source) -> list[ast.expr]:
    """Every formula that the model is made of besides its definitions."""
    found = [state.derivative for state in source.states]
    found += [state.initial for state in source.states if state.initial is not None]
    for entry in source.entries:
        found += [each for each in (entry.fraction, entry.lag, entry.duration) if each is not None]
    for output in source.observed:
        alone = (output.expression, output.hazard, output.zeros)
        found += [*output.categories, *(each for each in alone if each is not None)]
    return found


def put(source: Source, by: Mapping[str, ast.expr]) -> None:
    """Put formulas in the place of names in every formula that a source is made of besides its definitions."""

    def each(formula: ast.expr | None) -> ast.expr | None:
        return None if formula is None else replaced(formula, by)

    source.states = [replace(s, derivative=replaced(s.derivative, by), initial=each(s.initial)) for s in source.states]
    source.entries = [
        replace(e, fraction=each(e.fraction), lag=each(e.lag), duration=each(e.duration)) for e in source.entries
    ]
    source.observed = [
        replace(
            o,
            expression=each(o.expression),
            hazard=each(o.hazard),
            zeros=each(o.zeros),
            categories=tuple(replaced(category, by) for category in o.categories),
        )
        for o in source.observed
    ]


def chain(definitions: dict[str, ast.expr], uses: Counter[str]) -> None:
    """Write out what a name was before in what it is after, where nothing else reads it: twenty IFs are one formula."""

    def plain(word: str) -> str:
        return re.sub(r"_\d+$", "", word)

    for word in list(definitions):
        for before in sorted(words(definitions[word])):
            if before in definitions and uses[before] == 1 and plain(before) == plain(word):
                longer = replaced(definitions[word], {before: definitions[before]})
                if len(ast.unparse(longer)) <= LONGEST_CHAIN:
                    definitions[word] = longer
                    del definitions[before]
