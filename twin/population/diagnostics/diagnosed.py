"""All diagnostics of a fit: what its page shows, from the numbers found and the data that they were found from.

They rest on the modes of every patient by first-order conditional estimation or Laplace's method, whatever method found
the numbers: by its own where it is one of these, else by the one that can weigh all values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.diagnostics.curves import Course, courses
from twin.population.diagnostics.effects import Covariate, covariates_of, strata
from twin.population.diagnostics.influence import Influence, influence
from twin.population.diagnostics.npde import PER_VALUE, npde
from twin.population.diagnostics.predictive import Check, Measured, checks, limits_of
from twin.population.diagnostics.residuals import Residuals, residuals
from twin.population.diagnostics.simulated import averaged, simulated
from twin.population.laplace.methods import objective_of, usual_objective
from twin.population.objective import Evaluation, Method, Objective
from twin.population.results.classified import likeliest
from twin.population.results.uncertainty import hessian
from twin.population.theta import FitError
from twin.population.values import Population
from twin.randomness import generator

REPLICATES = 1000
"""Simulations of every patient; at least `PER_VALUE` for each value of whoever has most."""


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """Of a cohort at the numbers of a population.

    Of a mixture every patient is here in the likeliest class, with what is known of one of it; NPDE and predictive
    checks are of patients whose class is drawn.

    Attributes:
        method: by which modes and their objective were found.
        here: modes, objective and score of every patient.
        npde: (T,), NaN for what is awaited.
        influence: ``None`` where the curvature is not that of a minimum; where sites differ, of each patient's whole
            site.
        checks: predictive checks; ``stratified`` names the covariate that makes groups, empty where none does.
        replicates: simulations of every patient that NPDE and checks rest on, from ``seed``.
    """

    cohort: Cohort
    population: Population
    method: Method
    here: Evaluation
    measured: Measured
    residuals: Residuals
    npde: Floats
    checks: tuple[Check, ...]
    stratified: str
    courses: tuple[Course, ...]
    covariates: tuple[Covariate, ...]
    influence: Influence | None
    replicates: int
    seed: int


def diagnosed(
    cohort: Cohort,
    vector: Floats,
    method: str,
    *,
    seed: int = 1,
    replicates: int = REPLICATES,
    stratify: str | None = None,
) -> Diagnosed:
    """Everything, at a vector (K,) of the cohort's numbers that a method found.

    Args:
        stratify: covariate whose groups of patients get predictive checks of their own.

    Raises:
        FitError: no such covariate.
    """
    covariates = covariates_of(cohort)
    groups = groups_of(covariates, stratify)
    objective = _objective(cohort, method)
    here = objective(vector, thorough=True)
    population = cohort.theta.unpack(vector)
    known, members = likeliest(cohort, here)
    measured, of_members = Measured.of(known), residuals(objective, here)
    replicates = max(replicates, PER_VALUE * int(np.diff(cohort.first).max(initial=0)))
    drawn = simulated(cohort, population, seed, replicates)
    seen = of_members.part(cohort.of_observations(members))
    typical = averaged(cohort, of_members.pred, population.shares)
    return Diagnosed(
        known,
        population,
        objective.method,
        replace(here, eta=here.eta[members], covariance=here.covariance[members]),
        measured,
        seen,
        _npde(known, population, measured, drawn, seed),
        checks(known, measured, typical, drawn, groups),
        stratify or "",
        courses(known, population, here.eta[members]),
        covariates_of(known),
        _influence(objective, here),
        replicates,
        seed,
    )


def groups_of(covariates: tuple[Covariate, ...], name: str | None) -> tuple[tuple[str, Floats], ...]:
    """Groups of patients by a covariate; none where none is named.

    Raises:
        FitError: no such covariate.
    """
    if name is None:
        return ()
    for one in covariates:
        if one.name == name:
            return strata(one)
    known = ", ".join(one.name for one in covariates) or "none"
    raise FitError(f"stratify: {name!r} is no covariate of the model; it has {known}")


def _objective(cohort: Cohort, method: str) -> Objective:
    if method in ("focei", "foce", "laplace"):
        return objective_of(cohort, cast("Method", method))
    return usual_objective(cohort)


def _npde(cohort: Cohort, population: Population, measured: Measured, drawn: Floats, seed: int) -> Floats:
    outputs = [replace(o, error=e) for o, e in zip(cohort.kernel.model.outputs, population.errors, strict=True)]
    found, (low, high) = np.full(int(cohort.first[-1]), np.nan), limits_of(measured)
    for i, subject in enumerate(cohort.subjects):
        part = slice(cohort.first[i], cohort.first[i + 1])
        if subject.observations and np.isfinite(drawn[:, part]).all(axis=1).sum() > 1:
            of_each = [outputs[o.output] for o in subject.observations]
            rng, limits = generator(subject.id, seed, "npde"), (low[part], high[part])
            found[part] = npde(subject.observations, of_each, drawn[:, part], rng, limits)
    return found


def _influence(objective: Objective, here: Evaluation) -> Influence | None:
    curvature = 0.5 * hessian(objective, here)
    if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature)[0] <= 0.0:
        return None
    found = influence(here.independent, np.asarray(np.linalg.inv(curvature)))
    return found if here.site is None else Influence(found.distance[here.site], found.shift[here.site])
