"""What was measured of a model's output, as the filter reads it.

Values of one patient at one instant, of outputs whose residuals correlate, were measured together: whoever weighs one
value after the other weighs each given those before it, and a fit weighs them as one (`twin.population.joint`).
Replicates pair in the order in which they were measured. What is known only by a limit, may have been drawn at several
moments or has no place on the scale of its error counts by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from twin.model.measured.error import ErrorSpec
from twin.observation.residual_correlation import blocks_of


@dataclass(frozen=True, slots=True)
class MeasuredValue:
    """A measurement: its ``value``, or the limit that it is known only to lie ``below`` or ``above``.

    ``output`` is that of the model which it is of, where what it is told beside is of another.
    """

    value: float
    below: float | None = None
    above: float | None = None
    output: int | None = None

    @property
    def limit(self) -> float | None:
        """The limit, whichever side it is on."""
        return self.above if self.below is None else self.below


class Summary(NamedTuple):
    """Readings of one window: how many, their median, and 1.4826 times their median absolute deviation from it."""

    number: int
    median: float
    spread: float


@dataclass(frozen=True, slots=True)
class Observation:
    """A measured model output, in the output's unit.

    Attributes:
        below, above: the limit of a value known only to lie under, or over it.
        earlier: what was measured at the same instant and comes before this in event-time order, where that matters:
            of the same output replicates that correlate, and looks for an event; or of others whose residuals correlate
            with this one's.
        moments: ms around ``millis`` at which the sample may have been drawn (`twin.observation.sampling_time`), or
        none.
        number: how many of the same output at the same instant come before it.
        recorded: ms that it was recorded at, where ``millis`` only lies after what the record has above it there.
        readings: what it sums up, in the output's unit, where its value is their median (`twin.observation.aggregate`).
    """

    millis: int
    event_id: str
    output: int
    value: float
    below: float | None = None
    above: float | None = None
    earlier: tuple[MeasuredValue, ...] = ()
    moments: tuple[int, ...] = ()
    recorded: int | None = None
    number: int = 0
    readings: Summary | None = None

    @property
    def time(self) -> int:
        """The ms to call it by."""
        return self.millis if self.recorded is None else self.recorded

    @property
    def reads(self) -> tuple[int, ...]:
        """The outputs whose predictions its likelihood reads, one after the other: its own, and others' beside it."""
        return (self.output, *(one.output for one in self.earlier if one.output is not None))


def measured_together(observations: Sequence[Observation], errors: Sequence[ErrorSpec]) -> list[list[int]]:
    """Places of values of one patient that were measured together, by output: two or more in each group."""
    if not any(error.beside for error in errors):
        return []
    block = blocks_of(errors)
    together: dict[tuple[int, int, int], list[int]] = {}
    for n, o in enumerate(observations):
        if block[o.output] >= 0 and _stands(o, errors[o.output]):
            together.setdefault((o.millis, block[o.output], o.number), []).append(n)
    return [sorted(each, key=lambda n: observations[n].output) for each in together.values() if len(each) > 1]


def in_turn(observations: Sequence[Observation], errors: Sequence[ErrorSpec]) -> tuple[Observation, ...]:
    """Values of one patient, those that were measured together each with those before it."""
    if not any(error.beside for error in errors):
        return tuple(observations)
    found = list(by_themselves(observations))
    for places in measured_together(observations, errors):
        before: list[MeasuredValue] = []
        for n in sorted(places):
            found[n] = replace(found[n], earlier=tuple(before))
            before.append(MeasuredValue(found[n].value, output=found[n].output))
    return tuple(found)


def by_themselves(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Values without those of other outputs beside them."""
    return tuple(replace(o, earlier=()) if len(o.reads) > 1 else o for o in observations)


def _stands(o: Observation, error: ErrorSpec) -> bool:
    """Whether a value is normal around its prediction, on the scale of its error."""
    known = o.below is None and o.above is None and not o.moments and o.readings is None
    return known and not (error.transformed and o.value <= 0.0)
