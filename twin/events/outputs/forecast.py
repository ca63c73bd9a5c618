"""What the twin sees ahead."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import AwareDatetime

from twin.events.bands import Band
from twin.events.channels import ESTIMATES, Channel
from twin.events.envelope import Frozen, Name, OutputEvent
from twin.events.story import at, published


class ForecastBand(Frozen):
    """Quantiles of one model output along ``Forecast.times``, each a tuple of that length (no residual error)."""

    name: Name
    unit: str
    q05: tuple[float, ...]
    q25: tuple[float, ...]
    median: tuple[float, ...]
    q75: tuple[float, ...]
    q95: tuple[float, ...]


class Nadir(Frozen):
    """Distribution of the lowest value ahead and of the days from ``Forecast.time`` until it."""

    output: Name
    value: Band
    day: Band
    p_grade4: float


class Forecast(OutputEvent):
    """The twin ahead of ``time``, assuming running infusions finish and planned doses are given as planned."""

    sent_on: ClassVar[Channel] = ESTIMATES
    replay_file: ClassVar[str] = "estimates.ndjson"

    kind: Literal["forecast"] = "forecast"
    times: tuple[AwareDatetime, ...]
    outputs: tuple[ForecastBand, ...]
    nadir: Nadir | None = None

    @classmethod
    def example(cls) -> Self:
        neutrophils = ForecastBand(
            name="neutrophils",
            unit="10*9/L",
            q05=(1.1, 0.2),
            q25=(1.3, 0.35),
            median=(1.5, 0.45),
            q75=(1.7, 0.6),
            q95=(2.0, 0.9),
        )
        lowest, day = Band.around("neutrophils", "10*9/L", 0.45), Band.around("day", "d", 2.5)
        return cls(
            **published("forecast", 121),
            times=(at(121), at(169)),
            outputs=(neutrophils,),
            nadir=Nadir(output="neutrophils", value=lowest, day=day, p_grade4=0.62),
        )
