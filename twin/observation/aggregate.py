"""Readings of a wearable as a datum: the median of those in one window of the clock, with an error of its own.

In a model file ``vital = { channel = "systolic_bp" }`` says that an output is observed by the readings of a channel.
With prediction f and scatter s (`twin.observation.residual`), readings of one window share a part of it,

    y_j = f + s (sqrt(r) u + sqrt(1 - r) e_j),       r = 1 / independent,

posture, activity, the fit of a cuff; so however many they are they count for ``independent`` at most. Their median is

    y = f + k s t,      k^2 = r + (1 - r) c(n),      c(n) = pi / (2 n + pi - 2),

with n readings (c is 1 for one, and near the variance of a median of n normal ones), and Student-t in place of normal,
for a window in which a cuff slipped. Where readings scatter more than s says, by the spread q of their median absolute
deviation, (q / s)^2 stands for 1 - r where that is more. Between windows the error is taken to be independent, as it
is between the readings that s was fitted to.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from twin.clock import DAY_MS, HOUR_MS
from twin.events import VITAL_RANGES
from twin.model.measured.error import ErrorSpec
from twin.model.measured.vital import VitalSpec
from twin.model.table import Table
from twin.observation.residual import scale
from twin.units import UnitError, convert

WINDOW, WHY_WINDOW = 1.0, "an hour: pressure and pulse follow the day, and hardly change within one"
INDEPENDENT, WHY_INDEPENDENT = 2.0, "two readings at most: half of the variance is shared by all of a window"
DF, WHY_DF = 4.0, "Student-t with 4 degrees of freedom: now and then a cuff slips or an arm moves"

SHORTEST, LONGEST = 1 / 60, 7 * DAY_MS / HOUR_MS
"""Hours that a window may last."""

NORMAL_MAD = 1.4826
"""Standard deviation of a normal law over its median absolute deviation."""

FEWEST = 3
"""Readings of which a spread can be told."""


class Summary(NamedTuple):
    """Readings of one window: how many, their median, and 1.4826 times their median absolute deviation from it."""

    number: int
    median: float
    spread: float


def summary(values: Sequence[float]) -> Summary:
    """The summary of at least one reading."""
    median = _median(values)
    return Summary(len(values), median, NORMAL_MAD * _median([abs(value - median) for value in values]))


def in_unit(found: Summary, unit: str, to: str) -> Summary:
    """The summary of readings in another unit, which may have its zero elsewhere."""
    if unit == to:
        return found
    median = convert(found.median, unit, to)
    return Summary(found.number, median, abs(convert(found.median + found.spread, unit, to) - median))


def error_of(error: ErrorSpec, vital: VitalSpec, found: Summary) -> ErrorSpec:
    """The error of a window's median, for the ``error`` of one reading."""
    shared = 1.0 / vital.independent
    own = 1.0 - shared
    if found.number >= FEWEST:
        # How far it scatters is taken at what was measured, so that it is the same for every prediction.
        once = float(scale(error, np.array([found.median]))[0])
        own = max(own, (found.spread * _slope(error, found.median) / once) ** 2)
    factor = math.sqrt(shared + own * math.pi / (2 * found.number + math.pi - 2))
    return _scaled(error, round(factor, 2), vital.df)


def read_vital(table: Table, unit: str) -> VitalSpec | None:
    """The vital sign of an output in ``unit``, from its section; ``None`` where it names none.

    Raises:
        ModelError: an unknown channel, one whose readings have no such unit, or a number without its reason.
    """
    if not table.has("vital"):
        return None
    inner = table.table("vital")
    channel = inner.choice("channel", [name for name in VITAL_RANGES if name != "steps"])
    told = [inner.optional_number(key, **limits) for key, limits in _NUMBERS.items()]
    for key, number, most in zip(_NUMBERS, told, (LONGEST, math.inf, math.inf), strict=True):
        if number is not None and number > most:
            raise inner.wrong(key, f"is {number:g} h; it must be at most {most:g}")
    source, assumed = inner.evidence() if any(number is not None for number in told) else (None, None)
    reasons = [assumed] if assumed else []
    reasons += [why for number, (_, why) in zip(told, _USUAL, strict=True) if number is None]
    window, independent, df = (
        usual if number is None else number for number, (usual, _) in zip(told, _USUAL, strict=True)
    )
    inner.close()
    try:
        convert(1.0, VITAL_RANGES[channel][0], unit)
    except UnitError as error:
        raise inner.wrong("channel", f"is '{channel}', whose readings do not fit the output: {error}") from None
    return VitalSpec(channel, window, independent, df, source, "; ".join(reasons) or None)


def in_words(vital: VitalSpec) -> str:
    """What is gathered, for a card."""
    counted = f"counted for {vital.independent:g} readings at most, Student-t with {vital.df:g} degrees of freedom"
    return f"median of the readings of {vital.channel} in each {vital.window:g} h, {counted}"


_NUMBERS = {"window": {"least": SHORTEST}, "independent": {"least": 1.0}, "df": {"above": 2.0}}
_USUAL = ((WINDOW, WHY_WINDOW), (INDEPENDENT, WHY_INDEPENDENT), (DF, WHY_DF))


def _median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def _slope(error: ErrorSpec, value: float) -> float:
    """By how much the error's own scale changes with the output, at a value."""
    if error.logarithmic:
        return 1.0 / value
    return 1.0 if error.box_cox is None else float(value ** (error.box_cox - 1.0))


@functools.lru_cache(maxsize=1024)
def _scaled(error: ErrorSpec, factor: float, df: float) -> ErrorSpec:
    """``factor`` times as far, with heavy tails."""
    return replace(
        error,
        additive=factor * error.additive,
        proportional=factor * error.proportional,
        df=df,
        outliers=None,
        replicate_correlation=None,
    )
