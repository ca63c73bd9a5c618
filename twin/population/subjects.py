"""A patient of a fit, prepared once: the stretches that the kernel solves, and which row of them each value reads.

What `twin.solver.solver.Solver.advance` finds out on its way through a timeline is the same for all random effects and
all numbers of the population. Here it is written down, so that the way costs one call of the kernel a stretch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats, Integers
from twin.kernel.arguments import Steps, StepSizes
from twin.kernel.kernel import Kernel
from twin.observation.observation import Observation, by_themselves
from twin.population.mixture.mixing import in_class
from twin.population.theta import FitError
from twin.solver.step_schedule import schedule
from twin.timeline.segments import Segment
from twin.timeline.timeline import Timeline

WITHOUT = -1
"""Number of the occasion of a model that has none."""


class Held(NamedTuple):
    """Which effects hold: the number of the occasion, and how many steps the drift has taken."""

    occasion: int = WITHOUT
    steps: int = 0


_NO_STOPS: Integers = np.empty(0, dtype=np.int64)


class Pace(NamedTuple):
    """Step sizes from an instant (ms) on; ``None`` for those that suit everything."""

    since: int
    sizes: StepSizes | None


class Moment(NamedTuple):
    """Where initial values are taken: number of the equations, and covariates (C,) of the moment itself."""

    system: int
    covariates: Floats


@dataclass(frozen=True)
class Stretch:
    """A part of a patient's time that is solved in one call.

    Attributes:
        system: number of its equations among `Subject.systems`.
        begins: where it begins with the initial values, the moment that says them.
        covariates: (C,) as they stand.
        steps: all particles' steps.
        marks: rows of the output that it fills.
        between: ms of its begin and end.
    """

    system: int
    begins: Moment | None
    covariates: Floats
    steps: Steps
    marks: slice
    between: tuple[int, int]


@dataclass(frozen=True)
class Subject:
    """One patient.

    Attributes:
        id: as the data have it.
        timeline: what was given, and when.
        observations: in the order of all arrays by observation.
        occasions, steps: ms at which each occasion, and each step of a drift, that the data met began.
        marks: (M,) ms of the rows of the solution.
        mark, output: (n,) of each observation the row of the solution, and of `Model.outputs`.
        systems: of each set of equations the covariates (C,) and which effects hold.
        stretches: the way through time; ``None`` where only `twin.solver` can follow it (late doses, steady states).
        shown: whether the first row of the output is at the very start.
        key: of the random numbers of this patient, and of this class where the model has several.
        pace: how finely it is stepped, in time order (`twin.population.paces`); from its begin on as suits everything.
        looked_at: (2, P) least and greatest placed parameters that the pace is known to suit; ``None`` without one.
        finest: the way through time for all others, stepped as suits everything; as ``stretches`` without a pace.
    """

    id: str
    timeline: Timeline
    observations: tuple[Observation, ...]
    occasions: tuple[int, ...]
    steps: tuple[int, ...]
    marks: Integers
    mark: Integers
    output: Integers
    systems: tuple[tuple[Floats, Held], ...]
    stretches: tuple[Stretch, ...] | None
    shown: bool
    key: str
    pace: tuple[Pace, ...] = ()
    looked_at: Floats | None = None
    finest: tuple[Stretch, ...] | None = None

    def way(self, phi: Sequence[Floats]) -> tuple[Stretch, ...] | None:
        """The way through time of people with placed parameters (S, P) in each of ``systems``: a pace that was found
        for others could be too long for them."""
        within = self.looked_at
        if within is None or all((one >= within[0]).all() and (one <= within[1]).all() for one in phi):
            return self.stretches
        return self.finest

    def held(self, segment: Segment) -> Held:
        """Which effects hold in a segment; of what began after the last datum nothing does."""
        known = segment.occasion in self.occasions
        occasion = self.occasions.index(segment.occasion) if known else WITHOUT
        return Held(occasion, bisect_right(self.steps, segment.step))


def prepared(
    name: str,
    kernel: Kernel,
    step_sizes: StepSizes,
    timeline: Timeline,
    also: Integers = _NO_STOPS,
    key: str = "",
    pace: tuple[Pace, ...] = (),
    looked_at: Floats | None = None,
) -> Subject:
    """A patient with this timeline, whose solution has rows at the ms ``also`` (G,) besides; ``key`` is that of its
    random numbers, where it is not its id, and ``pace`` how finely it is stepped, which suits ``looked_at``."""
    observations = by_themselves(timeline.observations)
    every = [millis for o in observations for millis in (o.millis, *o.moments)]
    marks = np.unique(np.concatenate([np.array(every, dtype=np.int64), also]))
    segments, last = timeline.segments, int(marks[-1]) if len(marks) else timeline.start
    occasions = segments.occasions_before(last) if kernel.model.iov_names and len(marks) else ()
    subject = Subject(
        name,
        timeline,
        observations,
        occasions,
        segments.steps_before(last),
        marks,
        np.searchsorted(marks, [o.millis for o in observations]).astype(np.int64),
        np.array([o.output for o in observations], dtype=np.int64),
        (),
        None,
        bool(len(marks)) and int(marks[0]) == timeline.start,
        key or name,
    )
    if kernel.late or timeline.steady or not len(marks):
        return subject
    finest = cut(subject, kernel, step_sizes, ())
    return finest if looked_at is None else stepped_by(finest, kernel, step_sizes, pace, looked_at)


def stepped_by(
    subject: Subject, kernel: Kernel, step_sizes: StepSizes, pace: tuple[Pace, ...], looked_at: Floats
) -> Subject:
    """A patient that is stepped as suits everything, by a pace where that suits."""
    return replace(cut(subject, kernel, step_sizes, pace), looked_at=looked_at, finest=subject.stretches)


def cut(subject: Subject, kernel: Kernel, step_sizes: StepSizes, pace: tuple[Pace, ...]) -> Subject:
    """The patient with its way through time in stretches, each stepped as its pace says."""
    timeline, marks = subject.timeline, subject.marks
    systems: dict[tuple[bytes, Held], int] = {}
    known: list[tuple[Floats, Held]] = []
    found: list[Stretch] = []
    since = [one.since for one in pace]

    def system(covariates: Floats, held: Held) -> int:
        number = systems.setdefault((covariates[kernel.shaping].tobytes(), held), len(known))
        if number == len(known):
            known.append((covariates, held))
        return number

    at, end, done = timeline.start, int(marks[-1]), int(subject.shown)
    while at < end or not found:
        epoch = int(timeline.stages[np.searchsorted(timeline.epoch[timeline.stages], at, side="right") - 1])
        segment = timeline.segments.at(at)
        covariates = np.ascontiguousarray(timeline.covariates[epoch], dtype=np.float64)
        held = subject.held(segment)
        number, begins = system(covariates, held), None
        if not found or at in timeline.resets:
            then = np.ascontiguousarray(timeline.covariates_of(at), dtype=np.float64)
            begins = Moment(system(then, held), then)
        until = min(end, timeline.segments.next_after(at) or end)
        stage = int(np.searchsorted(timeline.stages, epoch, side="right"))
        until = min([until, *timeline.epoch[timeline.stages[stage : stage + 1]].tolist()])
        restart = int(np.searchsorted(timeline.restarts, at, side="right"))
        until = min([until, *timeline.restarts[restart : restart + 1].tolist()])
        paced = bisect_right(since, at)
        until = min([until, *since[paced : paced + 1]])
        sizes = (pace[paced - 1].sizes if paced else None) or step_sizes
        here = marks[(marks > at) & (marks <= until)]
        steps = schedule(timeline, kernel, sizes, at, until, _NO_STOPS, here)
        part = slice(done, done + len(here))
        found.append(Stretch(number, begins, covariates, steps, part, (at, until)))
        at, done = until, done + len(here)
    return replace(subject, systems=tuple(known), stretches=tuple(found), pace=pace)


def members_of(
    kernel: Kernel, step_sizes: StepSizes, timelines: Mapping[str, Timeline]
) -> tuple[tuple[Subject, ...], int]:
    """Everybody, of a mixture once for each class, and the number of classes.

    Raises:
        FitError: the class of a patient was reported.
    """
    mixture = kernel.model.mixture
    if mixture is None:
        return tuple(prepared(name, kernel, step_sizes, timeline) for name, timeline in timelines.items()), 1
    column = next(i for i, one in enumerate(kernel.model.covariates) if one.name == mixture.covariate)
    found = []
    for name, timeline in timelines.items():
        if (timeline.covariates[:, column] != kernel.model.covariates[column].reference).any():
            raise FitError(
                f"patient {name}: {mixture.covariate} is reported, and it is the class that nobody sees; leave its"
                " column out, or take [mixture] out of the model file"
            )
        for of, value in zip(mixture.classes, mixture.values, strict=True):
            member = in_class(timeline, column, value)
            found.append(prepared(name, kernel, step_sizes, member, key=f"{name} {mixture.covariate} {of}"))
    return tuple(found), len(mixture.classes)
