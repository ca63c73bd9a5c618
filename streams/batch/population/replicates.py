"""A bootstrap on all cores: a task is some replicates; what comes out does not depend on how they are spread.

They are written down as they come, so that an interrupted bootstrap makes those that are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from streams.batch.population.fit import FitMethod
from streams.batch.population.question import Question
from streams.batch.population.search_file import as_hexes, keep_each, kept_each, of_hexes
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


class Replicate(NamedTuple):
    """Estimates (K,) of a replicate, ``None`` of one that does not count, and whether that is since its classes changed
    names."""

    numbers: Floats | None
    renamed: bool = False


def bootstrap(
    question: Question,
    method: FitMethod,
    here: Evaluation,
    strata: Integers,
    replicates: int,
    jobs: int,
    done: Callable[[int], None],
    kept_at: Path,
    key: str,
) -> Bootstrap:
    """Fit so many replicates from where a fit ended.

    Args:
        question: what was fitted; its patients are those of ``strata`` (N,), in their order.
        method: by modes, ``imp`` or ``saem``; draws of these have the replicate's number as their seed.
        done: is told how many are fitted.
        kept_at: where they are written down as they come, of what ``key`` says; an interrupted fit makes the others.

    Raises:
        FitError: next to none converged.
        WorkerLost: a worker process was killed.
    """
    asked = " ".join([key, *as_hexes(here.vector), *map(str, strata.tolist())])
    found = {number: one for number, one in kept_each(kept_at, asked, _read).items() if number < replicates}
    missing = [number for number in range(replicates) if number not in found]
    parts = [missing[k : k + REPLICATES_A_TASK] for k in range(0, len(missing), REPLICATES_A_TASK)]
    tasks = [(question, method, here.vector, here.posterior, strata, part) for part in parts]
    with closing(in_processes(_fitted, tasks, jobs)) as results:
        for some in results:
            found |= some
            keep_each(kept_at, asked, {number: _said(one) for number, one in found.items()})
            done(len(found))
    every = [found[number] for number in range(replicates)]
    counting = [one.numbers for one in every if one.numbers is not None]
    return summed_up(counting, replicates, sum(one.renamed for one in every))


def _said(one: Replicate) -> list[object]:
    return [None if one.numbers is None else as_hexes(one.numbers), one.renamed]


def _read(numbers: list[str] | None, renamed: bool) -> Replicate:
    return Replicate(None if numbers is None else of_hexes(numbers), renamed)


class _Refit(NamedTuple):
    """Where a replicate ended (K,), whether it converged, and how probable classes of its patients (N, K) are."""

    vector: Floats
    converged: bool
    posterior: Floats | None


def _fitted(
    question: Question,
    method: FitMethod,
    vector: Floats,
    classes: Floats | None,
    strata: Integers,
    replicates: Sequence[int],
) -> dict[int, Replicate]:
    """Some replicates, of patients who are of classes with these probabilities (N, K); runs in a worker process."""
    cohort = question.cohort()
    found: dict[int, Replicate] = {}
    for number in replicates:
        drawn = drawn_anew(strata, number, site=cohort.site)
        try:
            refit = _refitted(cohort.drawn(drawn), method, vector, number)
        except (FloatingPointError, FitError):
            found[number] = Replicate(None)
            continue
        changed = False
        if refit.converged and classes is not None and refit.posterior is not None:
            changed = renamed(classes[drawn], refit.posterior)
        counts = refit.converged and not changed
        found[number] = Replicate(cohort.theta.natural(refit.vector) if counts else None, changed)
    return found


def _refitted(cohort: Cohort, method: FitMethod, vector: Floats, seed: int) -> _Refit:
    assert method != "bayes", "its intervals are those of the posterior"
    if method == "imp" or method == "saem":
        ended = (climb if method == "imp" else settle)(Density(cohort), vector, seed)
        posterior = None if cohort.classes == 1 else SampledObjective(ended.sample)(ended.vector).posterior
        return _Refit(ended.vector, ended.why == "converged", posterior)
    state, here = search(objective_of(cohort, method), State(vector), lambda *_: None, bounds(cohort.theta))
    return _Refit(here.vector, state.why == "converged", here.posterior)
