"""A fit from its cases to its results: the search, what is known of the estimates' certainty, and both written down."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streams.batch.population.patients import Data
from streams.batch.population.problems import (
    LOOK,
    bent_in_words,
    endless_in_words,
    held_in_words,
    kinked_in_words,
    nowhere_finite,
    problems_of,
    uncovered_in_words,
)
from streams.batch.population.search_file import keep, kept
from streams.terminal.version import version
from twin.arrays import Floats
from twin.model.spec import Model
from twin.population import starts as several
from twin.population.cohort import Cohort
from twin.population.importance.climbing import Exact, Round, SampledObjective, climb, exact_likelihood
from twin.population.importance.covering import covering, first_proposals, proposals_at
from twin.population.importance.density import Density
from twin.population.importance.draws import Proposals
from twin.population.importance.sampled import Sample
from twin.population.laplace.first_order import FirstOrderObjective
from twin.population.laplace.methods import objective_of, post_hoc
from twin.population.means.approach import sought
from twin.population.objective import Evaluation, Method
from twin.population.residuals import refuse_faint, refuse_vanishing
from twin.population.results import bootstrap as bootstraps
from twin.population.results import profile as profiling
from twin.population.results import sir
from twin.population.results.bootstrap import Bootstrap
from twin.population.results.classified import classes_found, likeliest
from twin.population.results.profile import Profile
from twin.population.results.shrinkage import Shrinkage, shrinkage
from twin.population.results.sir import Resampled
from twin.population.results.uncertainty import Uncertainty, endless, uncertainty
from twin.population.results.written import Provenance, fitted_model
from twin.population.sampling.gibbs import KEPT, MOST, WARMED, sampled
from twin.population.sampling.posterior import Posterior
from twin.population.sampling.saem import settle
from twin.population.search import State, bounds, run_away
from twin.population.starts import Starts
from twin.population.theta import FitError, Theta
from twin.population.trace import NO_SLOPE, Point, Trace, steepest
from twin.population.values import Population

FitMethod = Method | Literal["imp", "saem", "bayes"]

DRAWING = ("imp", "saem", "bayes")
"""Methods that draw: what they end at is the likelihood by importance sampling."""

WORDS = {"focei": "FOCE-I", "foce": "FOCE", "fo": "FO", "laplace": "Laplace", "imp": "importance sampling",
         "saem": "SAEM", "bayes": "Bayes, means of the posterior"}  # fmt: skip
"""Of each method, as people call it."""

THINNED = 4
"""One in so many draws of each chain is written down."""

SELDOM = 25
"""Steps of a sampler after which it is told where it stands."""

Moved = Callable[[int, float, str], None]
"""Is told of every step its number, the objective, and the numbers that moved most, in words."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What a fit found.

    Attributes:
        theta: what was free, of which model.
        state: where the search ended, and why.
        evaluation: the objective there.
        certainty: of the numbers.
        shrinkage: of effects and residuals.
        trace: of every step.
        problems: what did not converge, and what to try, in words.
        patients: ids; ``values`` how many they have.
        exact: the likelihood itself at the numbers found, whatever the method.
        bootstrap: of the numbers, where one was made.
        starts: several, where they were made; ``profiles`` of some numbers; ``resampled`` all of them.
    """

    theta: Theta
    method: FitMethod
    state: State
    evaluation: Evaluation
    certainty: Uncertainty
    shrinkage: Shrinkage
    trace: tuple[Point, ...]
    problems: tuple[str, ...]
    patients: tuple[str, ...]
    values: int
    exact: Exact
    bootstrap: Bootstrap | None = None
    starts: Starts | None = None
    profiles: tuple[Profile, ...] = ()
    resampled: Resampled | None = None
    posterior: Posterior | None = None

    @property
    def converged(self) -> bool:
        """Whether the search ended at a minimum, and starts that ended as deep ended at the same numbers."""
        return self.state.why == "converged" and (self.starts is None or self.starts.agree)

    @property
    def population(self) -> Population:
        """The numbers found."""
        return self.theta.unpack(self.evaluation.vector)


def fit(
    cohort: Cohort,
    method: FitMethod,
    moved: Moved,
    kept_at: Path | None = None,
    key: str = "",
    start: Floats | None = None,
    seed: int = 1,
) -> Fit:
    """Fit a cohort by a method, from the values of its model or from where an interrupted search stood.

    Args:
        start: (K,) where to begin instead of at the model's values.
        moved: is told of every step.
        kept_at: where the search is written down after every step.
        key: of what is fitted to what, and how.
        seed: of the draws of methods that draw.

    Raises:
        FitError: the objective is not finite at the values that the search begins with, or no number can make a value
            likely (`refuse_vanishing`, `refuse_faint`).
    """
    refuse_vanishing(cohort)
    refuse_faint(cohort)
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is told in words
            return _fitted(cohort, method, moved, kept_at, key, start, seed)
    except (np.linalg.LinAlgError, FloatingPointError, OverflowError) as error:
        raise FitError(
            f"where the search went nothing can be computed ({error}): look at units of DV, AMT and TIME, or begin with"
            " other values in the model file"
        ) from None


def _fitted(
    cohort: Cohort, method: FitMethod, moved: Moved, kept_at: Path | None, key: str, start: Floats | None, seed: int
) -> Fit:
    begun = None if kept_at is None else kept(kept_at, key)
    first = cohort.theta.pack(cohort.theta.start) if start is None else start
    begin = State(first) if begun is None else begun
    trace = Trace(cohort.theta)

    def told(state: State, total: float, slope: float) -> None:
        if trace.add(state.step, state.vector, total, slope):
            moved(state.step, total, trace.moving())
        if kept_at is not None:
            keep(kept_at, key, state)

    if method == "imp":
        return _by_importance(cohort, begin, told, trace, seed)
    if method == "saem":
        return _by_chains(cohort, begin, told, trace, seed)
    if method == "bayes":
        return _by_posterior(cohort, begin, told, trace, seed)
    return _by_modes(cohort, method, begin, told, trace)


Told = Callable[[State, float, float], None]
"""Is told after every step where the search stands, the objective and its slope (`twin.population.trace`)."""


def _by_modes(cohort: Cohort, method: Method, begin: State, told: Told, trace: Trace) -> Fit:
    theta, objective = cohort.theta, objective_of(cohort, method)

    def told_step(state: State, here: Evaluation) -> None:
        told(state, here.total, steepest(here.gradient))

    try:
        state, here = sought(objective, begin, told_step, bounds(theta))
    except FloatingPointError as error:
        raise FitError(f"{error}{nowhere_finite(objective, begin.vector)}; {LOOK}") from None
    certainty, patients = uncertainty(objective, theta, here), post_hoc(objective, here)
    exact = exact_likelihood(Density(cohort), here.vector, proposals_at(cohort, patients))
    found = _found(cohort, method, state, here, certainty, objective.iwres(patients), trace, exact, patients)
    found = replace(found, problems=(*found.problems, *kinked_in_words(theta.model)))
    if not isinstance(objective, FirstOrderObjective):
        return found
    return replace(found, problems=(*found.problems, *bent_in_words(objective.bent(patients))))


def _by_importance(cohort: Cohort, begin: State, told: Told, trace: Trace, seed: int) -> Fit:
    density = Density(cohort)

    def told_round(number: int, round_: Round, vector: Floats) -> None:
        told(State(vector, None, begin.step + number), round_.minus_2_log, round_.slope)

    climbed = climb(density, begin.vector, seed, told_round)
    state = State(climbed.vector, None, begin.step + len(climbed.rounds), True, climbed.why)
    return _of_likelihood(density, "imp", state, climbed.sample, climbed.proposals, trace)


def _by_chains(cohort: Cohort, begin: State, told: Told, trace: Trace, seed: int) -> Fit:
    density = Density(cohort)

    def told_step(number: int, objective: float, vector: Floats) -> None:
        told(State(vector, None, number), objective, NO_SLOPE)

    ended = settle(density, begin.vector, seed, told_step, begin.step)
    state = State(ended.vector, None, ended.steps, True, ended.why)
    return _of_likelihood(density, "saem", state, ended.sample, ended.proposals, trace)


def _by_posterior(cohort: Cohort, begin: State, told: Told, trace: Trace, seed: int) -> Fit:
    density, theta = Density(cohort), cohort.theta

    def told_step(number: int, objective: float, vector: Floats) -> None:
        if number % SELDOM == 0:
            told(State(vector, None, begin.step + number), objective, NO_SLOPE)

    posterior = sampled(density, begin.vector, seed, told_step, WARMED, KEPT, MOST)
    vector = theta.pack(theta.population(dict(zip(theta.names, posterior.mean.tolist(), strict=True))))
    why = f"not converged: {posterior.problem}" if posterior.problem else "converged"
    state = State(vector, None, begin.step + WARMED + posterior.draws.shape[1], True, why)
    sample, proposals = covering(density, vector, first_proposals(density, vector), seed)
    found = _of_likelihood(density, "bayes", state, sample, proposals, trace)
    return replace(found, posterior=posterior, problems=(*found.problems, *held_in_words(posterior.held)))


def _of_likelihood(
    density: Density, method: FitMethod, state: State, sample: Sample, proposals: Proposals, trace: Trace
) -> Fit:
    """What a fit found whose end is told by draws that cover what is known of everybody."""
    cohort, objective = density.cohort, SampledObjective(sample)
    here = objective(state.vector)
    iwres = objective_of(cohort, "laplace").iwres(here)
    exact = exact_likelihood(density, state.vector, proposals)
    certainty = uncertainty(objective, cohort.theta, here)
    return _found(cohort, method, state, here, certainty, iwres, trace, exact)


def _found(
    cohort: Cohort,
    method: FitMethod,
    state: State,
    here: Evaluation,
    certainty: Uncertainty,
    iwres: Floats,
    trace: Trace,
    exact: Exact,
    patients_at: Evaluation | None = None,
) -> Fit:
    """What a fit found, whichever way it went; ``patients_at`` is where modes are, if not ``here``."""
    theta = cohort.theta
    population = theta.unpack(here.vector)
    endlessly = endless(theta, here, certainty)
    away = [*dict.fromkeys([*endlessly, *run_away(theta, here.vector)])]
    if away:
        state = replace(state, why=f"as {', '.join(away)} ran away")
    uncovered = uncovered_in_words(exact)
    if uncovered and method in DRAWING and state.why == "converged":
        state = replace(state, why="where its draws do not cover what is known of everybody")
    known, members = likeliest(cohort, here)
    eta = (here if patients_at is None else patients_at).eta
    shrunk = shrinkage(known, population.alone, eta[members], iwres[cohort.of_observations(members)])
    problems = (
        *problems_of(cohort, state, here, population, away),
        *endless_in_words(endlessly),
        *((certainty.problem,) if certainty.problem else ()),
        *uncovered,
    )
    points, patients = tuple(trace.points), tuple(subject.id for subject in cohort.patients)
    return Fit(theta, method, state, here, certainty, shrunk, points, problems, patients, cohort.values, exact)


def provenance(fit: Fit, data: str, program: str) -> Provenance:
    """Where the numbers come from, in a line."""
    model = fit.theta.model
    said = f"{WORDS[fit.method]} ({program}) from {model.id} {model.hash}, data {data}"
    if fit.theta.prior is not None:
        said += f", prior {fit.theta.prior.source}"
    return Provenance(said, len(fit.evaluation.ofv))


def written(fit: Fit, data: str, name: str) -> Model:
    """The fitted model, to be kept as its `Model.text`."""
    errors = fit.certainty.errors("sandwich")
    errors = fit.certainty.errors("R") if errors is None else errors
    errors = errors if fit.posterior is None else fit.posterior.sd
    return fitted_model(fit.theta, fit.population, errors, provenance(fit, data, f"dosetwin {version()}"), name)


def as_json(fit: Fit, data: Data, name: str) -> str:
    """Everything that was found, with names; numbers that are none are ``null``. The fitted model's id is ``name``."""
    numbers, size = fit.theta.natural(fit.evaluation.vector), fit.theta.size
    errors = {kind: fit.certainty.errors(kind) for kind in ("sandwich", "R", "S")}
    best = next((kind for kind in ("sandwich", "R", "S") if errors[kind] is not None), None)
    content = {
        "program": f"dosetwin {version()}",
        "method": fit.method,
        "model": {"id": fit.theta.model.id, "hash": fit.theta.model.hash},
        "fitted": name,
        "data": data.named(),
        "patients": len(fit.evaluation.ofv),
        "values": fit.values,
        "objective": fit.evaluation.total,
        "objective_is": f"-2 log likelihood by {WORDS['imp' if fit.method in DRAWING else fit.method]}, without n"
        " log(2 pi); not to be held against that of another method",
        "prior": _prior(fit),
        "aic": float(fit.evaluation.ofv.sum()) + 2 * size,
        "bic": float(fit.evaluation.ofv.sum()) + size * math.log(fit.values),
        "likelihood": {
            "minus_2_log": fit.exact.minus_2_log,
            "without_n_log_2pi": fit.exact.ofv,
            "standard_error": fit.exact.error,
            "draws": fit.exact.draws,
            "least_effective_share": fit.exact.size,
            "aic": fit.exact.minus_2_log + 2 * size,
            "bic": fit.exact.minus_2_log + size * math.log(fit.values),
            "is": "by importance sampling, the same whatever the method: what models are compared by",
        },
        "converged": fit.converged,
        "ended": fit.state.why,
        "steps": fit.state.step,
        "problems": list(fit.problems),
        "estimates": [
            {
                "name": name,
                "value": numbers[i],
                **{f"se_{kind}": None if one is None else one[i] for kind, one in errors.items()},
            }
            for i, name in enumerate(fit.theta.names)
        ],
        **_beside(fit),
        "posterior": None if fit.posterior is None else _posterior(fit.posterior),
        "fixed": _fixed(fit.theta),
        "standard_errors": best,
        "condition_number": None if best is None else fit.certainty.condition(best),  # type: ignore[arg-type]
        "correlation": None if best is None else _rows(fit.certainty.correlation(best)),  # type: ignore[arg-type]
        "shrinkage": {
            "eta_sd": fit.shrinkage.sd,
            "eta_variance": fit.shrinkage.variance,
            "residual": fit.shrinkage.residual,
        },
        "classes": classes_found(fit.theta, fit.evaluation, fit.patients),
        "trace": [asdict(point) for point in fit.trace],
    }
    return json.dumps(_plain(content), indent=1) + "\n"


