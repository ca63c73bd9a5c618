"""What a future brings: exposures when they are complete, toxicities within their horizon, each with its odds.

    p = sum_i w_i [event in particle i],        se^2 = sum_i w_i^2 ([event in particle i] - p)^2

(Geweke 1989, Econometrica 57:1317, of self-normalised weights). Every future is seen through the same particles and
the same random numbers, an occasion that is moved keeping its own, so that what differs between futures is the doses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.dosing.futures import Future
from twin.filter.quantiles import quantiles
from twin.filter.trunk import present
from twin.model.spec import Model, TargetSpec, ToxicitySpec
from twin.patient.accounts.component import Component
from twin.patient.ahead.long_steps import solved_ahead
from twin.patient.ahead.toxicities import ahead_of
from twin.patient.bands import FORECAST_POINTS
from twin.solver.effects import Effects
from twin.solver.exposure_end import windows
from twin.timeline.segments import Segment, Segments
from twin.timeline.timeline import Timeline


class Odds(NamedTuple):
    """A probability and its Monte-Carlo standard error."""

    p: float
    se: float


def odds(condition: NDArray[np.bool_], weight: Floats) -> Odds:
    """The odds of what holds for some particles (N,), of these weights (N,).

    >>> odds(np.array([True, False]), np.array([0.5, 0.5]))
    Odds(p=0.5, se=0.35355339059327373)
    """
    p = min(1.0, float(weight[condition].sum()))
    return Odds(p, float(np.sqrt((weight**2 * (condition - p) ** 2).sum())))


@dataclass(frozen=True)
class Exposed:
    """An exposure once it is complete, (N,), against its window; ``end`` is when (ms)."""

    target: TargetSpec
    value: Floats
    end: int

    def within(self) -> NDArray[np.bool_]:
        """Which particles (N,) are in the window."""
        return ~(self.below() | self.above())

    def below(self) -> NDArray[np.bool_]:
        """Which (N,) are under it."""
        return np.zeros(len(self.value), bool) if self.target.low is None else self.value < self.target.low

    def above(self) -> NDArray[np.bool_]:
        """Which (N,) are over it."""
        return np.zeros(len(self.value), bool) if self.target.high is None else self.value > self.target.high

    def smoothed(self, weight: Floats) -> Floats:
        """How much (N,) of each particle is in the window when its exposure stands for those around it.

        A share of particles moves in steps as the dose does, so that the highest of many shares is high by chance. Each
        logarithm of an exposure is spread by a normal kernel of Silverman's width (1986, eq. 3.31) and drawn towards
        the mean by what the kernels add, so that mean and variance stay (West 1993, J R Stat Soc B 55:409).

        Args:
            weight: (N,) of the particles, which sum to one.
        """
        logs = np.log(np.maximum(self.value, 1e-300))
        mean = float(weight @ logs)
        spread = float(np.sqrt(weight @ (logs - mean) ** 2))
        lower, upper = quantiles(logs, weight, (0.25, 0.75)).tolist()
        width = 0.9 * min(spread, (upper - lower) / 1.34) * float((weight**2).sum()) ** 0.2
        if not width > 1e-9:
            return self.within().astype(np.float64)
        middle = mean + np.sqrt(1.0 - (width / spread) ** 2) * (logs - mean)
        low = -np.inf if self.target.low is None or self.target.low <= 0.0 else np.log(self.target.low)
        high = np.inf if self.target.high is None else np.log(max(self.target.high, 1e-300))
        return np.asarray(special.ndtr((high - middle) / width) - special.ndtr((low - middle) / width))


@dataclass(frozen=True)
class Suffered:
    """A toxicity's output at its worst within the horizon, (N,), and which particles have it (N,)."""

    toxicity: ToxicitySpec
    worst: Floats
    reached: NDArray[np.bool_]

    @property
    def severity(self) -> Floats:
        """How far (N,) each is beyond the limit, or if negative short of it: smooth in the dose where it can be."""
        toxicity = self.toxicity
        if toxicity.lasting:
            return np.where(self.reached, 0.5, -0.5)
        short = (self.worst - toxicity.limit) if toxicity.limit <= 0 else _log_ratio(self.worst, toxicity.limit)
        return -short if toxicity.side == "below" else short


@dataclass(frozen=True)
class Outlook:
    """What a future brings for all particles.

    Attributes:
        weight: (N,) of the particles of all components.
        exposures: to each target of the drug, by its name; without those whose end cannot be told.
        toxicities: by name.
    """

    weight: Floats
    exposures: dict[str, Exposed]
    toxicities: dict[str, Suffered]


def outlook(parts: Sequence[tuple[Component, Future, Future]], drug: str, since: int, *, begun: bool) -> Outlook:
    """What a future brings by all components.

    Args:
        parts: of each component the future, and the one as planned, whose random numbers both have.
        drug: of whose targets to speak.
        since: ms from which toxicities count, at which the course whose exposure counts begins or is going on.
        begun: it is going on.
    """
    seen = [_seen(*part, drug, since, begun) for part in parts]
    weight = np.concatenate([part[0].share * part[0].position.belief.weight for part in parts])
    models = [part[0].trunk.kernel.model for part in parts]
    exposures, toxicities = {}, {}
    for name, first in seen[0].exposures.items():
        alike = [one.exposures.get(name) for one in seen]
        found = [one for one in alike if one is not None and _window(one.target) == _window(first.target)]
        if len(found) == len(seen):
            exposures[name] = replace(first, value=np.concatenate([one.value for one in found]))
    for name, worst in seen[0].toxicities.items():
        others = [one.toxicities.get(name) for one in seen]
        same = [
            one
            for one, model in zip(others, models, strict=True)
            if one is not None and stated_alike(one.toxicity, model, worst.toxicity, models[0])
        ]
        if len(same) == len(seen):
            value, reached = (np.concatenate(part) for part in zip(*((o.worst, o.reached) for o in same), strict=True))
            toxicities[name] = Suffered(worst.toxicity, value, reached)
    return Outlook(weight, exposures, toxicities)


