"""What was measured of a model's output, as the filter reads it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from twin.model.measured.error import ErrorSpec
from twin.model.spec import OutputSpec


@dataclass(frozen=True, slots=True)
class MeasuredValue:
    """A measurement: its ``value``, or the limit that it is known only to lie ``below`` or ``above``."""

    value: float
    below: float | None = None
    above: float | None = None

    @property
    def limit(self) -> float | None:
        """The limit, whichever side it is on."""
        return self.above if self.below is None else self.below


@dataclass(frozen=True, slots=True)
class Observation:
    """A measured model output, in the output's unit.

    Attributes:
        below, above: the limit of a value known only to lie under, or over it.
        earlier: what was measured of the same output at the same instant and comes before this in event-time order,
            where that matters: replicates that correlate, and looks for an event.
        moments: ms around ``millis`` at which the sample may have been drawn (`twin.observation.sampling_time`), or
        none.
        number: how many of the same output at the same instant come before it.
        recorded: ms that it was recorded at, where ``millis`` only lies after what the record has above it there.
        error: of a value that sums up readings (`twin.observation.aggregate`), in place of the output's.
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
    error: ErrorSpec | None = None

    @property
    def time(self) -> int:
        """The ms to call it by."""
        return self.millis if self.recorded is None else self.recorded


def output_of(outputs: Sequence[OutputSpec], observation: Observation) -> OutputSpec:
    """The output that was observed, of those of a model, with the error of this observation."""
    output = outputs[observation.output]
    return output if observation.error is None else _with_error(output, observation.error)


@functools.lru_cache(maxsize=1024)
def _with_error(output: OutputSpec, error: ErrorSpec) -> OutputSpec:
    return replace(output, error=error)