def intervals(fit: Fit) -> list[str]:
    """Intervals that were asked for, a line each."""
    lines = []
    for one in fit.profiles:
        low, high = ("open" if end is None else f"{end:.5g}" for end in (one.low, one.high))
        lines.append(f"profile: {one.name} {one.value:.5g}, 95 % {low} to {high}")
    if fit.resampled is not None:
        found = fit.resampled
        for name, low, high in zip(fit.theta.names, found.low.tolist(), found.high.tolist(), strict=True):
            lines.append(f"sir: {name} 95 % {low:.5g} to {high:.5g}")
        lines.append(
            f"sir: the objective rises by {found.iterations[-1].mean_rise:.3g} on average,"
            f" by {fit.theta.size} if the numbers are spread as their standard errors say"
        )
    return lines


def _prior(fit: Fit) -> dict[str, object] | None:
    """What was known before, and what it adds to the objective."""
    prior, penalty = fit.theta.prior, fit.evaluation.prior
    if prior is None or penalty is None:
        return None
    return prior.as_numbers() | {"adds_to_objective": penalty.value}


def _beside(fit: Fit) -> dict[str, object]:
    """What was asked beside the numbers."""
    names, bootstrap, starts, resampled = fit.theta.names, fit.bootstrap, fit.starts, fit.resampled
    return {
        "starts": None if starts is None else several.as_numbers(starts, fit.theta),
        "profile": profiling.as_numbers(fit.profiles) if fit.profiles else None,
        "sir": None if resampled is None else sir.as_numbers(resampled, names),
        "bootstrap": None if bootstrap is None else bootstraps.as_numbers(bootstrap, names),
    }


