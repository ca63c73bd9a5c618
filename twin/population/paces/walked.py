"""A patient's way through time walked once by a few people, to find how finely each part of it has to be stepped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.arrays import Floats, Integers
from twin.clock import UNIT_MS
from twin.kernel.arguments import StepSizes, System
from twin.kernel.kernel import Kernel
from twin.population.paces.pace import Pacer, Where, advanced
from twin.population.subjects import Pace, Subject, cut, stepped_by
from twin.solver.step_schedule import schedule

_NO_STOPS: Integers = np.empty(0, dtype=np.int64)


def paced(
    subject: Subject, kernel: Kernel, step_sizes: StepSizes, systems: Sequence[System], looked_at: Floats
) -> Subject:
    """The patient, stepped no more finely than it needs; one that only `twin.solver` can follow stays as it is.

    Args:
        step_sizes: the shortest.
        systems: of the people who walk, the equations in each of the patient's ``systems``.
        looked_at: (2, P) least and greatest of their placed parameters.
    """
    if subject.stretches is None or not kernel.stepped or kernel.late:
        return subject
    timeline, unit = subject.timeline, UNIT_MS[kernel.model.time_unit]
    finer = cut(subject, kernel, step_sizes, _places(subject))
    assert finer.stretches is not None
    count = len(systems[0].par)
    where, held, pacer = Where(np.empty((count, 0)), np.empty((count, 0))), -1, Pacer(step_sizes)
    found: list[Pace] = []
    for stretch in finer.stretches:
        system = systems[stretch.system]
        if (moment := stretch.begins) is not None:
            x, y = np.zeros((count, len(kernel.linear))), np.zeros((count, len(kernel.stepped)))
            kernel.initial(systems[moment.system].par, moment.covariates, x, y)
            where = Where(_times(system.w, x), y)
        elif stretch.system != held:
            where = Where(_times(system.w, _times(systems[held].v, where.states)), where.stepped)
        held, (start, end) = stretch.system, stretch.between
        if start == end:
            continue

        def advance(there: Where, sizes: StepSizes) -> Where:
            steps = schedule(timeline, kernel, sizes, start, end, _NO_STOPS, _NO_STOPS)  # noqa: B023
            return advanced(kernel, there, system, stretch.covariates, steps)  # noqa: B023

        sizes, where = pacer.next(where, (end - start) / unit, advance)
        if not found or found[-1].sizes != sizes:
            found.append(Pace(start, sizes))
    return stepped_by(subject, kernel, step_sizes, tuple(found), looked_at)


def _places(subject: Subject) -> tuple[Pace, ...]:
    """Cuts at every value and dose, and in the middle between them."""
    timeline, end = subject.timeline, int(subject.marks[-1])
    changes = np.asarray(timeline.changes_between(timeline.start, end), dtype=np.int64)
    met = np.unique(np.concatenate([changes, subject.marks, [timeline.start, end]]))
    between = (met[:-1] + met[1:]) // 2
    return tuple(Pace(int(at), None) for at in np.unique(np.concatenate([met, between])))


def _times(matrix: Floats, vector: Floats) -> Floats:
    return np.ascontiguousarray(np.einsum("nrc,nc->nr", matrix, vector))
