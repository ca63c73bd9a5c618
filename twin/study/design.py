"""A study design that follows from a model: what a simulated patient is given, and when it is measured.

Doses are the model's own regimens over `SPAN_DAYS`, given as written to a patient with the covariates' references. What
is measured when follows from the course of the typical patient:

- an output that is 0 before the first dose is a level, drawn in the first and in the last course of the span: at the
  end of each infusion, at the peak after the last of them, and when it has fallen to `FALLEN` of that, or else just
  before the next course;
- any other output is there without treatment (a count, a volume, a score): measured before it and then every week.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from twin.clock import DAY_MS, HOUR_MS
from twin.events import DoseGiven, InputEvent, to_millis
from twin.kernel.kernel import Kernel
from twin.observation.kinds import kind_of
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.regimen import ORIGIN, treated, treatment
from twin.timeline.timeline import Timeline

SPAN_DAYS = 42
"""Six weeks: two or three cycles of most regimens."""

EVERY_DAYS = 7

FALLEN = (0.3, 0.05, 0.005)
"""Fractions of the peak at which a level is drawn once more."""

LOOKS = 240
"""Points of a course along which a level's peak and fall are looked for, denser towards the dose."""


@dataclass(frozen=True)
class Design:
    """``doses`` in time order, and ``samples`` as (ms, number of the output), in time order.

    ``others`` is what else is recorded of the patient and no measurement: covariates, resets, what pumps deliver. All
    of it is in canonical units (`twin.record.admission.admit`).
    """

    doses: tuple[DoseGiven, ...]
    samples: tuple[tuple[int, int], ...]
    others: tuple[InputEvent, ...] = ()


@dataclass(frozen=True)
class DosingCourse:
    """Doses without a pause between them; ms of its first dose, of the end of each infusion, of the end of the last
    dose, and of the next course."""

    begun: int
    infused: tuple[int, ...]
    given: int
    until: int

    @property
    def marks(self) -> NDArray[np.int64]:
        """Where the fall is looked for, from ``given`` on."""
        spaced = self.given + (self.until - self.given) * np.linspace(0, 1, LOOKS + 1) ** 3
        return np.unique(np.rint(spaced).astype(np.int64))


def design(kernel: Kernel) -> Design:
    """The design of a model (see the module docstring)."""
    model = kernel.model
    doses = treatment(model, "design", SPAN_DAYS)
    timeline = treated(kernel, doses)
    before = _typical(kernel, timeline, np.array([timeline.start]))[0]
    found: set[tuple[int, int]] = set()
    curves = [(course, _typical(kernel, timeline, course.marks)) for course in courses(doses)]
    for i in range(len(model.outputs)):
        kind = kind_of(model.outputs[i])
        if not kind.discrete and before[i] == 0 and any(curve[:, i].max() > 0 for _, curve in curves):
            for course, curve in curves:
                found.update((millis, i) for millis in _of_level(course, curve[:, i]))
        else:
            # Whether something has happened is no question at the moment the record begins.
            weekly = range(EVERY_DAYS if kind.awaited and doses else 0, SPAN_DAYS + 1, EVERY_DAYS)
            found.update((ORIGIN + day * DAY_MS, i) for day in weekly)
    return Design(doses, tuple(sorted(found)))


def courses(doses: tuple[DoseGiven, ...]) -> list[DosingCourse]:
    """The first and the last course of these doses, which are in time order."""
    groups: list[list[tuple[int, int]]] = []
    for dose in doses:
        start = to_millis(dose.time)
        end = start + round((dose.duration.value if dose.duration else 0.0) * HOUR_MS)
        if groups and start <= max(end for _, end in groups[-1]):
            groups[-1].append((start, end))
        else:
            groups.append([(start, end)])
    found = []
    for group, following in zip_longest(groups, [group[0][0] for group in groups[1:]]):
        infused = tuple(sorted({end for start, end in group if end > start}))
        given = max(end for _, end in group)
        last = max(ORIGIN + SPAN_DAYS * DAY_MS, given + EVERY_DAYS * DAY_MS)
        found.append(DosingCourse(group[0][0], infused, given, last if following is None else following))
    return list(dict.fromkeys([*found[:1], *found[-1:]]))


def _of_level(course: DosingCourse, curve: NDArray[np.float64]) -> list[int]:
    """Times at which a level with this ``curve`` along the course's marks is drawn."""
    peak = int(curve.argmax())
    found = [peak]
    for fraction in FALLEN:
        under = np.flatnonzero(curve[peak:] < fraction * curve[peak])
        found.append(peak + int(under[0]) if len(under) else len(curve) - 1)
    return [*course.infused, *(int(course.marks[i]) for i in found)]


def _typical(kernel: Kernel, timeline: Timeline, marks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Outputs (M, O) of the typical patient."""
    solver = Solver(kernel, np.zeros((1, len(kernel.model.eta_names))), step_sizes_for(kernel), shared=False)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    return np.asarray(out[:, : len(kernel.model.outputs), 0])
