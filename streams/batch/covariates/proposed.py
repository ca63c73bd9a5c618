"""Pairs that boosted trees propose, each decided by the likelihood itself: fits by importance sampling, one a pair.

The ratio of two likelihoods is known up to the error of both. A relation is taken where p is below the level and would
be two standard errors of the ratio further off as well; it then stands in the model that the next pair is tried in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from streams.batch.covariates.asked import Asked, head
from streams.batch.population.fit import Fit, Moved, fit
from streams.batch.population.patients import cohort_of, timelines_of
from twin.covariates.characteristics import Characteristic, CovariateError, values_of
from twin.covariates.effects import with_relations
from twin.covariates.relations import Relation, Shape, check, coefficients
from twin.covariates.trees import Proposals, Targets, proposals
from twin.model.spec import Model
from twin.population.cohort import Cohort
from twin.population.importance.covering import proposals_at
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws, moments
from twin.population.importance.sampled import Sample
from twin.population.results.comparison import SE_APART, chi_squared_tail
from twin.population.theta import Theta

DRAWS = 1000
"""Of each patient, that trees learn from."""

Relations = tuple[Relation, ...]


@dataclass(frozen=True, eq=False)
class Standing:
    """A model with some relations, fitted by importance sampling."""

    relations: Relations
    cohort: Cohort
    fit: Fit

    @property
    def numbers(self) -> dict[str, float]:
        """Where the fit ended, by name."""
        natural = self.fit.theta.natural(self.fit.evaluation.vector).tolist()
        return dict(zip(self.fit.theta.names, natural, strict=True))


@dataclass(frozen=True)
class Decision:
    """What the likelihood says of a relation that was proposed.

    Attributes:
        ratio, error: twice the log likelihood ratio, and its standard error.
        freedom: coefficients.
        taken: whether it stands in the model.
        why: in words.
    """

    relation: Relation
    ratio: float
    error: float
    freedom: int
    p: float
    taken: bool
    why: str


def standing(asked: Asked, relations: Relations, before: Standing | None, moved: Moved, kept_at: Path) -> Standing:
    """Fit the model with these relations, from where the one before it ended.

    Raises:
        FitError, CovariateError, ModelError: it cannot be fitted, or is no model.
    """
    model = with_relations(asked.model, relations, asked.described, asked.name) if relations else asked.model
    return stood(asked, model, relations, before, moved, kept_at)


def stood(
    asked: Asked, model: Model, relations: Relations, before: Standing | None, moved: Moved, kept_at: Path
) -> Standing:
    """Fit a model that has these relations, from where the one before it ended.

    Raises:
        FitError: it cannot be fitted.
    """
    theta = Theta.of(model, asked.fixed)
    if before is not None:
        numbers = {name: value for name, value in before.numbers.items() if name in theta.names}
        theta = Theta.of(model, asked.fixed, theta.population(numbers))
    cohort = cohort_of(timelines_of(asked.cases, model, lambda _: None), theta)
    key = " ".join([model.hash, asked.data.hash, *theta.names])
    return Standing(relations, cohort, fit(cohort, "imp", moved, kept_at, key))


def targets_of(of: Standing, seed: int = 1) -> Targets:
    """What the data alone say of each patient's effects, by draws under a fitted population: of a patient looked at
    alone."""
    cohort, population = of.cohort, of.fit.population
    sample = sample_of(of, DRAWS, seed)
    etas = cohort.theta.model.eta_names
    eta = np.ascontiguousarray(sample.eta[:, :, : len(etas)])
    along = np.einsum("nsi,ij,nsj->ns", eta, np.linalg.inv(population.alone), eta, optimize=True)
    share = special.softmax(sample.without_prior() - 0.5 * along, axis=1)
    mean, square = moments(eta, share)
    variance = np.diagonal(square - mean[:, :, None] * mean[:, None, :], axis1=1, axis2=2)
    prior = np.diag(population.alone)
    return Targets.of(etas, mean, variance, prior, prior - np.diag(population.omega), cohort.site)


def sample_of(of: Standing, draws: int, seed: int) -> Sample:
    """Even draws of each patient under a fitted population."""
    cohort, here = of.cohort, of.fit.evaluation
    names = [subject.id for subject in cohort.subjects]
    standard = even_draws(names, seed, draws, cohort.effects)
    return Sample(Density(cohort), here.vector, proposals_at(cohort, here), standard)


def differing(asked: Asked) -> list[str]:
    """The covariates in which patients differ.

    Raises:
        CovariateError: there is none.
    """
    names = [name for name, each in asked.described.items() if each.varies]
    if not names:
        raise CovariateError(f"{asked.model.id} has no covariate in which patients differ; declare [covariates.NAME]")
    return names


def proposed(asked: Asked, of: Standing, permutations: int, level: float, done: Callable[[int], None]) -> Proposals:
    """Pairs that trees see in the patients, of covariates in which they differ.

    Raises:
        CovariateError: there is no such covariate, or there are too few patients.
    """
    names = differing(asked)
    every = [covariate.name for covariate in asked.model.covariates]
    values = values_of(asked.timelines.values(), asked.model)[:, [every.index(name) for name in names]]
    return proposals(names, values, targets_of(of), permutations, level, done=done)


def decided(
    asked: Asked,
    base: Standing,
    pairs: Sequence[tuple[str, str]],
    shapes: Sequence[Shape],
    level: float,
    moved: Moved,
    kept_at: Path,
    told: Callable[[Decision], None],
) -> tuple[Standing, list[Decision]]:
    """Try every pair in turn, in the shape in which it makes the likelihood greatest.

    Raises:
        FitError, ModelError: a model cannot be fitted.
    """
    decisions = []
    for pair in pairs:
        of = asked.described[pair[1]]
        tried = [
            standing(asked, (*base.relations, Relation(*pair, shape)), base, moved, kept_at)
            for shape in _suitable(pair, shapes, of)
        ]
        if not tried:
            continue
        best = min(tried, key=lambda each: each.fit.exact.minus_2_log + 2 * each.fit.theta.size)
        decision = _decision(base, best, of, level)
        decisions.append(decision)
        told(decision)
        base = best if decision.taken else base
    return base, decisions


def _decision(base: Standing, larger: Standing, of: Characteristic, level: float) -> Decision:
    relation, numbers = larger.relations[-1], larger.numbers
    smaller_is, larger_is = base.fit.exact, larger.fit.exact
    ratio = smaller_is.minus_2_log - larger_is.minus_2_log
    error = float(np.hypot(smaller_is.error, larger_is.error))
    freedom = larger.fit.theta.size - base.fit.theta.size
    p, turn = chi_squared_tail(ratio, freedom), float(special.chdtri(freedom, level))
    beyond = [each.name for each in coefficients(relation, of) if not each.low <= numbers[each.name] <= each.high]
    converged = base.fit.state.why == "converged" and larger.fit.state.why == "converged"
    taken = converged and not beyond and ratio - SE_APART * error > turn
    if not converged:
        why = "not decided: one of the fits did not converge"
    elif beyond:
        why = f"left out: {beyond[0]} would make the parameter negative, or is beyond its bounds"
    elif abs(ratio - turn) <= SE_APART * error:
        why = "not decided: within two standard errors of the turn"
    else:
        why = "taken" if taken else "left out"
    return Decision(relation, ratio, error, freedom, p, taken, why)


def _suitable(pair: tuple[str, str], shapes: Sequence[Shape], of: Characteristic) -> list[Shape]:
    found: list[Shape] = []
    for shape in shapes:
        try:
            check(Relation(*pair, shape), of)
        except CovariateError:
            continue
        found.append(shape)
    return found


def lines_of(found: Proposals) -> list[str]:
    """The pairs that are worth something, as people read them."""
    lines = [f"{'pair':24} {'worth':>8} {'p':>7}"]
    lines += [
        f"{pair.parameter + ':' + pair.covariate:24} {100 * pair.worth:7.1f}% {pair.p:7.3f}"
        f"{'  proposed' if pair in found.proposed else ''}"
        for pair in found.pairs
        if pair.worth > 0.0
    ]
    lines.append(
        f"of {found.permutations} data sets with the covariates dealt out anew, {100 * found.false_finds:.1f} % had a"
        " proposal"
    )
    return lines


def line_of(decision: Decision) -> str:
    """A decision as people read it."""
    return (
        f"{decision.relation!s:30} ratio {decision.ratio:.2f} +- {decision.error:.2f} by {decision.freedom},"
        f" p {decision.p:.3g}: {decision.why}"
    )


def as_json(found: Proposals, decisions: Sequence[Decision], ended: Standing, asked: Asked) -> str:
    """Everything, with names."""
    content = {
        **head(asked.model, asked.data, len(asked.cases)),
        "pairs": [{**vars(pair), "proposed": pair in found.proposed} for pair in found.pairs],
        "permutations": found.permutations,
        "false_finds": found.false_finds,
        "decisions": [{**vars(each), "relation": str(each.relation)} for each in decisions],
        "relations": [str(each) for each in ended.relations],
        "minus_2_log_likelihood": [ended.fit.exact.minus_2_log, ended.fit.exact.error],
    }
    return json.dumps(content, indent=1) + "\n"
