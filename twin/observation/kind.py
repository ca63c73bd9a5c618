"""What the twin asks of a kind of output, from its section in a model file to the diagnostics of a study.

Each kind is one file in `twin.observation.kinds` with one object, ``KIND``. Whoever holds an output asks
`twin.observation.kinds.kind_of` for it, and nobody but that file knows what is special about the kind.

``rows`` (R, N) are what the kernel computed of an output for N particles at the instant of a measurement
(`Kernel.rows`): the output's ``further`` formulas, or its ``expression`` where it has none; and after them those of
other outputs that its value is weighed beside (`Observation.reads`).
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from twin.arrays import Floats
from twin.model.spec import OutputSpec, StateSpec
from twin.model.table import Table
from twin.observation import residual
from twin.observation.observation import MeasuredValue, Observation

LEAST = 1e-300
"""Probabilities, means and hazards are not taken below this: their logarithm stays finite."""


@dataclass(frozen=True)
class OutputSection:
    """A section of [outputs] in a model file: its table, and what its formulas may name or ask of the record."""

    name: str
    aliases: tuple[str, ...]
    table: Table
    names: Collection[str]
    record: Mapping[str, Collection[str]]

    def formula(self, key: str) -> ast.expr:
        """A formula that must be there."""
        return self.table.formula(key, self.names, None, self.record)

    def formulas(self, key: str) -> tuple[ast.expr, ...]:
        """A list of formulas that must be there."""
        return self.table.formulas(key, self.names, self.record)


class StatedFormula(NamedTuple):
    """A formula as an output's section states it, under ``key``; in ``unit``, or in that per model time unit."""

    key: str
    expression: ast.expr
    unit: str
    per_time: bool = False


@dataclass(frozen=True)
class Batch:
    """Values of one output that are weighed in one call.

    Attributes:
        observations: the n values.
        weigh: from rows (n, R, N) their log-likelihoods (n, N), and the coordinates and weights (Q, n, N) of their
            information.
    """

    observations: tuple[Observation, ...]
    weigh: Callable[[Floats], tuple[Floats, Floats, Floats]]


@runtime_checkable
class OutputKind(Protocol):
    """A kind of output. Objects of it hold nothing and can be shared.

    Attributes:
        name: ``kind`` in a model file.
        sketch: what its section in a model file holds, for whoever writes one.
        discrete: values are whole numbers that have probabilities; else they have a density.
        sampled: a sample is drawn, at a time that may be uncertain; else something is seen.
        awaited: what is measured is the moment at which something happens, by looks that find that it has or has not.
    """

    name: ClassVar[str]
    sketch: ClassVar[str]
    discrete: ClassVar[bool]
    sampled: ClassVar[bool] = True
    awaited: ClassVar[bool] = False

    # --- from a model file, and onto the model's card

    @abstractmethod
    def read(self, section: OutputSection) -> tuple[OutputSpec, tuple[StateSpec, ...]]:
        """The output of a section, and the states that the kind adds to the model for it.

        Raises:
            ModelError: what is missing in the section, or wrong.
        """

    def stated(self, output: OutputSpec) -> tuple[StatedFormula, ...]:
        """The formulas that its section states, with the units that they must have."""
        return (StatedFormula("expression", output.expression, output.unit),)

    def flaw(self, output: OutputSpec, values: Sequence[float]) -> tuple[str, str] | None:
        """What is wrong with the values of `stated` in the typical patient: a key of the section, and a problem."""
        return None

    def own_state(self, output: OutputSpec) -> str | None:
        """The state that the kind added for the output, which begins anew at 0 after each look, if it did."""
        return None

    def formula_in_words(self, output: OutputSpec) -> str:
        """What is predicted, as the file writes it."""
        return ast.unparse(output.expression)

    def scatter_in_words(self, output: OutputSpec) -> str:
        """How values scatter about what is predicted, where that takes words."""
        return ""

    # --- what may be reported

    def refusal(self, output: OutputSpec, value: float, *, limited: bool) -> str | None:
        """Why a reported value, in the output's unit, cannot be one of this output: field, value, mend.

        It is not negative unless the output `weighs_negative`. ``limited`` says that it is reported as a limit
        which the value lies beyond.
        """
        return None

    def weighs_zero(self, output: OutputSpec) -> bool:
        """Whether a measured 0 has a likelihood; else only that it lies below a limit does."""
        return True

    def weighs_negative(self, output: OutputSpec) -> bool:
        """Whether a value may be negative, so that 0 is one like any other, of a laboratory too."""
        return False

    def zero_below(self, output: OutputSpec) -> float | None:
        """Limit, in the output's unit, under which a laboratory's 0 is known only to lie; ``None``: none is known."""
        return None

    def conditional(self, output: OutputSpec) -> bool:
        """Whether values at one instant depend on each other: a later one is weighed given the earlier ones."""
        return False

    # --- what a value says

    @abstractmethod
    def log_likelihood(self, output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
        """Log-likelihood (N,) of a value given rows (R, N)."""

    @abstractmethod
    def levels(self, output: OutputSpec, observation: Observation, rows: Floats) -> tuple[Floats, Floats]:
        """The range of the distribution function's levels that a value stands for, (N,) each."""

    @abstractmethod
    def information(self, output: OutputSpec, rows: Floats) -> tuple[Floats, Floats]:
        """Coordinates and weights (Q, N) of one value (`twin.observation.information`)."""

    def batches(self, output: OutputSpec, observations: Sequence[Observation]) -> tuple[Batch, ...]:
        """Those of an output's values that can be weighed together; the others are weighed one by one."""
        return ()

    # --- values that might have been

    @abstractmethod
    def at_levels(
        self, output: OutputSpec, rows: Floats, levels: Floats, earlier: tuple[MeasuredValue, ...] = ()
    ) -> Floats:
        """Values (N, P) at ``levels`` (N, P) of their distribution function; at uniform ones they are simulated.

        ``earlier`` are those that it is conditional on, with predictions of others' outputs in ``rows`` after its own;
        without them it stands alone.
        """

    def spread_out(
        self, output: OutputSpec, rows: Floats, points: int, earlier: tuple[MeasuredValue, ...] = ()
    ) -> Floats:
        """Values (N, points) that rows stand for, one in each of ``points`` equal shares of probability."""
        return self.at_levels(output, rows, residual.levels_of(rows.shape[1], points), earlier)

    def moment(self, level: float, since: float, moments: Floats, rows: Floats) -> float | None:
        """When what is awaited happens after the look at ``since``, if it does by the last of ``moments``.

        ``rows`` (T, R) are those of one particle at ``moments`` (T,); a ``level`` in (0, 1), drawn evenly, is that of
        the survival function.
        """
        return None

    # --- diagnostics

    def on_scale(self, output: OutputSpec, values: Floats) -> Floats:
        """Values (any shape) on the scale on which their scatter is even."""
        return values

    def iwres(self, output: OutputSpec, value: float, predicted: float) -> float:
        """Individual weighted residual of a value: its distance from the prediction in standard deviations, or NaN."""
        return float("nan")


def not_whole(output: OutputSpec, value: float, highest: int | None = None) -> str | None:
    """Why a value is no whole number from 0 to ``highest``; ``None`` when it is."""
    if value == round(value) and (highest is None or value <= highest):
        return None
    wanted = "a whole number" if highest is None else f"one of 0 to {highest}"
    return f"field 'value': {value:g} is no {output.kind} of {output.name}; send {wanted}"
