"""A number of things, that is Poisson or scatters more widely.

    y ~ Poisson(m),      or negative binomial with mean m and variance m + d m^2

In a model file ``expression`` is the mean m, ``unit`` is 1 unless it is given, and ``error`` is ``{ poisson = true }``
or ``{ negative_binomial = d }``. Where there are more zeros than that, ``zeros`` is a formula for the probability z
that a count is 0 whatever m:

    P(y = 0) = z + (1 - z) P(0 | m),      P(y = k) = (1 - z) P(k | m).

Its rows are m, or m and z; what is shown is the expected count, (1 - z) m.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.model.spec import OutputSpec, StateSpec
from twin.model.table import Table
from twin.observation.kind import LEAST, OutputSection, StatedFormula, not_whole
from twin.observation.observation import MeasuredValue, Observation
from twin.observation.residual import SMALLEST
from twin.observation.whole_numbers import WholeNumbers


class Count(WholeNumbers):
    """A count with a mean, and perhaps zeros besides."""

    name = "count"
    sketch = (
        "expression for the mean, and error = { poisson = true } or { negative_binomial = 0.2 }; zeros for the"
        " probability of a 0 besides"
    )

    def read(self, section: OutputSection) -> tuple[OutputSpec, tuple[StateSpec, ...]]:
        table = section.table
        unit = table.unit() if table.has("unit") else "1"
        expression, error = section.formula("expression"), _read_error(table.table("error"))
        molar_mass = table.optional_number("molar_mass", above=0)
        further: tuple[ast.expr, ...] = ()
        if table.has("zeros"):
            further = (expression, section.formula("zeros"))
            left = ast.BinOp(ast.Constant(1.0), ast.Sub(), further[1])
            expression = ast.BinOp(left, ast.Mult(), expression)
        return OutputSpec(section.name, unit, expression, error, section.aliases, molar_mass, self.name, further), ()

    def stated(self, output: OutputSpec) -> tuple[StatedFormula, ...]:
        if not output.further:
            return super().stated(output)
        mean, zeros = output.further
        return StatedFormula("expression", mean, output.unit), StatedFormula("zeros", zeros, "1")

    def flaw(self, output: OutputSpec, values: Sequence[float]) -> tuple[str, str] | None:
        if output.further and not 0.0 <= values[1] <= 1.0:
            problem = f"is {values[1]:g} at the start of the typical patient; a probability lies between 0 and 1"
            return "zeros", f"{problem}, mend the formula"
        return None

    def formula_in_words(self, output: OutputSpec) -> str:
        if not output.further:
            return f"count with mean {super().formula_in_words(output)}"
        mean, zeros = (ast.unparse(formula) for formula in output.further)
        return f"count with mean {mean}, or 0 with a probability of {zeros}"

    def scatter_in_words(self, output: OutputSpec) -> str:
        dispersion = output.error.dispersion
        return "Poisson" if dispersion is None else f"negative binomial, dispersion {dispersion:g}"

    def refusal(self, output: OutputSpec, value: float, *, limited: bool) -> str | None:
        return not_whole(output, value)

    def cdf(self, output: OutputSpec, value: int, rows: Floats) -> Floats:
        mean, dispersion = np.maximum(rows[0], 0.0), output.error.dispersion
        if dispersion is None:
            upto = np.asarray(special.pdtr(value, mean))
        else:
            upto = np.asarray(special.betainc(1.0 / dispersion, value + 1.0, 1.0 / (1.0 + dispersion * mean)))
        zeros = _zeros(rows)
        return upto if zeros is None else np.asarray(zeros + (1.0 - zeros) * upto)

    def log_likelihood(self, output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
        if observation.below is not None or observation.above is not None:
            return super().log_likelihood(output, observation, rows)
        counted = _log_probability(output.error, observation.value, np.maximum(rows[0], LEAST))
        zeros = _zeros(rows)
        if zeros is None:
            return counted
        counted = np.log(np.maximum(1.0 - zeros, LEAST)) + counted
        return counted if observation.value else np.logaddexp(np.log(np.maximum(zeros, LEAST)), counted)

    def information(self, output: OutputSpec, rows: Floats) -> tuple[Floats, Floats]:
        zeros = _zeros(rows)
        if zeros is None:
            return rows, 1.0 / _deviation(output.error, rows) ** 2
        # Whether it is 0, and of one that is not what its size says of the mean.
        mean = np.maximum(rows[0], SMALLEST)
        variance = _deviation(output.error, mean) ** 2
        none = np.exp(_log_probability(output.error, 0.0, mean))
        some = np.maximum(1.0 - none, SMALLEST)
        beyond = (variance + mean**2) / some - (mean / some) ** 2
        nothing = zeros + (1.0 - zeros) * none
        seen = np.maximum(nothing * (1.0 - nothing), SMALLEST)
        return np.stack([nothing, mean]), np.stack([1.0 / seen, (1.0 - nothing) * beyond / variance**2])

    def at_levels(
        self,
        output: OutputSpec,
        rows: Floats,
        levels: Floats,
        earlier: tuple[MeasuredValue, ...] = (),
    ) -> Floats:
        from scipy import stats  # most of a second to load: only for who needs levels of counts

        mean, dispersion = np.maximum(rows[0], LEAST)[:, None], output.error.dispersion
        zeros = _zeros(rows)
        if zeros is not None:
            left = np.maximum(1.0 - zeros, SMALLEST)[:, None]
            levels = np.clip((levels - zeros[:, None]) / left, 0.0, 1.0)
        if dispersion is None:
            found = stats.poisson.ppf(levels, mean)
        else:
            found = stats.nbinom.ppf(levels, 1.0 / dispersion, 1.0 / (1.0 + dispersion * mean))
        return np.asarray(np.maximum(found, 0.0))

    def iwres(self, output: OutputSpec, value: float, predicted: float) -> float:
        if output.further:  # how far a count scatters about what is expected hangs on both, the mean and the zeros
            return float("nan")
        return float((value - predicted) / _deviation(output.error, np.array(predicted)))


def _zeros(rows: Floats) -> Floats | None:
    """z (N,), where there are zeros besides."""
    return np.clip(rows[1], 0.0, 1.0) if len(rows) > 1 else None


def _log_probability(error: ErrorSpec, value: float, mean: Floats) -> Floats:
    """log P(value | m) of means above 0."""
    if error.dispersion is None:
        return np.asarray(value * np.log(mean) - mean - math.lgamma(value + 1.0))
    size = 1.0 / error.dispersion
    ways = math.lgamma(value + size) - math.lgamma(size) - math.lgamma(value + 1.0)
    at = error.dispersion * mean
    return np.asarray(ways - (value + size) * np.log1p(at) + value * np.log(at))


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
