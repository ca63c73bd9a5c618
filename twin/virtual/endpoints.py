"""Endpoints: what a virtual patient's true course, without residual error, comes to.

================  ====================================================================================
below, above      1 if the output is beyond ``limit`` at any time (``lasting_days`` in a row), else 0
within            1 if it ends from ``low`` to ``high``, else 0
lowest, highest   of the output
mean, area        over time; area in unit times days; what falls between two times falls exponentially
at_end            the last value
================  ====================================================================================

All are of the days ``from_days`` to ``until_days`` since the first dose, as long as the patient stays. ``leavers`` says
what counts of who left before the end: what was seen of them, nothing, or, of a yes or no, that it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import DAY_MS
from twin.model.table import Table
from twin.nca.trapezoids import Course
from twin.trial.course import TrueCourse

MeasureName = Literal["below", "above", "within", "lowest", "highest", "mean", "area", "at_end"]
MEASURES: tuple[MeasureName, ...] = ("below", "above", "within", "lowest", "highest", "mean", "area", "at_end")
YES_OR_NO: frozenset[MeasureName] = frozenset({"below", "above", "within"})

Leavers = Literal["as seen", "left out", "came"]
LEAVERS: tuple[Leavers, ...] = ("as seen", "left out", "came")


@dataclass(frozen=True)
class Endpoint:
    """One endpoint; see the module docstring. ``output`` is an output, or a target's state."""

    name: str
    measure: MeasureName
    output: str
    limit: float = np.nan
    low: float = -np.inf
    high: float = np.inf
    lasting_days: float = 0.0
    from_days: float = 0.0
    until_days: float = np.inf
    leavers: Leavers = "as seen"

    @property
    def yes_or_no(self) -> bool:
        """Whether it is a share that arms are compared by."""
        return self.measure in YES_OR_NO

    def of(self, times: NDArray[np.int64], values: Floats, first: int, left: int | None) -> float:
        """What one patient's course comes to; NaN where it does not count.

        Args:
            times: (T,) ms, ascending; ``values`` (T,) of the output.
            first: ms of the first dose.
            left: ms at which the patient left, if it did.
        """
        begin, end = first + self.from_days * DAY_MS, first + self.until_days * DAY_MS
        gone = left is not None and left < min(end, float(times[-1]))
        if gone and self.leavers != "as seen":
            return np.nan if self.leavers == "left out" else 1.0
        kept = (times >= begin) & (times <= (min(end, left) if left is not None else end))
        if not kept.any():
            return np.nan
        return _measured(self, times[kept], values[kept])


def _measured(endpoint: Endpoint, times: NDArray[np.int64], values: Floats) -> float:
    match endpoint.measure:
        case "below" | "above":
            sign = 1.0 if endpoint.measure == "below" else -1.0
            course, lasting = TrueCourse(times, sign * values), round(endpoint.lasting_days * DAY_MS)
            came = course.falls_below(sign * endpoint.limit, int(times[0]), int(times[-1]), lasting)
            return float(came)
        case "within":
            return float(endpoint.low <= values[-1] <= endpoint.high)
        case "lowest":
            return float(values.min())
        case "highest":
            return float(values.max())
        case "area":
            return _area(times, values)
        case "mean":
            days = float(times[-1] - times[0]) / DAY_MS
            return _area(times, values) / days if len(times) > 1 else float(values[0])
        case _:
            return float(values[-1])


def _area(times: NDArray[np.int64], values: Floats) -> float:
    """In unit times days: between courses that fall and straight lines up, so that a level is followed exactly."""
    return float(Course.by("linear_up_log_down", times / DAY_MS, values).areas().sum())


def read_endpoint(table: Table) -> Endpoint:
    """A table ``[[endpoints]]``.

    Raises:
        ModelError: an entry that cannot be used.
    """
    measure = cast("MeasureName", table.choice("measure", MEASURES))
    leavers = cast("Leavers", table.choice("leavers", LEAVERS)) if table.has("leavers") else "as seen"
    if leavers == "came" and measure not in YES_OR_NO:
        raise table.wrong("leavers", f"'came' is of a yes or no, and '{measure}' is a value; write 'left out'")
    limit, low, high = np.nan, None, None
    if measure in ("below", "above"):
        limit = table.number("limit")
    if measure == "within":
        low, high = table.optional_number("low"), table.optional_number("high")
        if low is None and high is None:
            raise table.wrong("low", "or 'high' is missing; a window has at least one end")
    begin, until = table.optional_number("from_days", least=0.0) or 0.0, table.optional_number("until_days", above=0.0)
    if until is not None and until <= begin:
        raise table.wrong("until_days", f"is {until:g}, not after from_days {begin:g}")
    lasting = table.optional_number("lasting_days", least=0.0)
    if lasting is not None and measure not in ("below", "above"):
        raise table.wrong("lasting_days", f"goes with 'below' and 'above', not with '{measure}'; leave it out")
    return Endpoint(
        table.text("name"),
        measure,
        table.text("output"),
        limit,
        -np.inf if low is None else low,
        np.inf if high is None else high,
        lasting or 0.0,
        begin,
        np.inf if until is None else until,
        leavers,
    )
