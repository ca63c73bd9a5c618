"""A number of things, that is Poisson or scatters more widely.

    y ~ Poisson(m),      or negative binomial with mean m and variance m + d m^2

In a model file ``expression`` is the mean m, ``unit`` is 1 unless it is given, and ``error`` is ``{ poisson = true }``
or ``{ negative_binomial = d }``.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.model.spec import OutputSpec, StateSpec
from twin.model.table import Table
from twin.observation.kind import LEAST, OutputSection, not_whole
from twin.observation.observation import MeasuredValue, Observation
from twin.observation.residual import SMALLEST
from twin.observation.whole_numbers import WholeNumbers


class Count(WholeNumbers):
    """A count with a mean; its only row is that mean."""

    name = "count"
    sketch = "expression for the mean, and error = { poisson = true } or { negative_binomial = 0.2 }"

    def read(self, section: OutputSection) -> tuple[OutputSpec, tuple[StateSpec, ...]]:
        table = section.table
        unit = table.unit() if table.has("unit") else "1"
        expression, error = section.formula("expression"), _read_error(table.table("error"))
        molar_mass = table.optional_number("molar_mass", above=0)
        return OutputSpec(section.name, unit, expression, error, section.aliases, molar_mass, self.name), ()

    def formula_in_words(self, output: OutputSpec) -> str:
        return f"count with mean {super().formula_in_words(output)}"

    def scatter_in_words(self, output: OutputSpec) -> str:
        dispersion = output.error.dispersion
        return "Poisson" if dispersion is None else f"negative binomial, dispersion {dispersion:g}"

    def refusal(self, output: OutputSpec, value: float, *, limited: bool) -> str | None:
        return not_whole(output, value)

    def cdf(self, output: OutputSpec, value: int, rows: Floats) -> Floats:
        mean, dispersion = np.maximum(rows[0], 0.0), output.error.dispersion
        if dispersion is None:
            return np.asarray(special.pdtr(value, mean))
        return np.asarray(special.betainc(1.0 / dispersion, value + 1.0, 1.0 / (1.0 + dispersion * mean)))

    def log_likelihood(self, output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
        if observation.below is not None or observation.above is not None:
            return super().log_likelihood(output, observation, rows)
        value, mean, dispersion = observation.value, np.maximum(rows[0], LEAST), output.error.dispersion
        if dispersion is None:
            return np.asarray(value * np.log(mean) - mean - math.lgamma(value + 1.0))
        size = 1.0 / dispersion
        ways = math.lgamma(value + size) - math.lgamma(size) - math.lgamma(value + 1.0)
        return np.asarray(ways - (value + size) * np.log1p(dispersion * mean) + value * np.log(dispersion * mean))

    def information(self, output: OutputSpec, rows: Floats) -> tuple[Floats, Floats]:
        return rows, 1.0 / _deviation(output.error, rows) ** 2

    def at_levels(
        self,
        output: OutputSpec,
        rows: Floats,
        levels: Floats,
        earlier: tuple[MeasuredValue, ...] = (),
    ) -> Floats:
        from scipy import stats  # most of a second to load: only for who needs levels of counts

        mean, dispersion = np.maximum(rows[0], LEAST)[:, None], output.error.dispersion
        if dispersion is None:
            return np.asarray(stats.poisson.ppf(levels, mean))
        return np.asarray(stats.nbinom.ppf(levels, 1.0 / dispersion, 1.0 / (1.0 + dispersion * mean)))

    def iwres(self, output: OutputSpec, value: float, predicted: float) -> float:
        return float((value - predicted) / _deviation(output.error, np.array(predicted)))


def _deviation(error: ErrorSpec, mean: Floats) -> Floats:
    """Standard deviation about a mean (any shape)."""
    positive = np.maximum(np.abs(mean), SMALLEST)
    return np.asarray(np.sqrt(positive + (error.dispersion or 0.0) * positive**2))


def _read_error(table: Table) -> ErrorSpec:
    poisson, dispersion = table.flag("poisson"), table.optional_number("negative_binomial", above=0)
    if poisson == (dispersion is not None):
        raise table.wrong("", "must say either poisson = true or negative_binomial = its dispersion")
    if poisson:
        error = ErrorSpec("poisson", 0.0, 0.0, None, table.optional_text("source"), table.optional_text("assumed"))
    else:
        error = ErrorSpec("negative_binomial", 0.0, 0.0, None, *table.evidence(), dispersion=dispersion)
    table.close()
    return error


KIND = Count()
