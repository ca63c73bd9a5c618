"""What came of the doses of one patient, course by course: exposure, grade 4, and how much was given.

Truth is without residual error, and of the whole course: an exposure is what it was just before the next course, and a
toxicity counts when it came at any time until then, or within its own horizon if that is over before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.model.spec import Model, TargetSpec, ToxicitySpec
from twin.trial.course import TrueCourse

NEAR = 0.1
"""``near``: an exposure within this of the middle of its window."""


@dataclass(frozen=True)
class Cycle:
    """One course as it came out.

    Attributes:
        intensity: mg given, of those planned.
        exposure: in the unit of its target; ``None`` for a drug without one.
        within, near: the exposure is in its window, and within `NEAR` of the middle of it.
        suffered: by name of the toxicity, whether it came.
    """

    intensity: float
    exposure: float | None
    within: bool | None
    near: bool | None
    suffered: dict[str, bool]


@dataclass(frozen=True)
class Treated:
    """One patient in one arm."""

    patient_id: str
    arm: str
    cycles: tuple[Cycle, ...]


def cycle_of(
    model: Model,
    target: TargetSpec | None,
    toxicities: Sequence[ToxicitySpec],
    course: tuple[NDArray[np.int64], Mapping[str, Floats]],
    span: tuple[int, int],
    amounts: tuple[float, float],
) -> Cycle:
    """What came of one course.

    Args:
        course: ms (T,) and by output or state the truth (T,).
        span: ms at which the course began, and at which the next one does.
        amounts: mg given and planned.
    """
    times, values = course
    begun, until = span
    suffered = {}
    for toxicity in toxicities:
        unit = UNIT_MS[model.time_unit]
        end = min(until, begun + round(toxicity.horizon * unit))
        suffered[toxicity.name] = TrueCourse(times, values[toxicity.output]).suffers(toxicity, begun, end, unit)
    exposure = None if target is None or target.state is None else float(values[target.state][_before(times, until)])
    within = near = None
    if target is not None and exposure is not None:
        low, high = target.low or 0.0, np.inf if target.high is None else target.high
        within = bool(low <= exposure <= high)
        if np.isfinite(high) and low > 0.0:
            near = bool(abs(exposure / ((low + high) / 2.0) - 1.0) <= NEAR)
    return Cycle(amounts[0] / amounts[1], exposure, within, near, suffered)


def _before(times: NDArray[np.int64], millis: int) -> int:
    return int(np.searchsorted(times, millis)) - 1
