"""The maximum of the exact likelihood, by importance sampling: draws are made, the likelihood that they give is
maximised near to where they were made, draws are made anew around what was then found of each patient.

Within a round the draws stand still, so that the likelihood is a smooth function with an exact gradient
(`twin.population.importance.sampled`); it is climbed by L-BFGS-B on the scale of what one patient more would say (the
sum of the squared scores, Berndt et al. 1974, Ann Econ Soc Meas 3:653), no farther than `FARTHEST` standard errors and
not beyond where the draws still cover the posteriors. That is the climb which the EM of importance sampling makes by
steps (Wei & Tanner 1990, J Am Stat Assoc 85:699; Bauer & Guzy 2004) without their slowness where data are sparse.
Proposals follow what the last draws found (`twin.population.importance.covering`), and the next draws are others: of
draws that proposals were made to suit the likelihood is too low, the more so the more effects there are. Where draws
are few for what they have to tell, each round ends at another maximum; so the last rounds are averaged, as in the
smoothing phase of SAEM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from twin.arrays import Floats
from twin.population.importance.covering import APART, EXACT, FEWEST, followed, proposals_at, with_their_sites
from twin.population.importance.density import Density
from twin.population.importance.draws import Proposals, even_draws, paired_draws
from twin.population.importance.newton import along, promise, stepped_up
from twin.population.importance.sampled import Likelihood, Sample
from twin.population.laplace.methods import usual_objective
from twin.population.means.approach import sought
from twin.population.objective import Evaluation
from twin.population.residuals import LOG_2PI
from twin.population.search import State, bounds, untold
from twin.population.theta import FitError, Theta
from twin.population.trace import steepest
from twin.population.values import LEVELS

DRAWS = 300
"""Of each patient in a round, `EXACT` in those that are averaged."""

TOLD = 4000
"""Paired draws that the likelihood which is told rests on."""

MOST_ROUNDS = 60

FARTHEST = 3.0
"""Standard errors that a number moves in a round at most."""

LONGEST = 1.0
"""The longest move of any number in a round, relative to the largest of the vector: on a logarithmic scale e-fold."""

NOWHERE = 1e300
"""What is climbed down from where there is no likelihood."""

STEEP = 0.5
"""A slope that still promises a move of this many standard errors is no end."""

ASKED = 4
"""Times that draws are asked for the slope of an end."""

FINE = 0.5
"""A round that moves nothing by more of its standard error is near: from then on what rounds find is averaged."""

AVERAGED = 8
"""Rounds that are averaged, with `EXACT` draws: the k-th moves the numbers by 1/k of the way (Robbins & Monro 1951)."""

COVERED = 0.3
"""Of the draws' effective share at the beginning of a round, the least at its end."""

INSIDE = 0.01
"""Share of a variance that is its own with which draws begin where FOCE-I leaves none."""


@dataclass(frozen=True)
class Round:
    """One round: -2 log likelihood at its end, the longest move in standard errors, the least effective share, and the
    steepest derivative of -2 log likelihood where it began."""

    minus_2_log: float
    moved: float
    size: float
    slope: float


Progress = Callable[[int, Round, Floats], None]
"""Told after each round: its number, what came of it, and the vector (K,)."""


@dataclass(frozen=True)
class Climbed:
    """Where the rounds ended.

    Attributes:
        vector: (K,) the estimates.
        proposals: of draws that cover what is known of everybody there; ``sample`` has `EXACT` of them.
        rounds: all of them.
        why: ``converged``, or why not.
    """

    vector: Floats
    proposals: Proposals
    sample: Sample
    rounds: tuple[Round, ...]
    why: str


