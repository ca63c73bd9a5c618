"""Courses of every patient, smooth enough to be drawn: of the patient's own effects and of the typical patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats, Integers
from twin.clock import UNIT_MS
from twin.population.cohort import Cohort
from twin.population.values import Population

GRID = 60
"""Instants of a course, besides those of the values themselves."""


@dataclass(frozen=True)
class Course:
    """One patient's outputs through time.

    Attributes:
        times: (G,) since the start of the record, in the model's time unit.
        own, typical: (G, outputs) as they are shown, of the patient's own effects and of the typical patient.
    """

    times: Floats
    own: Floats
    typical: Floats


def courses(cohort: Cohort, population: Population, eta: Floats) -> tuple[Course, ...]:
    """Of every patient, with effects eta (N, D), from the start of the record to its last value."""
    grids = [_grid(subject.timeline.start, subject.marks) for subject in cohort.subjects]
    finer = cohort.seen_at(grids)
    z = np.zeros((len(cohort), 2, cohort.size))
    z[:, 1, : cohort.effects] = eta
    count = len(cohort.kernel.model.outputs)
    found = []
    every = finer.rows(np.arange(len(cohort), dtype=np.int64), z, population.place)
    for subject, out in zip(finer.subjects, every, strict=True):
        shown = out[:, :count].reshape(len(subject.marks), count, 2)
        times = (subject.marks - subject.timeline.start) / UNIT_MS[cohort.kernel.model.time_unit]
        found.append(Course(np.asarray(times, dtype=np.float64), shown[:, :, 1], shown[:, :, 0]))
    return tuple(found)


def _grid(start: int, marks: Integers) -> Integers:
    if not len(marks):
        return np.empty(0, dtype=np.int64)
    return np.unique(np.linspace(start, int(marks[-1]), GRID).astype(np.int64))
