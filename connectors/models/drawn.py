"""A source whose thetas and etas have become parameters: what a model file is written of."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from connectors.models.source import Observed, Source, State, Theta


@dataclass(slots=True)
class Parameter:
    """A parameter as the file will have it; ``stated`` is what the source has for its variance."""

    name: str
    value: float
    line: int
    iiv: float | None = None
    iov: float | None = None
    distribution: str = "log-normal"
    expression: ast.expr | None = None
    comment: str = ""
    theta: Theta | None = None


@dataclass(slots=True)
class Drawn:
    """A source with its effects as parameters.

    Attributes:
        covariances: of pairs of parameters, with their level (``iiv``, ``iov``).
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
        found += [*output.categories, *(each for each in (output.expression, output.hazard) if each is not None)]
    return found