def draws_table(posterior: Posterior) -> str:
    """Every `THINNED`-th draw of each chain as CSV: chain, draw, and the numbers by name."""
    lines = [",".join(["chain", "draw", *posterior.names])]
    for chain, draws in enumerate(posterior.draws, start=1):
        lines += [
            ",".join([str(chain), str(n), *(f"{value:.9g}" for value in draws[n - 1])])
            for n in range(THINNED, len(draws) + 1, THINNED)
        ]
    return "\n".join(lines) + "\n"


def _posterior(posterior: Posterior) -> dict[str, Any]:
    low, median, high = posterior.quantiles
    columns = (posterior.mean, posterior.sd, median, low, high, posterior.r_hat, posterior.effective)
    said = ("mean", "sd", "median", "low", "high", "r_hat", "effective_draws")
    rows = zip(posterior.names, *(column.tolist() for column in columns), strict=True)
    return {
        "chains": len(posterior.draws),
        "draws": int(posterior.draws.shape[1]),
        "prior": posterior.prior,
        "held_for_names": posterior.held,
        "interval": "95 %, equal tails",
        "numbers": [{"name": name, **dict(zip(said, values, strict=True))} for name, *values in rows],
    }


def _fixed(theta: Theta) -> dict[str, float]:
    everything = Theta.whole(theta.model)
    values = dict(zip(everything.names, everything.natural_of(theta.start).tolist(), strict=True))
    return {name: value for name, value in values.items() if name not in theta.names}


def _rows(matrix: Floats | None) -> list[list[float]] | None:
    return None if matrix is None else matrix.tolist()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
