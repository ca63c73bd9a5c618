"""What the twin expected of a value that was then measured."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.bounds import Probability, Tag, UnitCode
from twin.events.channels import ESTIMATES, Channel
from twin.events.envelope import OutputEvent
from twin.events.story import published


class Prediction(OutputEvent):
    """What the twin expected of a measured value just before it was told (with residual error).

    ``below``, ``above``: the limit of a value that is known only to lie under, or over it.
    """

    sent_on: ClassVar[Channel] = ESTIMATES
    replay_file: ClassVar[str] = "predictions.ndjson"

    kind: Literal["prediction"] = "prediction"
    output: Tag
    unit: UnitCode
    observed: float
    below: float | None = None
    above: float | None = None
    median: float
    q05: float
    q25: float
    q75: float
    q95: float
    pit: Probability
    innovation: float
    population_median: float

    @classmethod
    def example(cls) -> Self:
        return cls(
            **published("prediction", 120),
            output="neutrophils",
            unit="10*9/L",
            observed=1.4,
            median=1.7,
            q05=0.9,
            q25=1.3,
            q75=2.2,
            q95=3.1,
            pit=0.29,
            innovation=-0.55,
            population_median=1.6,
        )
