"""A level, a volume, a pressure: a value that scatters around a prediction.

The laws of the scatter are those of `twin.observation.residual`. In a model file ``expression`` is the prediction in
``unit``, and ``error`` its scatter. With ``vital`` the readings of a wearable observe it too
(`twin.observation.aggregate`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec, GivenSpec
from twin.model.spec import OutputSpec, StateSpec
from twin.observation import information, residual
from twin.observation.aggregate import read_vital
from twin.observation.kind import Batch, OutputKind, OutputSection
from twin.observation.observation import MeasuredValue, Observation
from twin.observation.residual_error import read_error, size_in_words
from twin.spellings import canonical_spelling

COUNT_UNITS = ("10*9/L", "10*3/uL")
"""What blood cells are counted in, whose 0 is one too low to count: the same number in either."""

ZERO_COUNT_BELOW = 0.1
"""A count (`COUNT_UNITS`) reported as 0 is read as below this: the usual last digit of differential counts; assumed."""


class Continuous(OutputKind):
    """A value on a continuous scale, with a residual error."""

    name = "continuous"
    sketch = "expression, and error"
    discrete = False

    def read(self, section: OutputSection) -> tuple[OutputSpec, tuple[StateSpec, ...]]:
        table = section.table
        unit, expression = table.unit(), section.formula("expression")
        error = read_error(table.table("error"))
        molar_mass = table.optional_number("molar_mass", above=0)
        vital, readings = read_vital(table, unit) or (None, None)
        error = replace(error, readings=readings)
        return OutputSpec(section.name, unit, expression, error, section.aliases, molar_mass, self.name, (), vital), ()

    def scatter_in_words(self, output: OutputSpec) -> str:
        return size_in_words(output.error)

    def weighs_zero(self, output: OutputSpec) -> bool:
        return output.error.weighs_zero

    def weighs_negative(self, output: OutputSpec) -> bool:
        return output.error.weighs_negative

    def zero_below(self, output: OutputSpec) -> float | None:
        # Only what is written so is rounded as blood cells are: the last digit of a level, of a size or of copies is
        # another, which the laboratory has to say.
        return ZERO_COUNT_BELOW if canonical_spelling(output.unit) in COUNT_UNITS else None

    def conditional(self, output: OutputSpec) -> bool:
        return output.error.replicate_correlation is not None

    def log_likelihood(self, output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
        limits = observation.below, observation.above
        beside = _beside(output, observation.earlier, rows)
        return residual.log_likelihood(output.error, observation.value, rows[0], *limits, observation.earlier, beside)

    def levels(self, output: OutputSpec, observation: Observation, rows: Floats) -> tuple[Floats, Floats]:
        below, above = observation.below, observation.above
        at = observation.value if below is None else below
        beside = _beside(output, observation.earlier, rows)
        found = residual.cdf(output.error, at if above is None else above, rows[0], observation.earlier, beside)
        return np.zeros_like(found) if below is not None else found, np.ones_like(found) if above is not None else found

    def information(self, output: OutputSpec, rows: Floats) -> tuple[Floats, Floats]:
        if output.error.given is not None:
            return information.coordinates_beside(output.error, output.error.given, rows)
        return information.coordinates(output.error, rows[0])

    def batches(self, output: OutputSpec, observations: Sequence[Observation]) -> tuple[Batch, ...]:
        # A search for the mode spends its time in the kernel only where values that stand alone share their overhead.
        given = output.error.given is not None
        plain = [o for o in observations if o.above is None and not o.moments and (given or not o.earlier)]
        parted = ([o for o in plain if o.below is None], [o for o in plain if o.below is not None])
        return tuple(self._batch(output, tuple(part)) for part in parted if part)

    def _batch(self, output: OutputSpec, observations: tuple[Observation, ...]) -> Batch:
        error, below = output.error, observations[0].below is not None
        value = np.array([[o.value if o.below is None else o.below] for o in observations])
        if error.given is not None:
            return Batch(observations, _weigh_beside(error, error.given, value, observations))

        def weigh(rows: Floats) -> tuple[Floats, Floats, Floats]:
            predicted = rows[:, 0]
            if below:
                likely = residual.log_likelihood(error, 0.0, predicted, value)
                return likely, *information.censored_coordinates(error, value, predicted)
            return residual.log_likelihood(error, value, predicted), *information.coordinates(error, predicted)

        return Batch(observations, weigh)

    def at_levels(
        self, output: OutputSpec, rows: Floats, levels: Floats, earlier: tuple[MeasuredValue, ...] = ()
    ) -> Floats:
        return residual.at_levels(output.error, rows[0], levels, earlier, _beside(output, earlier, rows))

    def spread_out(
        self, output: OutputSpec, rows: Floats, points: int, earlier: tuple[MeasuredValue, ...] = ()
    ) -> Floats:
        if earlier:
            return super().spread_out(output, rows, points, earlier)
        return residual.spread_out(output.error, rows[0], points)

    def on_scale(self, output: OutputSpec, values: Floats) -> Floats:
        return residual.on_scale(output.error, values)

    def iwres(self, output: OutputSpec, value: float, predicted: float) -> float:
        return float(residual.standardised(output.error, value, np.array([predicted]))[0])


def _beside(output: OutputSpec, earlier: tuple[MeasuredValue, ...], rows: Floats) -> Floats | None:
    """Residuals (k, N) of the values of other outputs that one is weighed beside, in units of their scale."""
    given = output.error.given
    if given is None or not earlier:
        return None
    each = zip(given.errors, earlier, rows[1:], strict=True)
    return np.array([residual.standardised(error, other.value, row) for error, other, row in each])


def _weigh_beside(
    error: ErrorSpec, given: GivenSpec, value: Floats, observations: Sequence[Observation]
) -> Callable[[Floats], tuple[Floats, Floats, Floats]]:
    """How n values (n, 1) are weighed in one call, each beside values of the same others."""
    others = [np.array([[o.earlier[k].value] for o in observations]) for k in range(len(given.errors))]

    def weigh(rows: Floats) -> tuple[Floats, Floats, Floats]:
        predicted = np.ascontiguousarray(np.moveaxis(rows, 1, 0))
        each = zip(given.errors, others, predicted[1:], strict=True)
        beside = np.array([residual.standardised(*one) for one in each])
        likely = residual.log_likelihood(error, value, predicted[0], beside=beside)
        return likely, *information.coordinates_beside(error, given, predicted)

    return weigh


KIND = Continuous()
