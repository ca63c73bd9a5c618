"""A grade, as of a toxicity.

    P(y = k) = p_k,      k = 0, 1, ...

In a model file ``categories`` lists a formula for the probability of each. What is shown is the expected category,
sum of k p_k; its rows are p_0, p_1, ...
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import NO_ERROR
from twin.model.spec import OutputSpec, StateSpec
from twin.observation.kind import OutputSection, StatedFormula, not_whole
from twin.observation.observation import MeasuredValue
from twin.observation.residual import SMALLEST
from twin.observation.whole_numbers import WholeNumbers

MOST_CATEGORIES = 12
"""Categories of an ordinal output; toxicity is graded in six."""

_ROUNDING = 1e-6


class Ordinal(WholeNumbers):
    """A category, from 0 on."""

    name = "ordinal"
    sketch = 'categories = ["P(0)", "P(1)", ...]'
    sampled = False

    def read(self, section: OutputSection) -> tuple[OutputSpec, tuple[StateSpec, ...]]:
        categories = section.formulas("categories")
        if not 2 <= len(categories) <= MOST_CATEGORIES:
            problem = f"has {len(categories)} formulas; write one for the probability of each category, 2 to"
            raise section.table.wrong("categories", f"{problem} {MOST_CATEGORIES}")
        expected: ast.expr = categories[1]
        for number, probability in enumerate(categories[2:], start=2):
            expected = ast.BinOp(expected, ast.Add(), ast.BinOp(ast.Constant(float(number)), ast.Mult(), probability))
        return OutputSpec(section.name, "1", expected, NO_ERROR, section.aliases, None, self.name, categories), ()

    def stated(self, output: OutputSpec) -> tuple[StatedFormula, ...]:
        return tuple(
            StatedFormula(f"categories[{i}]", probability, output.unit) for i, probability in enumerate(output.further)
        )

    def flaw(self, output: OutputSpec, values: Sequence[float]) -> tuple[str, str] | None:
        for i, probability in enumerate(values):
            if not -_ROUNDING <= probability <= 1 + _ROUNDING:
                problem = f"is {probability:g} at the start of the typical patient; a probability lies between 0 and 1"
                return f"categories[{i}]", f"{problem}, mend the formula"
        if abs(sum(values) - 1) > _ROUNDING:
            problem = f"have probabilities that sum to {sum(values):.6g} at the start of the typical patient, not to 1"
            return "categories", f"{problem}; mend or add a category"
        return None

    def formula_in_words(self, output: OutputSpec) -> str:
        return "; ".join(f"P({grade}) = {ast.unparse(formula)}" for grade, formula in enumerate(output.further))

    def refusal(self, output: OutputSpec, value: float, *, limited: bool) -> str | None:
        return not_whole(output, value, len(output.further) - 1)

    def cdf(self, output: OutputSpec, value: int, rows: Floats) -> Floats:
        return np.asarray(rows[: value + 1].sum(axis=0))

    def information(self, output: OutputSpec, rows: Floats) -> tuple[Floats, Floats]:
        return rows, 1.0 / np.maximum(rows, SMALLEST)

    def at_levels(
        self,
        output: OutputSpec,
        rows: Floats,
        levels: Floats,
        earlier: tuple[MeasuredValue, ...] = (),
    ) -> Floats:
        upto = np.cumsum(rows, axis=0)[:-1, :, None]
        return np.asarray((levels > upto).sum(axis=0), dtype=np.float64)


KIND = Ordinal()