def climb(density: Density, start: Floats, seed: int = 1, told: Progress = lambda *_: None) -> Climbed:
    """Maximise the likelihood, from where first-order conditional estimation or Laplace's method ends that begins at a
    vector ``start`` (K,): near to the maximum, and sooner there than by draws.

    Raises:
        FitError: at the start the values of a patient are impossible.
    """
    cohort = density.cohort
    names = [subject.key for subject in cohort.subjects]
    vector, proposals = by_modes(density, start)
    rounds: list[Round] = []
    late = 0
    while late < AVERAGED and len(rounds) < MOST_ROUNDS:
        count = EXACT if late else DRAWS
        sample = Sample(
            density, vector, proposals, even_draws(names, seed + APART * len(rounds), count, cohort.effects)
        )
        begun = sample.likelihood(vector)
        _possible(begun, [subject.id for subject in cohort.patients])
        reached, found, moved = _climbed(sample, begun)
        if moved == 0.0:
            reached, found, moved = _by_curvature(sample, begun)
        vector = vector + (reached - vector) / max(1, late)
        # Of thin effects it is here, and not where the round ended, that draws lie on their plane.
        here = found if np.array_equal(vector, reached) else sample.likelihood(vector, score=False)
        proposals = followed(density, vector, here, proposals, seed)
        slope = steepest(2.0 * begun.slope)
        rounds.append(Round(-2.0 * found.total, moved, float(found.size.min()), slope))
        told(len(rounds), rounds[-1], vector)
        late += late > 0 or moved < FINE
    last = Sample(density, vector, proposals, even_draws(names, seed, EXACT, cohort.effects))
    return Climbed(vector, proposals, last, tuple(rounds), _ended(last, vector, proposals, late, seed))


def _ended(last: Sample, vector: Floats, proposals: Proposals, late: int, seed: int) -> str:
    """``converged`` where the slope is nothing beside the standard errors, else what was seen. A slope of some draws is
    asked again of others: what is theirs alone is no slope."""
    if late < AVERAGED:
        return f"not converged after {MOST_ROUNDS} rounds"
    by, cohort = promise(last, vector), last.density.cohort
    if by.long >= STEEP:
        names, steps = [subject.key for subject in cohort.subjects], [by.step]
        for number in range(1, ASKED):
            draws = even_draws(names, seed - APART * number, EXACT, cohort.effects)
            again = Sample(last.density, vector, proposals, draws).likelihood(vector)
            steps.append(along(by.information, again).step)
        by = replace(by, step=np.mean(steps, axis=0))
    name = last.theta.names[by.of]
    return "converged" if by.long < STEEP else f"stuck where {name} was still promised {by.long:.2g} standard errors"


def by_modes(density: Density, start: Floats) -> tuple[Floats, Proposals]:
    """Where a search by modes ends, and proposals around the modes there; where it cannot begin, those at the start."""
    cohort, vector = density.cohort, np.asarray(start, dtype=np.float64)
    objective, within = usual_objective(cohort), bounds(cohort.theta)
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # of what a step too long finds; it is not taken
            _, seen = sought(objective, State(vector), lambda *_: None, within)
    except FloatingPointError:
        seen = objective(vector)
    else:
        if (unknown := untold(seen, within)).any():
            seen = objective(_inside(cohort.theta, seen.vector, unknown), seen, thorough=True)
    return seen.vector, proposals_at(cohort, seen)


def _inside(theta: Theta, vector: Floats, unknown: NDArray[np.bool_]) -> Floats:
    """The vector (K,) with factors of Omega that have vanished made a part (`INSIDE`) of their variances: draws need
    room to every side."""
    found, population = vector.copy(), theta.unpack(vector)
    for at in np.flatnonzero(unknown).tolist():
        kind, i, _ = theta.elements[at]
        if kind not in LEVELS:
            continue
        variance = population.covariance(kind)[i, i]
        found[at] = max(found[at], 0.5 * float(np.log(INSIDE * max(variance, INSIDE**2))))
    return found


