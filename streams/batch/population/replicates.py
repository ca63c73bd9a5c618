"""A bootstrap on all cores: a task is some replicates; what comes out does not depend on how they are spread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from streams.batch.population.fit import FitMethod
from streams.batch.population.question import Question
from streams.batch.process_pool import in_processes
from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.importance.climbing import SampledObjective, climb
from twin.population.importance.density import Density
from twin.population.laplace.methods import objective_of
from twin.population.objective import Evaluation
from twin.population.results.bootstrap import Bootstrap, drawn_anew, summed_up
from twin.population.results.classified import renamed
from twin.population.sampling.saem import settle
from twin.population.search import State, bounds, search
from twin.population.theta import FitError

REPLICATES_A_TASK = 10


def bootstrap(
    question: Question,
    method: FitMethod,
    here: Evaluation,
    strata: Integers,
    replicates: int,
    jobs: int,
    done: Callable[[int], None],
) -> Bootstrap:
    """Fit so many replicates from where a fit ended.

    Args:
        question: what was fitted; its patients are those of ``strata`` (N,), in their order.
        method: by modes, ``imp`` or ``saem``; draws of these have the replicate's number as their seed.
        done: is told how many are fitted.

    Raises:
        FitError: next to none converged.
        WorkerLost: a worker process was killed.
    """
    parts = [range(k, min(k + REPLICATES_A_TASK, replicates)) for k in range(0, replicates, REPLICATES_A_TASK)]
    tasks = [(question, method, here.vector, here.posterior, strata, part) for part in parts]
    found: dict[int, Floats] = {}
    finished = of_other_names = 0
    with closing(in_processes(_fitted, tasks, jobs)) as results:
        for numbers, others in results:
            of_other_names += others
            found |= {replicate: one for replicate, one in numbers.items() if one is not None}
            finished += len(numbers)
            done(finished)
    return summed_up([found[replicate] for replicate in sorted(found)], replicates, of_other_names)


class _Refit(NamedTuple):
    """Where a replicate ended (K,), whether it converged, and how probable classes of its patients (N, K) are."""

    vector: Floats
    converged: bool
    posterior: Floats | None


def _fitted(
    question: Question, method: FitMethod, vector: Floats, classes: Floats | None, strata: Integers, replicates: range
) -> tuple[dict[int, Floats | None], int]:
    """Estimates of some replicates, ``None`` of one that does not count, and in how many of these the classes (N, K) of
    patients changed names; runs in a worker process."""
    cohort = question.cohort()
    found: dict[int, Floats | None] = {}
    of_other_names = 0
    for replicate in replicates:
        drawn = drawn_anew(strata, replicate, site=cohort.site)
        try:
            refit = _refitted(cohort.drawn(drawn), method, vector, replicate)
        except (FloatingPointError, FitError):
            found[replicate] = None
            continue
        found[replicate] = cohort.theta.natural(refit.vector) if refit.converged else None
        if found[replicate] is None or classes is None or refit.posterior is None:
            continue
        if renamed(classes[drawn], refit.posterior):
            found[replicate] = None
            of_other_names += 1
    return found, of_other_names


def _refitted(cohort: Cohort, method: FitMethod, vector: Floats, seed: int) -> _Refit:
    assert method != "bayes", "its intervals are those of the posterior"
    if method == "imp" or method == "saem":
        ended = (climb if method == "imp" else settle)(Density(cohort), vector, seed)
        posterior = None if cohort.classes == 1 else SampledObjective(ended.sample)(ended.vector).posterior
        return _Refit(ended.vector, ended.why == "converged", posterior)
    state, here = search(objective_of(cohort, method), State(vector), lambda *_: None, bounds(cohort.theta))
    return _Refit(here.vector, state.why == "converged", here.posterior)
