"""What the twin sees ahead."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.events.bands import Band
from twin.events.bounds import MOST_DAYS, Hours, Probability, Tag, UnitCode
from twin.events.channels import ESTIMATES, Channel
from twin.events.envelope import Frozen, OutputEvent
from twin.events.event_time import EventTime
from twin.events.story import at, published


class ForecastBand(Frozen):
    """Quantiles of one model output along ``Forecast.times``, each a tuple of that length (no residual error)."""

    name: Tag
    unit: UnitCode
    q05: tuple[float, ...]
    q25: tuple[float, ...]
    median: tuple[float, ...]
    q75: tuple[float, ...]
    q95: tuple[float, ...]

    @property
    def quantiles(self) -> tuple[tuple[float, ...], ...]:
        """The five rows, smallest quantile first."""
        return (self.q05, self.q25, self.median, self.q75, self.q95)


MOST_TIMES = 5_000
"""Times of a forecast: two hundred days by the hour."""


class Nadir(Frozen):
    """Distribution of the lowest value ahead, and of the days until it from ``seen_from`` on, at most a century."""

    output: Tag
    seen_from: EventTime
    value: Band
    day: Band
    p_grade4: Probability

    @model_validator(mode="after")
    def _lies_within_reach(self) -> Self:
        if not 0 <= min(days := self.day.quantiles) <= max(days) <= MOST_DAYS:
            raise ValueError(f"'day' has {min(days):g} to {max(days):g} days; it must lie within 0 to {MOST_DAYS}")
        return self


class ToxicityAhead(Frozen):
    """A toxicity of the model ahead: ``output`` below or above ``limit``, for ``lasting_hours`` in a row (0: at all).

    ``value`` is the lowest value ahead, or the highest, and ``day`` the days until it from ``seen_from`` on;
    ``probability`` is that of the toxicity within its horizon. ``grade`` is of the CTCAE in version ``ctcae``.
    ``since`` is when the output came to be beyond the limit, more likely than not, where it is.
    """

    name: Tag
    output: Tag
    side: Literal["below", "above"]
    limit: float
    seen_from: EventTime
    value: Band
    day: Band
    probability: Probability
    lasting_hours: Hours = 0.0
    grade: Annotated[int, Field(ge=1, le=5)] | None = None
    ctcae: Tag | None = None
    since: EventTime | None = None


class Forecast(OutputEvent):
    """The twin ahead of ``time``, assuming running infusions finish and planned doses are given as planned.

    ``toxicities`` are all that the model names; ``nadir`` is the lowest value of the first of them that is a count.
    """

    sent_on: ClassVar[Channel] = ESTIMATES
    replay_file: ClassVar[str] = "estimates.ndjson"

    kind: Literal["forecast"] = "forecast"
    times: Annotated[tuple[EventTime, ...], Field(max_length=MOST_TIMES)]
    outputs: tuple[ForecastBand, ...]
    nadir: Nadir | None = None
    toxicities: Annotated[tuple[ToxicityAhead, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _has_a_value_for_each_time(self) -> Self:
        for band in self.outputs:
            lengths = {len(row) for row in band.quantiles}
            if lengths != {len(self.times)}:
                found = ", ".join(map(str, sorted(lengths)))
                raise ValueError(f"output '{band.name}' has {found} values for {len(self.times)} times")
        return self

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
            nadir=Nadir(output="neutrophils", seen_from=at(121), value=lowest, day=day, p_grade4=0.62),
            toxicities=(
                ToxicityAhead(
                    name="neutropenia_g4",
                    output="neutrophils",
                    side="below",
                    limit=0.5,
                    seen_from=at(121),
                    value=lowest,
                    day=day,
                    probability=0.62,
                    grade=4,
                    ctcae="5.0",
                ),
            ),
        )
