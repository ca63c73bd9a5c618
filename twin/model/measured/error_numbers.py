"""The numbers of a residual error, each with the scale that it is moved on while it is estimated.

| number | between | scale |
|---|---|---|
| ``additive``, ``proportional``, ``dispersion`` | 0 and infinity | logarithm |
| ``exponent`` of a power of the prediction | anything | its own |
| ``box_cox``, exponent of the scale on which values scatter | anything | its own |
| ``df`` of a Student-t error | 2 and infinity | log(df - 2) |
| ``outlier_share`` | 0 and 0.5 | log(s / (0.5 - s)) |
| ``outlier_widening`` | 1 and infinity | log(w - 1) |
| ``replicate_correlation`` | 0 and 1 | log(r / (1 - r)) |
| ``independent`` readings of a wearable | 1 and infinity | log(i - 1) |
| ``vital_df`` of the median of such readings | 2 and infinity | log(df - 2) |

What an error has of them hangs on its kind (`numbers_of`). An exponent may go through 0, where the error is additive,
or its scale that of logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from twin.model.measured.error import ErrorSpec, OutlierSpec, ReadingsSpec


class ErrorNumber(NamedTuple):
    """A number of an error: what it is called, and the ``low`` and ``high`` that it lies between, and never is."""

    name: str
    low: float
    high: float
    section: Literal["error", "vital"] = "error"

    def called(self, output: str) -> str:
        """Its name as a number of a population: ``error.plasma.df``, ``vital.pressure.df``."""
        return f"{self.section}.{output}.{self.name.removeprefix('vital_')}"

    @property
    def size(self) -> bool:
        """Whether it is a size: greater than 0, and without end."""
        return self.low == 0.0 and math.isinf(self.high)

    def of(self, error: ErrorSpec) -> float | None:
        """What it is in an error; ``None`` where that has no such number."""
        match self.name:
            case "exponent":
                return error.exponent if error.raised else None
            case "outlier_share":
                return None if error.outliers is None else error.outliers.share
            case "outlier_widening":
                return None if error.outliers is None else error.outliers.widening
            case "vital_df":
                return None if error.readings is None else error.readings.df
            case "independent":
                # One is the end of what it can be: then all of a window say what one of them does.
                independent = 1.0 if error.readings is None else error.readings.independent
                return independent if independent > 1.0 else None
            case "box_cox" | "df" | "replicate_correlation":
                found: float | None = getattr(error, self.name)
                return found
        return getattr(error, self.name) or None

    def holds(self, value: float) -> bool:
        """Whether it can be that much."""
        return self.low < value < self.high

    def placed(self, value: float) -> float:
        """Where a value is on the scale that it is moved on."""
        if math.isinf(self.low):
            return value
        above = float(np.log(value - self.low))
        return above if math.isinf(self.high) else above - float(np.log(self.high - value))

    def natural(self, place: float) -> float:
        """The value at a place on that scale; infinity where it is beyond what a number can be."""
        if math.isinf(self.low):
            return place
        if math.isinf(self.high):
            with np.errstate(over="ignore"):
                return self.low + float(np.exp(place))
        share = 1.0 / (1.0 + math.exp(-place)) if place > 0.0 else math.exp(place) / (1.0 + math.exp(place))
        return self.low + (self.high - self.low) * share

    def moved(self, value: float, by: float) -> float:
        """The value so far from one on that scale: of a size, to the last bit so many times as much."""
        if math.isinf(self.high) and not math.isinf(self.low):
            return self.low + (value - self.low) * float(np.exp(by))
        return self.natural(self.placed(value) + by)

    def slope(self, value: float) -> float:
        """d value / d place."""
        if math.isinf(self.low):
            return 1.0
        above = value - self.low
        return above if math.isinf(self.high) else above * (self.high - value) / (self.high - self.low)


NUMBERS = (
    ErrorNumber("additive", 0.0, math.inf),
    ErrorNumber("proportional", 0.0, math.inf),
    ErrorNumber("dispersion", 0.0, math.inf),
    ErrorNumber("exponent", -math.inf, math.inf),
    ErrorNumber("box_cox", -math.inf, math.inf),
    ErrorNumber("df", 2.0, math.inf),
    ErrorNumber("outlier_share", 0.0, 0.5),
    ErrorNumber("outlier_widening", 1.0, math.inf),
    ErrorNumber("replicate_correlation", 0.0, 1.0),
    ErrorNumber("independent", 1.0, math.inf, "vital"),
    ErrorNumber("vital_df", 2.0, math.inf, "vital"),
)


def number_called(name: str) -> ErrorNumber | None:
    """The number by what it is called of some output; ``None`` of any other number of a population."""
    output = name.partition(".")[2].rpartition(".")[0]
    return next((one for one in NUMBERS if output and one.called(output) == name), None)


def number_of(name: str) -> ErrorNumber:
    """The number by its own name; `StopIteration` of another one."""
    return next(one for one in NUMBERS if one.name == name)


def numbers_of(error: ErrorSpec) -> tuple[int, ...]:
    """Which of `NUMBERS` an error has."""
    return tuple(n for n, one in enumerate(NUMBERS) if one.of(error) is not None)


def renumbered(error: ErrorSpec, values: Mapping[str, float]) -> ErrorSpec:
    """An error with other numbers, of those that it has, by name."""
    if (old_readings := error.readings) is not None:
        independent = values.get("independent", old_readings.independent)
        error = replace(error, readings=ReadingsSpec(independent, values.get("vital_df", old_readings.df)))
        values = {name: value for name, value in values.items() if number_of(name).section == "error"}
    plain = {name: value for name, value in values.items() if not name.startswith("outlier_")}
    if len(plain) < len(values):
        old = error.outliers
        assert old is not None, "only what has outliers has their numbers"
        plain_outliers = OutlierSpec(
            values.get("outlier_share", old.share), values.get("outlier_widening", old.widening)
        )
        return replace(error, **plain, outliers=plain_outliers)  # type: ignore[arg-type]
    return replace(error, **plain)  # type: ignore[arg-type]