class SampledObjective:
    """-2 log likelihood near to where draws were made, as an objective with scores (`twin.population.objective`); what
    is predicted moves along curves (`Sample.bent`)."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample.bent()

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        """Evaluate; modes are posterior means here, and whether draws cover them is whether they are settled."""
        del last, thorough  # the draws stand still
        found = self._sample.likelihood(vector)
        count, d = found.mean.shape
        return Evaluation(
            vector.copy(),
            -2.0 * found.log,
            found.mean,
            found.covariance,
            -2.0 * found.score,
            np.zeros((count, d, len(vector))),
            found.effective >= FEWEST,
            np.zeros(count),
            found.prior,
            found.posterior,
            found.site,
        )


@dataclass(frozen=True)
class Exact:
    """-2 log likelihood by importance sampling.

    Attributes:
        ofv: without n log(2 pi), on the scale of the errors, as NONMEM prints it; ``minus_2_log`` the whole one of the
            values on their own scale, as Monolix and saemix do; ``error`` the standard error of either.
        draws: of each patient; ``size`` the least effective share of them.
    """

    ofv: float
    minus_2_log: float
    error: float
    draws: int
    size: float


def exact_likelihood(density: Density, vector: Floats, proposals: Proposals, seed: int = 1, draws: int = TOLD) -> Exact:
    """The likelihood of a vector, by paired draws; of whom they do not cover by draws that are made anew."""
    found = _in_pairs(density, vector, proposals, seed, draws)
    log, error, size = found.log.copy(), found.error.copy(), found.size.copy()
    few = np.flatnonzero(found.effective < FEWEST)
    if len(few):
        some, members = with_their_sites(density.cohort, few)
        patients = members[:: some.classes] // some.classes
        proposals = followed(density, vector, found, proposals, seed).of(members)
        again = _in_pairs(Density(some), vector, proposals, seed, draws)
        log[patients], error[patients], size[members] = again.log, again.error, again.size
    ofv, off = -2.0 * float(log.sum()), 2.0 * float(np.sqrt((error**2).sum()))
    whole = ofv + density.normal * LOG_2PI + density.constant
    return Exact(ofv, whole, off, draws, float(size.min()))


def _in_pairs(density: Density, vector: Floats, proposals: Proposals, seed: int, draws: int) -> Likelihood:
    names = [subject.key for subject in density.cohort.subjects]
    sample = Sample(density, vector, proposals, paired_draws(names, seed, draws, density.cohort.effects))
    return sample.likelihood(vector, score=False, paired=True)


def _climbed(sample: Sample, begun: Likelihood) -> tuple[Floats, Likelihood, float]:
    """The best vector within reach of the draws, the likelihood there, and the longest move in standard errors."""
    scale, within = _scale(begun), bounds(sample.theta)

    def downhill(x: Floats) -> tuple[float, Floats]:
        vector = sample.vector + np.linalg.solve(scale.T, x)
        there = within.clip(vector)
        seen = _near(sample, there)
        if seen is None:
            return NOWHERE, np.zeros_like(x)
        # A factor of Omega beyond which there is none moves nothing.
        slope = np.where(there == vector, seen.slope, 0.0)
        return -seen.total, np.asarray(-np.linalg.solve(scale, slope))

    size = len(sample.vector)
    ends = optimize.minimize(
        downhill, np.zeros(size), jac=True, method="L-BFGS-B", bounds=[(-FARTHEST, FARTHEST)] * size,
        options={"maxiter": 30},
    )  # fmt: skip
    x = np.asarray(ends.x, dtype=np.float64)
    for _ in range(8):
        vector = within.clip(sample.vector + np.linalg.solve(scale.T, x))
        found = _near(sample, vector)
        better = found is not None and found.total >= begun.total
        if found is not None and better and np.median(found.size) >= COVERED * np.median(begun.size):
            return vector, found, float(np.abs(x).max())
        x = 0.5 * x
    return sample.vector, begun, 0.0


def _by_curvature(sample: Sample, begun: Likelihood) -> tuple[Floats, Likelihood, float]:
    """The same by one step of the curvature, where squared scores are no scale to climb by."""
    by = promise(sample, sample.vector)
    reached = stepped_up(sample, sample.vector, by)
    found = _near(sample, reached)
    if found is None or np.median(found.size) < COVERED * np.median(begun.size):
        return sample.vector, begun, 0.0
    return reached, found, float((np.abs(reached - sample.vector) / by.errors).max())


def _near(sample: Sample, vector: Floats) -> Likelihood | None:
    """The likelihood within `LONGEST` of where the draws were made; ``None`` beyond, and where there is none."""
    if np.abs(vector - sample.vector).max() > LONGEST * max(1.0, float(np.abs(sample.vector).max())):
        return None
    try:
        seen = sample.likelihood(vector)
    except np.linalg.LinAlgError:  # an Omega that is singular to rounding
        return None
    return seen if np.isfinite(seen.log).all() else None


def _scale(found: Likelihood) -> Floats:
    """Lower factor (K, K) of the information by squared scores; what says nothing is given the scale 1e-3. Where sites
    differ, of which there are few, a number that they say next to nothing of has a standard error of `LONGEST`."""
    information = found.information
    least = max(1e-6 * float(np.diag(information).max(initial=0.0)), 1e-6)
    known = np.full(len(information), least)
    if found.site is not None:
        known = np.maximum(known, LONGEST**-2 - np.diag(information))
    return np.asarray(np.linalg.cholesky(information + np.diag(known)))


def _possible(found: Likelihood, names: list[str]) -> None:
    for name, log in zip(names, found.log, strict=True):
        if not np.isfinite(log):
            raise FitError(
                f"patient {name}: no draw of the effects makes the values possible; mend the record, or begin elsewhere"
            )
