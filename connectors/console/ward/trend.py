"""The last days of a patient's count, as a line small enough for a line of the ward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from twin.events import Estimate

HOURS_KEPT = 168
"""Estimates that a trend looks back over: a week of hourly ones."""

POINTS_SHOWN = 28
"""Values of a trend at the most: one in six hours over a week."""


class Seen(NamedTuple):
    """The median of the output that is followed, in ``unit``, at ``millis``."""

    millis: int
    output: str
    unit: str
    value: float


class Trend(msgspec.Struct, frozen=True):
    """``values`` in ``unit`` from ``begins`` to ``ends`` (ms), evenly through the estimates, the newest last."""

    output: str
    unit: str
    begins: int
    ends: int
    values: tuple[float, ...]


def is_count(unit: str) -> bool:
    """Cells per volume, as UCUM writes them (``10*9/L``)."""
    return unit.startswith(("10*", "10^"))


def followed(estimate: Estimate, millis: int) -> Seen | None:
    """What is followed of an estimate: its first count, or its first output where the model has no count."""
    bands = estimate.outputs
    band = next((band for band in bands if is_count(band.unit)), bands[0] if bands else None)
    return None if band is None else Seen(millis, band.name, band.unit, float(f"{band.median:.3g}"))


def trend_of(seen: Sequence[Seen]) -> Trend | None:
    """The trend of what was followed, oldest first; None of fewer than two values of what is followed now.

    >>> trend_of([Seen(0, "ANC", "10*9/L", 4.1), Seen(3_600_000, "ANC", "10*9/L", 3.9)]).values
    (4.1, 3.9)
    """
    alike = [one for one in seen if (one.output, one.unit) == (seen[-1].output, seen[-1].unit)]
    if len(alike) < 2:
        return None
    step = -(-len(alike) // POINTS_SHOWN)
    shown = alike[::-1][::step][::-1]
    last = alike[-1]
    return Trend(last.output, last.unit, shown[0].millis, last.millis, tuple(one.value for one in shown))
