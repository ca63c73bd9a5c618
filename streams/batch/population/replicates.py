"""A bootstrap on all cores: a task is some replicates; what comes out does not depend on how they are spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache

from streams.batch.cases import Case, RecordedEvent
from streams.batch.population.patients import cohort_of, timelines_of
from streams.batch.process_pool import in_processes, model_of
from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.objective import Method
from twin.population.results.bootstrap import Bootstrap, drawn_anew, summed_up
from twin.population.search import State, search
from twin.population.theta import Theta

REPLICATES_A_TASK = 10

Records = tuple[tuple[str, tuple[RecordedEvent, ...]], ...]


def bootstrap(
    cases: Sequence[Case],
    theta: Theta,
    method: Method,
    vector: Floats,
    strata: Integers,
    replicates: int,
    jobs: int,
    done: Callable[[int], None],
) -> Bootstrap:
    """Fit so many replicates from a vector (K,).

    Args:
        cases: of which every patient in ``strata`` (N,) has a timeline, in their order.
        done: is told how many are fitted.

    Raises:
        FitError: next to none converged.
        WorkerLost: a worker process was killed.
    """
    records = tuple((case.patient_id, case.recorded) for case in cases)
    model, fixed = theta.model, tuple(sorted(set(Theta.of(theta.model).names) - set(theta.names)))
    parts = [range(k, min(k + REPLICATES_A_TASK, replicates)) for k in range(0, replicates, REPLICATES_A_TASK)]
    tasks = [(model.text, model.id, records, fixed, method, vector, strata, part) for part in parts]
    found: dict[int, Floats] = {}
    finished = 0
    with closing(in_processes(_fitted, tasks, jobs)) as results:
        for numbers in results:
            found |= {replicate: one for replicate, one in numbers.items() if one is not None}
            finished += len(numbers)
            done(finished)
    return summed_up([found[replicate] for replicate in sorted(found)], replicates)


def _fitted(
    text: str,
    model_id: str,
    records: Records,
    fixed: tuple[str, ...],
    method: Method,
    vector: Floats,
    strata: Integers,
    replicates: range,
) -> dict[int, Floats | None]:
    """Estimates of some replicates, ``None`` of one that did not converge; runs in a worker process."""
    cohort = _cohort(text, model_id, records, fixed)
    found: dict[int, Floats | None] = {}
    for replicate in replicates:
        objective = objective_of(cohort.drawn(drawn_anew(strata, replicate)), method)
        try:
            state, here = search(objective, State(vector), lambda *_: None)
        except FloatingPointError:
            found[replicate] = None
            continue
        found[replicate] = cohort.theta.natural(here.vector) if state.why == "converged" else None
    return found


@lru_cache(maxsize=1)
def _cohort(text: str, model_id: str, records: Records, fixed: tuple[str, ...]) -> Cohort:
    model = model_of(text, model_id)
    cases = [Case(patient, model, recorded) for patient, recorded in records]
    return cohort_of(timelines_of(cases, model, lambda _: None), Theta.of(model, fixed))


def of_whom(cases: Sequence[Case], cohort: Cohort) -> list[Case]:
    """The cases of a cohort's patients, in its order."""
    by_id = {case.patient_id: case for case in cases}
    return [by_id[subject.id] for subject in cohort.subjects]
