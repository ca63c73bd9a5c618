"""Formulas of a source tried out on numbers: the typical patient, with states and time drawn at random.

What a formula does can often be told by its values more surely than by its looks: whether two are the same, whether one
scatters in proportion to another. The draws are always the same.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

import numpy as np

from connectors.models.characteristics import references
from connectors.models.formulas import words
from connectors.models.source import LAST, Source
from twin.model.formula import evaluate, is_record

DRAWS = 24
_SEED = 20_26


class Sampling:
    """Values of a source's formulas at so many draws of states and time."""

    def __init__(self, source: Source) -> None:
        self.source = source
        characteristics = references(source)
        generator = np.random.default_rng(_SEED)
        self.draws: list[dict[str, float]] = []
        for _ in range(DRAWS):
            env = {theta.name: theta.value for theta in source.thetas.values()}
            env |= dict.fromkeys(source.etas, 0.0)
            env |= {word: at for word, (at, _) in characteristics.items()}
            env |= {state.name: float(10 ** generator.uniform(-1.0, 2.0)) for state in source.states}
            env |= {"t": float(generator.uniform(0.5, 50.0)), "clock": 8.0, LAST: 0.0}
            self.draws.append(env)

    def value(self, formula: ast.expr, env: dict[str, float], more: Mapping[str, float] | None = None) -> float | None:
        """The value at one draw; ``None`` where it has none."""
        try:
            with np.errstate(all="ignore"):
                found = float(evaluate(formula, self._filled(formula, {**env, **(more or {})})))
        except (ArithmeticError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return found if math.isfinite(found) else None

    def _filled(self, formula: ast.expr, env: dict[str, float]) -> dict[str, float]:
        """The draw with the definitions that a formula reads, and what it asks of the record."""
        for node in ast.walk(formula):
            if is_record(node):
                env[ast.unparse(node)] = _spoken(ast.unparse(node))
        for word in words(formula):
            if word not in env and word in self.source.definitions:
                inner = self.source.definitions[word]
                self._filled_into(word, inner, env)
        return env

    def _filled_into(self, word: str, inner: ast.expr, env: dict[str, float]) -> None:
        filled = self._filled(inner, env)
        env[word] = float(evaluate(inner, filled))

    def values(self, formula: ast.expr) -> list[float]:
        """Its values at all draws where it has one."""
        found = [self.value(formula, env) for env in self.draws]
        return [each for each in found if each is not None]

    def equal(self, one: ast.expr, other: ast.expr) -> bool:
        """Whether two formulas have the same values wherever both have one, and that in most draws."""
        pairs = [(self.value(one, env), self.value(other, env)) for env in self.draws]
        both = [(a, b) for a, b in pairs if a is not None and b is not None]
        return len(both) > DRAWS / 2 and all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-300) for a, b in both)

    def constant(self, formula: ast.expr, at: float) -> bool:
        """Whether a formula is this number at every draw."""
        found = self.values(formula)
        return len(found) > DRAWS / 2 and all(math.isclose(each, at, rel_tol=1e-6) for each in found)


def _spoken(call: str) -> float:
    """What a function of the record says of a patient to whom 100 mg were given 1 time unit ago."""
    word = call.partition("(")[0]
    return {"dose": 100.0, "daily": 100.0, "count": 1.0, "tad": 1.0, "since": 1.0, "span": 0.0, "after": 1.0}.get(
        word, 0.0
    )
