"""How certain a fit's numbers are, by its objective at many vectors: profiles and resampling, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np

from streams.batch.population.question import Question
from streams.batch.process_pool import in_processes
from twin.arrays import Floats
from twin.population.laplace.side_by_side import totals
from twin.population.objective import Evaluation
from twin.population.results.profile import Profile, profile
from twin.population.results.sir import Resampled, resampled
from twin.population.theta import FitError, Theta

VECTORS_A_TASK = 125


def places_of(theta: Theta, names: str) -> list[int]:
    """Places of the numbers that are asked for: ``all``, or names with commas between.

    Raises:
        FitError: a name of nothing that is free.
    """
    wanted = [part.strip() for part in names.split(",") if part.strip()]
    if wanted == ["all"]:
        return list(range(theta.size))
    for unknown in (name for name in wanted if name not in theta.names):
        raise FitError(f"profile: {unknown!r} is no free number of {theta.model.id}; it has {', '.join(theta.names)}")
    return [theta.names.index(name) for name in wanted]


def profiles(
    question: Question, here: Evaluation, errors: Floats, places: Sequence[int], jobs: int, done: Callable[[int], None]
) -> list[Profile]:
    """The profiles of some numbers, in their order; ``errors`` (K,) are standard errors."""
    found: dict[int, Profile] = {}
    tasks = [(question, here, at, float(errors[at])) for at in places]
    with closing(in_processes(_profiled, tasks, min(jobs, len(tasks)))) as results:
        for at, one in results:
            found[at] = one
            done(len(found))
    return [found[at] for at in places]


def _profiled(question: Question, here: Evaluation, at: int, error: float) -> tuple[int, Profile]:
    objective = question.objective()
    return at, profile(objective, objective.cohort.theta, here, at, error)


def resampling(
    question: Question, theta: Theta, here: Evaluation, covariance: Floats, jobs: int, done: Callable[[int], None]
) -> Resampled:
    """Sampling importance resampling around a minimum; ``covariance`` (K, K) is that of the vector."""

    def rise(vectors: Floats) -> Floats:
        parts = range(0, len(vectors), VECTORS_A_TASK)
        tasks = [(question, here, vectors[k : k + VECTORS_A_TASK], k) for k in parts]
        found = np.empty(len(vectors))
        with closing(in_processes(_risen, tasks, jobs)) as results:
            for k, over in results:
                found[k : k + len(over)] = over
        return found

    return resampled(theta, here.vector, covariance, rise, done)


def _risen(question: Question, here: Evaluation, vectors: Floats, begin: int) -> tuple[int, Floats]:
    return begin, totals(question.objective(), here, vectors) - here.total