def along(component: Component, future: Future, planned: Future, marks: NDArray[np.int64]) -> Floats:
    """Outputs (M, O, N) of a future at ``marks`` (ms, sorted, distinct, from now on)."""
    return _solve(component, future.timeline, planned.timeline, marks)


def times_over(since: int, horizon: int) -> NDArray[np.int64]:
    """Times (ms) over a horizon (ms), both ends included."""
    return since + np.arange(FORECAST_POINTS + 1, dtype=np.int64) * (horizon // FORECAST_POINTS)


def horizon_of(toxicity: ToxicitySpec, model: Model) -> int:
    """The horizon of a toxicity (ms)."""
    return round(toxicity.horizon * UNIT_MS[model.time_unit])


def median(value: Floats, weight: Floats) -> float:
    """Weighted median of values (N,)."""
    return float(quantiles(value, weight)[2])


def _seen(component: Component, future: Future, planned: Future, drug: str, since: int, begun: bool) -> Outlook:
    kernel, model = component.trunk.kernel, component.trunk.kernel.model
    open_windows = [
        window
        for window in windows(kernel, future.timeline, future.timeline, future.plan, since)
        if window.target.drug == drug and window.end is not None and window.known and (begun or window.begun >= since)
    ]
    # Where no dose follows that a trough or day could be told from, the usual ones do, on a timeline of their own.
    ends = {window.end for window in open_windows if window.end is not None and window.ahead is future.timeline}
    times = [times_over(since, horizon_of(toxicity, model)) for toxicity in model.toxicities]
    start = _stands_at(component)
    marks = np.unique(np.concatenate([np.array(sorted(ends), dtype=np.int64), *times]).astype(np.int64))
    marks = marks[marks >= start]
    out = _solve(component, future.timeline, planned.timeline, marks) if len(marks) else np.empty((0, 0, 0))
    exposures = {}
    for window in open_windows:
        assert window.end is not None
        row, end = len(model.outputs) + window.index, max(window.end, start)
        if window.ahead is future.timeline and end in marks:
            value = out[int(np.searchsorted(marks, end)), row]
        else:
            value = _solve(component, window.ahead, planned.timeline, np.array([end], dtype=np.int64))[0, row]
        exposures[window.target.name] = Exposed(window.target, value / window.per, window.end)
    found = {}
    for toxicity, at in zip(model.toxicities, times, strict=True):
        known = at[at >= start]
        ahead = ahead_of(toxicity, model, known, out[np.searchsorted(marks, known)])
        found[toxicity.name] = Suffered(toxicity, ahead.worst, ahead.suffered > 0)
    return Outlook(component.position.belief.weight, exposures, found)


def _stands_at(component: Component) -> int:
    """When the particles stand where they do (ms)."""
    return (component.position.grid_cloud or present(component.position)[0]).millis


def _solve(component: Component, timeline: Timeline, planned: Timeline, marks: NDArray[np.int64]) -> Floats:
    trunk, position = component.trunk, component.position
    effects, moved = trunk.effects(position.belief), _moved(planned.segments, timeline.segments)
    if moved:
        effects = _KeptOccasions(effects, moved)
    cloud = position.grid_cloud or present(position)[0]
    return solved_ahead(trunk, effects, cloud, timeline, marks)


def _moved(planned: Segments, other: Segments) -> dict[int, int]:
    """Begins (ms) of occasions that another future has elsewhere, and those of the planned ones that they are."""
    pairs = zip(other.occasions, planned.occasions, strict=False)
    return {begin: was for begin, was in pairs if begin != was}


class _KeptOccasions:
    """Effects whose occasions keep the random numbers of the plan when they are moved: `Effects`."""

    def __init__(self, effects: Effects, moved: dict[int, int]) -> None:
        self._effects = effects
        self._moved = moved

    @property
    def count(self) -> int:
        return self._effects.count

    def at(self, segments: Segments, segment: Segment, /) -> Floats:
        return self._effects.at(segments, self._as_planned(segment))

    def lasting(self, segments: Segments, segment: Segment, /) -> Floats:
        return self._effects.lasting(segments, self._as_planned(segment))

    def _as_planned(self, segment: Segment) -> Segment:
        return segment._replace(occasion=self._moved.get(segment.occasion, segment.occasion))


def _window(target: TargetSpec) -> tuple[object, ...]:
    return target.drug, target.measure, target.unit, target.low, target.high


def stated_alike(one: ToxicitySpec, model: Model, other: ToxicitySpec, others: Model) -> bool:
    """Whether two models state a toxicity alike, its horizon too."""
    return _limit(one, model) == _limit(other, others)


def _limit(toxicity: ToxicitySpec, model: Model) -> tuple[object, ...]:
    unit = UNIT_MS[model.time_unit]
    lasting = round(toxicity.lasting * unit)
    return (
        toxicity.name,
        toxicity.output,
        toxicity.unit,
        toxicity.side,
        toxicity.limit,
        horizon_of(toxicity, model),
        lasting,
    )


def _log_ratio(value: Floats, limit: float) -> Floats:
    return np.asarray(np.log(np.maximum(value, 1e-300) / limit))
