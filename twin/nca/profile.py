"""The concentrations that follow one dose, as a noncompartmental analysis takes them.

What lies below the limit of quantification is 0 before the first measurable value and after the last, and is left out
between two that are measurable (the defaults of PKNCA; Denney, Duvvuri, Buckeridge 2015, J Pharmacokinet Pharmacodyn
42 S65).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twin.arrays import Floats

Route = Literal["extravascular", "bolus", "infusion"]
"""How the dose was given."""

ROUTES: tuple[Route, ...] = ("extravascular", "bolus", "infusion")


class NcaError(ValueError):
    """A course that cannot be analysed; the message names the value and how to mend it."""


@dataclass(frozen=True)
class Profile:
    """One dose and what was measured after it; made by `profile_of`.

    Attributes:
        times: (n,) since the dose, increasing.
        values: (n,) concentrations, 0 where nothing measurable was left; at least one is positive.
        dose: in any unit.
        duration: of an infusion.
        tau: the interval of a dose at steady state; ``None`` of a dose to a body that holds no other.
        alone: whether nothing of an earlier dose was in the body, or all is at steady state.
    """

    times: Floats
    values: Floats
    dose: float
    route: Route
    duration: float = 0.0
    tau: float | None = None
    alone: bool = True

    @property
    def last(self) -> int:
        """Place of the last measurable value."""
        return int(np.flatnonzero(self.values > 0.0)[-1])

    def from_the_dose(self) -> tuple[Floats, Floats]:
        """Times and concentrations that begin at the dose, where the first may have to be supplied.

        Nothing was there before an extravascular dose or an infusion; at steady state the lowest value of the interval
        was. After a bolus the line through the logarithms of the first two is followed back; where it does not fall, or
        one of them is 0, the first value holds from the dose on.
        """
        if self.times[0] == 0.0:
            return self.times, self.values
        return np.concatenate(([0.0], self.times)), np.concatenate(([self._start()], self.values))

    def _start(self) -> float:
        if self.route == "bolus":
            first, second = (float(value) for value in self.values[:2]) if len(self.values) > 1 else (0.0, 0.0)
            if not first > second > 0.0:
                return float(self.values[0])
            slope = np.log(first / second) / (self.times[1] - self.times[0])
            return float(first * np.exp(slope * self.times[0]))
        if self.tau is None:
            return 0.0
        return float(self.values[self.times <= self.tau].min(initial=self.values[0]))


def profile_of(
    times: Sequence[float] | Floats,
    values: Sequence[float] | Floats,
    dose: float,
    route: Route,
    *,
    below: Sequence[bool] | None = None,
    duration: float = 0.0,
    tau: float | None = None,
    alone: bool = True,
) -> Profile:
    """What is known after one dose.

    Args:
        times: (n,) since the dose, in any order; those of missing values (NaN) are left out with them.
        values: (n,) concentrations.
        below: (n,) which values lie below the limit of quantification, whatever they say.
        dose, route, duration, tau, alone: as of `Profile`.

    Raises:
        NcaError: a time before the dose or twice, a negative value, nothing measurable, a dose that is not positive, an
            infusion without a duration or a duration of anything else.
    """
    _check_dose(dose, route, duration, tau)
    at, found = np.asarray(times, dtype=float), np.asarray(values, dtype=float).copy()
    limited = np.zeros(len(at), dtype=bool) if below is None else np.asarray(below, dtype=bool)
    if not len(at) == len(found) == len(limited):
        raise NcaError(f"{len(at)} times, {len(found)} values and {len(limited)} limits: give as many of each")
    found[limited] = 0.0
    known = np.isfinite(found)
    at, found = at[known], found[known]
    order = np.argsort(at, kind="stable")
    at, found = at[order], found[order]
    _check_course(at, found)
    measurable = np.flatnonzero(found > 0.0)
    kept = (found > 0.0) | (np.arange(len(at)) < measurable[0]) | (np.arange(len(at)) > measurable[-1])
    return Profile(at[kept], found[kept], dose, route, duration, tau, alone)


def _check_dose(dose: float, route: Route, duration: float, tau: float | None) -> None:
    if route not in ROUTES:
        raise NcaError(f"route {route!r}: it is one of {', '.join(ROUTES)}")
    if not 0.0 < dose < np.inf:
        raise NcaError(f"dose {dose:g}: it has to be a positive number")
    if (route == "infusion") != (duration > 0.0) or not np.isfinite(duration):
        raise NcaError(f"duration {duration:g} of a dose by {route}: an infusion lasts, and nothing else does")
    if tau is not None and not 0.0 < tau < np.inf:
        raise NcaError(f"tau {tau:g}: the interval between doses has to be a positive number")


def _check_course(times: Floats, values: Floats) -> None:
    if not np.isfinite(times).all():
        raise NcaError(f"time {times[~np.isfinite(times)][0]}: give the time of every value")
    if len(times) and times[0] < 0.0:
        raise NcaError(f"time {times[0]:g} is before the dose: times count from it")
    again = np.flatnonzero(np.diff(times) == 0.0)
    if len(again):
        raise NcaError(f"time {times[again[0]]:g} has two values: keep one of them")
    if (values < 0.0).any():
        raise NcaError(f"value {values[values < 0.0][0]:g} is negative: leave it out or mark it as below the limit")
    if not (values > 0.0).any():
        raise NcaError("no value is above 0: there is nothing to analyse")
