"""What is asked of a fit beside its numbers: several starts, and how certain the numbers are, the long ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from streams.batch.cases import Case
from streams.batch.population.certainty import places_of, profiles, resampling
from streams.batch.population.fit import DRAWING, Fit, FitMethod
from streams.batch.population.question import Question
from streams.batch.population.replicates import bootstrap
from streams.batch.population.starts import Told, from_starts
from streams.batch.process_pool import prepare, worker_processes
from streams.terminal.progress import progress
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of, usual_objective
from twin.population.objective import Method
from twin.population.results.bootstrap import strata_of
from twin.population.results.classified import renamed
from twin.population.starts import AS_DEEP, End, compared, deepest
from twin.population.theta import FitError


@dataclass(frozen=True)
class Asked:
    """What is asked.

    Attributes:
        starts: how many; ``bootstrap``: replicates, within values of the covariate ``strata``.
        profile: names of numbers, ``all``, or nothing; ``sir``: whether there is resampling.
        jobs: processes; by default one a core.
    """

    starts: int = 1
    bootstrap: int = 0
    strata: str | None = None
    profile: str = ""
    sir: bool = False
    jobs: int | None = None

    def check(self, cohort: Cohort, method: FitMethod) -> None:
        """Refuse what cannot be had.

        Raises:
            FitError: what is wrong, and the mend.
        """
        if self.bootstrap == 1 or (self.strata is not None and not self.bootstrap):
            raise FitError("--bootstrap: give at least 2 replicates, also with --strata")
        if self.bootstrap and method == "bayes":
            raise FitError("--bootstrap goes with all methods but bayes, whose intervals are those of its posterior")
        asked = {"--profile": bool(self.profile), "--sir": self.sir}
        for option in (name for name, wanted in asked.items() if wanted and method in DRAWING):
            raise FitError(f"{option} goes with focei, foce, fo and laplace; fit by one of these for it")
        places_of(cohort.theta, self.profile)
        strata_of(cohort, self.strata)
        if method not in DRAWING:
            objective_of(cohort, cast("Method", method))

    def begun(
        self, cases: Sequence[Case], cohort: Cohort, method: FitMethod, told: Told, kept_at: Path, key: str
    ) -> list[End]:
        """The ends of several starts, by modes; none if one is all.

        Args:
            kept_at: where ends are written down, of what ``key`` says; an interrupted fit makes those that are missing.

        Raises:
            FitError: nothing is finite at any start.
        """
        if self.starts < 2:
            return []
        processes = worker_processes(self.jobs, self.starts)
        prepare([cohort.theta.model], processes)
        ends = from_starts(self._question(cases, cohort, method), self.starts, processes, told, kept_at, key)
        try:
            deepest(ends)
        except FloatingPointError as error:
            raise FitError(f"{error}; begin with other values in the model file") from None
        return ends

    def answered(
        self, fit: Fit, cases: Sequence[Case], cohort: Cohort, ends: Sequence[End], kept_at: Path, key: str
    ) -> Fit:
        """A fit with everything else that was asked.

        Args:
            kept_at: where replicates of patients are written down, of what ``key`` says.

        Raises:
            FitError: next to no replicate converged, or there is no covariance to sample from.
        """
        if ends:
            # The search that went on from the best of them ended where that one is now.
            here = End(fit.evaluation.vector, fit.evaluation.total, fit.state.why)
            every = list(ends)
            if fit.method not in DRAWING:
                every[deepest(ends)] = here
            found = compared(fit.theta, every, _errors(fit), _renamed(fit, every, cohort))
            fit = replace(fit, starts=found, problems=(*fit.problems, *found.problems))
        if not (self.bootstrap or self.profile or self.sir):
            return fit
        question = self._question(cases, cohort, fit.method)
        prepare([cohort.theta.model], worker_processes(self.jobs, 2))
        if self.profile:
            fit = self._profiled(fit, question)
        if self.sir:
            fit = self._resampled(fit, question)
        return self._replicated(fit, question, cohort, kept_at, key) if self.bootstrap else fit

    def _question(self, cases: Sequence[Case], cohort: Cohort, method: FitMethod) -> Question:
        return Question.of(
            cases, cohort, usual_objective(cohort).method if method in DRAWING else cast("Method", method)
        )

    def _profiled(self, fit: Fit, question: Question) -> Fit:
        places, errors = places_of(fit.theta, self.profile), _errors(fit)
        if errors is None:
            raise FitError("--profile: there are no standard errors to begin with; mend what the notes say of the fit")
        with progress("profile", "numbers", len(places)) as done:
            processes = worker_processes(self.jobs, len(places))
            found = tuple(profiles(question, fit.evaluation, errors, places, processes, done))
        return replace(fit, profiles=found, problems=(*fit.problems, *(one.problem for one in found if one.problem)))

    def _resampled(self, fit: Fit, question: Question) -> Fit:
        covariance = fit.certainty.vector_covariance
        kind = next((kind for kind in ("R", "sandwich", "S") if kind in covariance), None)
        if kind is None:
            raise FitError("--sir: there is no covariance to draw from; mend what the notes say of the fit")
        from twin.population.results.sir import SAMPLES

        with progress("resampling", "vectors", sum(SAMPLES)) as done:
            processes = worker_processes(self.jobs, sum(SAMPLES))
            found = resampling(question, fit.theta, fit.evaluation, covariance[kind], processes, done)
        return replace(fit, resampled=found, problems=(*fit.problems, *([found.problem] if found.problem else [])))

    def _replicated(self, fit: Fit, question: Question, cohort: Cohort, kept_at: Path, key: str) -> Fit:
        strata, count = strata_of(cohort, self.strata), self.bootstrap
        with progress("bootstrap", "replicates", count) as done:
            processes = worker_processes(self.jobs, count)
            found = bootstrap(question, fit.method, fit.evaluation, strata, count, processes, done, kept_at, key)
        return replace(fit, bootstrap=found, problems=(*fit.problems, *([found.problem] if found.problem else [])))


def _renamed(fit: Fit, ends: Sequence[End], cohort: Cohort) -> list[bool]:
    """Which ends are as deep as the best with classes that go by other names."""
    of, best = fit.evaluation.posterior, ends[deepest(ends)]
    if of is None:
        return [False] * len(ends)
    objective = usual_objective(cohort) if fit.method in DRAWING else objective_of(cohort, cast("Method", fit.method))
    found = []
    for end in ends:
        there = objective(end.vector).posterior if end.objective < best.objective + AS_DEEP else None
        found.append(there is not None and renamed(of, there))
    return found


def _errors(fit: Fit) -> Floats | None:
    """Standard errors of the natural numbers: by the curvature, or the next best."""
    for kind in ("R", "sandwich", "S"):
        errors = fit.certainty.errors(kind)
        if errors is not None and np.isfinite(errors).all():
            return errors
    return None
