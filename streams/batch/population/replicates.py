"""A bootstrap on all cores: a task is some replicates; what comes out does not depend on how they are spread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from streams.batch.population.question import Question
from streams.batch.process_pool import in_processes
from twin.arrays import Floats, Integers
from twin.population.laplace.methods import objective_of
from twin.population.results.bootstrap import Bootstrap, drawn_anew, summed_up
from twin.population.search import State, bounds, search

REPLICATES_A_TASK = 10


def bootstrap(
    question: Question,
    vector: Floats,
    strata: Integers,
    replicates: int,
    jobs: int,
    done: Callable[[int], None],
) -> Bootstrap:
    """Fit so many replicates from a vector (K,).

    Args:
        question: what was fitted; its patients are those of ``strata`` (N,), in their order.
        done: is told how many are fitted.

    Raises:
        FitError: next to none converged.
        WorkerLost: a worker process was killed.
    """
    parts = [range(k, min(k + REPLICATES_A_TASK, replicates)) for k in range(0, replicates, REPLICATES_A_TASK)]
    tasks = [(question, vector, strata, part) for part in parts]
    found: dict[int, Floats] = {}
    finished = 0
    with closing(in_processes(_fitted, tasks, jobs)) as results:
        for numbers in results:
            found |= {replicate: one for replicate, one in numbers.items() if one is not None}
            finished += len(numbers)
            done(finished)
    return summed_up([found[replicate] for replicate in sorted(found)], replicates)


def _fitted(question: Question, vector: Floats, strata: Integers, replicates: range) -> dict[int, Floats | None]:
    """Estimates of some replicates, ``None`` of one that did not converge; runs in a worker process."""
    cohort = question.cohort()
    found: dict[int, Floats | None] = {}
    for replicate in replicates:
        objective = objective_of(cohort.drawn(drawn_anew(strata, replicate)), question.method)
        try:
            state, here = search(objective, State(vector), lambda *_: None, bounds(cohort.theta))
        except FloatingPointError:
            found[replicate] = None
            continue
        found[replicate] = cohort.theta.natural(here.vector) if state.why == "converged" else None
    return found
