"""How long fits take: processor time, with everything compiled, from where `streams.bench.estimation.problems` begin.

A fit is all that `dosetwin fit` finds but its page: search, standard errors, and -2 log likelihood by importance
sampling. What SciPy takes is the search alone, so the search alone is held against it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from streams.batch.population.fit import Fit, FitMethod, fit
from streams.bench.by_hand.conditional import Conditional, Levels, oral, repeated
from streams.bench.estimation.problems import COAGULATION, RICH, RICH_DOSE, SPARSE, SPARSE_DOSES, TARGET, Problem
from twin.clock import HOUR_MS
from twin.population.cohort import Cohort
from twin.population.objective import Objective
from twin.population.results.bootstrap import drawn_anew
from twin.population.search import State, bounds, search
from twin.timeline.regimen import ORIGIN

THOUSAND = 1_000
"""Replicates of a bootstrap that is told."""

BY_HAND = {"rich": (oral(RICH_DOSE), 3), "sparse": (repeated(SPARSE_DOSES), 2)}
"""Of the problems with a closed form, that and how many effects there are."""


class Timed(NamedTuple):
    """What was fitted, and how many seconds of processor time it took."""

    fit: Fit
    seconds: float


def timed(problem: Problem, method: FitMethod, patients: int) -> Timed:
    """A whole fit of the first so many patients of a problem."""
    cohort = problem.cohort(min(patients, problem.patients))
    Objective(cohort)(cohort.theta.pack(cohort.theta.start))  # compiled before the clock runs
    begun = process_time()
    found = fit(cohort, method, lambda *_: None)
    return Timed(found, process_time() - begun)


def bootstrap_seconds(whole: Fit, cohort: Cohort, replicates: int) -> float:
    """Of a thousand replicates of a fit by FOCE-I, as the first so many of them take."""
    strata, begun = np.zeros(len(cohort.patients), dtype=np.int64), process_time()
    for replicate in range(replicates):
        objective = Objective(cohort.drawn(drawn_anew(strata, replicate)))
        search(objective, State(whole.evaluation.vector), lambda *_: None, bounds(cohort.theta))
    return (process_time() - begun) / replicates * THOUSAND


def over_scipy(problem: Problem, patients: int) -> float:
    """Processor time of the search by FOCE-I over that of `Conditional`, from the same start to the same end.

    Raises:
        ArithmeticError: they ended at different objectives.
    """
    cohort = problem.cohort(min(patients, problem.patients))
    vector, objective = cohort.theta.pack(cohort.theta.start), Objective(cohort)
    objective(vector)
    begun = process_time()
    _, here = search(objective, State(vector), lambda *_: None, bounds(cohort.theta))
    ours, begun = process_time() - begun, process_time()
    theirs = by_hand(problem, cohort).fit(vector)
    taken = process_time() - begun
    if abs(theirs.fun - here.total) > 0.01:
        raise ArithmeticError(f"{problem.name}: SciPy ended at {theirs.fun}, the search at {here.total}")
    return ours / taken


def by_hand(problem: Problem, cohort: Cohort) -> Conditional:
    """The objective of a cohort of a problem with a closed form, by hand."""
    course, effects = BY_HAND[problem.name]
    return Conditional(course, [_levels(cohort, n) for n in range(len(cohort))], effects)


def _levels(cohort: Cohort, number: int) -> Levels:
    seen = cohort.subjects[number].observations
    hours = np.array([(one.millis - ORIGIN) / HOUR_MS for one in seen])
    return Levels(hours, np.array([one.value for one in seen]))


def estimation(patients: int, replicates: int, say: Callable[[str], object]) -> dict[str, Any]:
    """The figures of fits of so many patients at the most, the bootstrap from so many replicates."""
    found: dict[str, Any] = {"fit_focei_s": {}}
    timed(RICH, "focei", patients)  # what all models share is compiled
    for problem in (RICH, SPARSE):
        say(f"fit of {problem.name}, by FOCE-I")
        found["fit_focei_s"][problem.name] = _seconds(timed(problem, "focei", patients), say)
    say("the first of them by SciPy")
    found["focei_vs_scipy"] = round(over_scipy(RICH, patients), 4)
    say("the likelihood itself")
    timed(RICH, "imp", patients)
    found["fit_ml_s"] = _seconds(timed(RICH, "imp", patients), say)
    say("a bootstrap")
    whole = timed(SPARSE, "focei", patients).fit
    cohort = SPARSE.cohort(min(patients, SPARSE.patients))
    found["bootstrap_s"] = round(bootstrap_seconds(whole, cohort, replicates), 1)
    found["fit_stepped_s"] = {}
    for problem in (COAGULATION, TARGET):
        say(f"fit of {problem.name}, by FOCE-I")
        found["fit_stepped_s"][problem.name] = _seconds(timed(problem, "focei", patients), say)
    return found


def _seconds(one: Timed, say: Callable[[str], object]) -> float:
    say(f"{one.fit.state.why} after {one.fit.state.step} steps at {one.fit.evaluation.total:.4f}")
    return round(one.seconds, 2)
