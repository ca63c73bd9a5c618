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

A fit estimates ``independent``, and the degrees of freedom, where the record tells of them: windows with different
numbers of readings, or with readings beside what was measured singly, say how far k falls. It weighs all windows of an
output at once (`Windows`); a twin takes k to two digits (`error_of`), so that windows share what is worked out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.clock import DAY_MS, HOUR_MS
from twin.events import VITAL_RANGES
from twin.model.measured.error import ErrorSpec, ReadingsSpec
from twin.model.measured.vital import VitalSpec
from twin.model.table import Table
from twin.observation import information, residual
from twin.observation.observation import Observation, Summary
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


@dataclass(frozen=True, eq=False)
class Windows:
    """Readings of n windows of one output, as `Summary` has them, (n, 1) each: how many, their median, and spread."""

    number: Floats
    median: Floats
    spread: Floats

    @classmethod
    def of(cls, found: Sequence[Summary]) -> Windows:
        """Of summaries."""
        number, median, spread = np.array(found, dtype=np.float64).reshape(len(found), 3).T[:, :, None]
        return cls(number, median, spread)

    def factor(self, error: ErrorSpec) -> Floats:
        """k (n, 1): how far each median scatters, in units of the ``error`` of one reading."""
        assert error.readings is not None, "of an output that readings observe"
        shared = 1.0 / error.readings.independent
        # How far it scatters is taken at what was measured, so that it is the same for every prediction.
        with np.errstate(divide="ignore", invalid="ignore"):
            seen = (self.spread * _slope(error, self.median) / residual.scale(error, self.median)) ** 2
        own = np.where(self.number >= FEWEST, np.fmax(seen, 1.0 - shared), 1.0 - shared)
        return np.asarray(np.sqrt(shared + own * math.pi / (2.0 * self.number + math.pi - 2.0)))

    def log_likelihood(self, error: ErrorSpec, predicted: Floats) -> Floats:
        """Log density (n, N) of the medians given predictions (n, N), for the ``error`` of one reading."""
        return residual.log_likelihood(_alone(error), self.median, predicted, stretch=self.factor(error))

    def information(self, error: ErrorSpec, predicted: Floats) -> tuple[Floats, Floats]:
        """Coordinates and weights (Q, n, N) of them (`twin.observation.information`)."""
        place, weight = information.coordinates(_alone(error), predicted)
        weight = np.broadcast_to(weight, place.shape).copy()
        weight[0] /= self.factor(error) ** 2
        return place, weight


def stretches(errors: Sequence[ErrorSpec], observations: Sequence[Observation]) -> Floats:
    """How far values (n,) scatter in units of the ``errors`` of their outputs: 1 of what sums up no readings."""
    found = np.ones(len(observations))
    for n, o in enumerate(observations):
        if o.readings is not None:
            found[n] = Windows.of([o.readings]).factor(errors[o.output])[0, 0]
    return found


@functools.lru_cache(maxsize=4096)
def error_of(error: ErrorSpec, found: Summary) -> ErrorSpec:
    """The error of a window's median, for the ``error`` of one reading."""
    return _scaled(_alone(error), round(float(Windows.of([found]).factor(error)[0, 0]), 2))


def read_vital(table: Table, unit: str) -> tuple[VitalSpec, ReadingsSpec] | None:
    """The vital sign of an output in ``unit``, from its section, and how its readings scatter; ``None`` where it names
    none.

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
    return VitalSpec(channel, window, source, "; ".join(reasons) or None), ReadingsSpec(independent, df)


def in_words(vital: VitalSpec, readings: ReadingsSpec) -> str:
    """What is gathered, for a card."""
    counted = f"counted for {readings.independent:g} readings at most"
    counted += f", Student-t with {readings.df:g} degrees of freedom"
    return f"median of the readings of {vital.channel} in each {vital.window:g} h, {counted}"


_NUMBERS = {"window": {"least": SHORTEST}, "independent": {"least": 1.0}, "df": {"above": 2.0}}
_USUAL = ((WINDOW, WHY_WINDOW), (INDEPENDENT, WHY_INDEPENDENT), (DF, WHY_DF))


def _median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def _slope(error: ErrorSpec, value: Floats) -> Floats:
    """By how much the error's own scale changes with the output, at values."""
    if error.logarithmic:
        return 1.0 / value
    return np.ones_like(value) if error.box_cox is None else np.asarray(value ** (error.box_cox - 1.0))


def _alone(error: ErrorSpec) -> ErrorSpec:
    """The error of a median of one reading: with heavy tails, and nothing else."""
    assert error.readings is not None, "of an output that readings observe"
    return replace(error, df=error.readings.df, outliers=None, replicate_correlation=None, beside=(), readings=None)


@functools.lru_cache(maxsize=1024)
def _scaled(error: ErrorSpec, factor: float) -> ErrorSpec:
    """``factor`` times as far."""
    return replace(error, additive=factor * error.additive, proportional=factor * error.proportional)
