"""A proportion: y ~ Beta(m p, (1 - m) p), with mean m and precision p, its rows.

A fifth kind, for tests: this file is all there is of it.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from twin.arrays import Floats
from twin.model.measured.error import NO_ERROR
from twin.model.spec import OutputSpec, StateSpec
from twin.observation.kind import OutputKind, OutputSection, StatedFormula
from twin.observation.observation import MeasuredValue, Observation


class Proportion(OutputKind):
    """A part of a whole, between 0 and 1."""

    name = "proportion"
    sketch = "expression for the mean, and precision"
    discrete = False

    def read(self, section: OutputSection) -> tuple[OutputSpec, tuple[StateSpec, ...]]:
        mean, precision = section.formula("expression"), section.formula("precision")
        return OutputSpec(section.name, "1", mean, NO_ERROR, section.aliases, None, self.name, (mean, precision)), ()

    def stated(self, output: OutputSpec) -> tuple[StatedFormula, ...]:
        return (*super().stated(output), StatedFormula("precision", output.further[1], "1"))

    def scatter_in_words(self, output: OutputSpec) -> str:
        return "beta"

    def refusal(self, output: OutputSpec, value: float, *, limited: bool) -> str | None:
        return None if value < 1 else f"field 'value': {value:g} is no part of {output.name}; send one below 1"

    def weighs_zero(self, output: OutputSpec) -> bool:
        return False

    def log_likelihood(self, output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
        return np.asarray(self._law(rows).logpdf(observation.value))

    def levels(self, output: OutputSpec, observation: Observation, rows: Floats) -> tuple[Floats, Floats]:
        level = np.asarray(self._law(rows).cdf(observation.value))
        return level, level

    def information(self, output: OutputSpec, rows: Floats) -> tuple[Floats, Floats]:
        return rows[:1], 1.0 / self._law(rows).var()[None]

    def at_levels(
        self, output: OutputSpec, rows: Floats, levels: Floats, earlier: tuple[MeasuredValue, ...] = ()
    ) -> Floats:
        return np.asarray(self._law(rows[..., None]).ppf(levels))

    def _law(self, rows: Floats) -> stats.rv_continuous:
        return stats.beta(rows[0] * rows[1], (1 - rows[0]) * rows[1])


KIND = Proportion()
