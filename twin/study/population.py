"""What a model predicts of its population: the typical patient, and the band that holds nine patients of ten.

Along the model's own regimens (`twin.study.design`), without residual error: what is shown is how patients differ, not
how a laboratory errs. Of a mixture the typical patient is one of the reference class, and others are of each class by
its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import DAY_MS, UNIT_MS
from twin.filter.belief import prior
from twin.filter.quantiles import quantiles
from twin.kernel.kernel import Kernel
from twin.model.spec import Model
from twin.observation.observation import Observation
from twin.population.mixture.mixing import in_class
from twin.study.design import SPAN_DAYS, DosingCourse, courses
from twin.study.prediction import Predictor
from twin.timeline.regimen import ORIGIN, treated, treatment
from twin.timeline.timeline import Timeline

PATIENTS = 1000

POINTS = 160
"""Points along a course."""

EVERY_HOURS = 4
"""Spacing of points along the whole span: a rhythm of the day is seen."""

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Outlook:
    """One output along one stretch of treatment: arrays (T,), times in model time units from the first dose.

    ``of_course`` is 0 for the whole span, else the number of the course (1 is the first) that the stretch shows.
    """

    output: int
    of_course: int
    times: Floats
    typical: Floats
    low: Floats
    median: Floats
    high: Floats


def outlooks(kernel: Kernel) -> tuple[Outlook, ...]:
    """Every output: a level (0 before the first dose) along the first and the last course, any other along the span."""
    model = kernel.model
    doses = treatment(model, "population", SPAN_DAYS)
    timeline = treated(kernel, doses)
    predictor = Predictor(kernel, "population")
    eta = prior(model, PATIENTS, "population").eta
    eta = np.vstack([np.zeros_like(eta[:1]), eta])
    stretches = [(0, np.linspace(ORIGIN, ORIGIN + SPAN_DAYS * DAY_MS, SPAN_DAYS * 24 // EVERY_HOURS + 1))]
    stretches += [(number, _along(course)) for number, course in zip((1, 2), courses(doses), strict=False)]
    found: list[Outlook] = []
    everything = range(len(model.outputs))
    before = _predicted(predictor, eta[:1], timeline, np.array([timeline.start]), everything)[:, 0, 0]
    for number, marks in stretches:
        level = number > 0
        shown = [i for i in everything if (before[i] == 0 and len(doses) > 0) == level]
        if not shown:
            continue
        millis = np.unique(np.rint(marks).astype(np.int64))
        predicted = _predicted(predictor, eta, timeline, millis, shown)
        times = (millis - ORIGIN) / UNIT_MS[model.time_unit]
        found += [_outlook(i, number, times, of_output) for i, of_output in zip(shown, predicted, strict=True)]
    return tuple(sorted(found, key=lambda one: (one.output, one.of_course)))


def _along(course: DosingCourse) -> Floats:
    """Times of a course, denser after its beginning and after its last dose."""
    given = np.linspace(course.begun, course.given, POINTS // 3)
    after = course.given + (course.until - course.given) * np.linspace(0, 1, POINTS) ** 3
    return np.concatenate([given, after[after < course.until], [course.until - 1]])


def _predicted(
    predictor: Predictor, eta: Floats, timeline: Timeline, marks: NDArray[np.int64], outputs: Sequence[int]
) -> Floats:
    """(outputs, T, N), of the typical patient, the first, and of others whose occasions and drift are their own."""
    looks = [Observation(millis, "", output, 0.0) for output in outputs for millis in marks.tolist()]
    found = [predictor.predictions(eta[:1], timeline, looks)]
    for theirs, of_class in _by_class(predictor.kernel.model, timeline, eta[1:]):
        found.append(predictor.predictions(predictor.effects(theirs, "population"), of_class, looks))
    return np.hstack(found).reshape(len(outputs), len(marks), len(eta))


def _by_class(model: Model, timeline: Timeline, eta: Floats) -> list[tuple[Floats, Timeline]]:
    """Patients eta (N, d) with their timeline, parted by the shares of a mixture's classes."""
    mixture = model.mixture
    if mixture is None or not len(eta):
        return [(eta, timeline)] if len(eta) else []
    column = [covariate.name for covariate in model.covariates].index(mixture.covariate)
    edges = np.rint(np.cumsum(mixture.shares)[:-1] * len(eta)).astype(int)
    # Draws of the prior are even in their order, so that a part of them is spread as all are.
    parts = zip(np.split(eta, edges), mixture.values, strict=True)
    return [(part, in_class(timeline, column, value)) for part, value in parts if len(part)]


def _outlook(output: int, number: int, times: Floats, predicted: Floats) -> Outlook:
    share = np.full(predicted.shape[1] - 1, 1.0 / (predicted.shape[1] - 1))
    low, median, high = np.array([quantiles(row[1:], share, LEVELS) for row in predicted]).T
    return Outlook(output, number, times, predicted[:, 0], low, median, high)
