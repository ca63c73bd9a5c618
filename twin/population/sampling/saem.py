"""Stochastic approximation EM: the maximum of the exact likelihood by draws that walk along.

    draw      effects of everybody, some steps on from where they were        (`twin.population.sampling.chains`)
    average   s_k = s_{k-1} + g_k (moments of the draws - s_{k-1})
    maximise  the population that suits s_k                                   (`twin.population.sampling.maximised`)

of a mixture with the class of each patient, whose share is how often patients are of it; where sites differ their
effects are drawn too, given those of their patients, which are about them (Delyon, Lavielle & Moulines 1999, Ann Stat
27:94; Kuhn & Lavielle 2005, Comput Stat Data Anal 49:1020). In the first phase g = 1, and the population walks to the
maximum and about it; variances begin `WIDE` times what the model says (of a mixture as it says) and may not shrink
faster than `COOLING` a step while it cools, so that a poor start is left. It ends where neither the complete likelihood
nor any number has a trend. Numbers of which single draws say little (typical values that nobody
differs in, variances that are next to singular) creep; while there is a trend, a Newton step by the score of the
likelihood itself is made now and then, by importance sampling at a halt, which has the same end, until such a step
gains nothing. Then g_k = k^-`SLOWING`, and the vectors of all but the first steps are averaged, which is as good as
the best gain would be (Polyak & Juditsky 1992, SIAM J Control Optim 30:838).

Whether that is the maximum is asked of the likelihood itself: its score tells how many standard errors there were
still to go (`twin.population.importance.newton`). Where they are too many a few steps by the score are made, then
several of draws that are made anew, of which the mean is taken; if that is not enough, the second phase is gone
through again from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.population.importance.covering import covering
from twin.population.importance.density import Density
from twin.population.importance.draws import Proposals
from twin.population.importance.newton import FARTHEST, Promise, along, promise, stepped_up
from twin.population.importance.sampled import Sample
from twin.population.laplace.methods import usual_objective
from twin.population.means.means import Means
from twin.population.means.regression import Moments, regressed
from twin.population.objective import Objective
from twin.population.sampling.chains import Believed, Chains, Sweep, believed
from twin.population.sampling.classes import begun
from twin.population.sampling.maximised import stepped, visited
from twin.population.sampling.site_effects import SiteEffects
from twin.population.sampling.target import Target
from twin.population.search import bounds
from twin.population.theta import FitError, Theta
from twin.population.values import LEVELS

WIDE = 4.0
"""Variances of effects begin so many times what the model says."""

COOLING = 0.95
"""Least share of a variance that a step leaves while it cools."""

SIZES = ("additive", "proportional")
"""Sizes of errors that cool too."""

COOLED = 100
"""Steps of cooling."""

WINDOW = 100
"""Last steps that must have no trend, none of them of cooling."""

LATEST = 25
"""Steps whose mean stands for where the first phase is."""

MOST = 500
"""Steps of the first phase at the most."""

SMOOTHED = 200
"""Steps of the second phase; those of its first quarter are not averaged."""

SLOWING = 0.7

AGAIN = 3
"""Times that the second phase is gone through at the most: anew where the score still promises a move."""

LEFT = 4
"""Steps by the score that are made at the most of what a second phase leaves."""

GAINED = 0.5
"""Log likelihood that a halt has to have gained on the last one for the first phase to go on."""

TREND, TREND_OF_ANY = 3.0, 4.5
"""Slopes in standard errors, of the complete likelihood and of the numbers, that are trends."""

FEW_CHAINS, MANY_CHAINS, VISITED = 4, 12, 60
"""Chains of a patient: so that all together have at least `VISITED`, within limits."""

TRIES = 24
"""Independent proposals of a patient in a step, over all chains."""

EARLY, SOMETIMES = 20, 10
"""Modes are found anew in every step up to `EARLY`, then in every `SOMETIMES`-th."""

AVERAGED, APART = 8, 7919
"""Times that draws are made anew for the mean of what their scores promise, with seeds so far apart."""

NEAR, STEEP = 0.15, 0.3
"""A score that still promises a move of this many standard errors is worth another second phase, and no end."""

Progress = Callable[[int, float, Floats], None]
"""Told after each step: its number, -2 complete log likelihood, and the vector (K,)."""


@dataclass(frozen=True)
class Settled:
    """Where it ended.

    Attributes:
        vector: (K,) the estimates.
        steps: how many there were.
        sample, proposals: draws that cover what is known of everybody there, and around what they were made.
        still: the move that the score still promises.
        why: ``converged``, or why not.
        accepted: share of independent proposals, and of steps of the walk, that were taken at the end.
    """

    vector: Floats
    steps: int
    sample: Sample
    proposals: Proposals
    still: Promise
    why: str
    accepted: tuple[float, float]


def settle(density: Density, start: Floats, seed: int = 1, told: Progress = lambda *_: None, done: int = 0) -> Settled:
    """Maximise the likelihood from a vector (K,); of an interrupted run ``done`` steps are behind it.

    Raises:
        FitError: at the start the values of a patient are impossible.
    """
    run = _Run(density, start, seed, warm=done > 0)
    history: list[Floats] = []
    step, trending, highest = done, True, -np.inf
    while trending and len(history) < max(MOST - done, WINDOW):
        step += 1
        objective = run.step(1.0, cooling=step <= COOLED)
        history.append(np.concatenate([[objective], run.vector]))
        told(step, objective, run.vector)
        if step % WINDOW == 0 and step >= COOLED + WINDOW and len(history) >= WINDOW:
            trending = has_trend(np.array(history[-WINDOW:]))
            if trending:
                long, reached = run.go_by_the_score(np.mean(history[-LATEST:], axis=0)[1:])
                trending = long > NEAR and reached > highest + GAINED
                highest = max(highest, reached)
    for _ in range(AGAIN):
        vector = _smoothed(run, step, told)
        step += SMOOTHED
        found = run.ended(vector, step)
        for _ in range(LEFT):
            if found.still.long <= NEAR:
                return found
            found = run.ended(stepped_up(found.sample, found.vector, found.still), step, found.still.information)
        found = run.averaged(found)
        if found.why == "converged":
            return found
        run.go_on_from(found.vector)
    return found


def _smoothed(run: _Run, done: int, told: Progress) -> Floats:
    """The average vector of the second phase."""
    total, count = np.zeros(len(run.vector)), 0
    for late in range(1, SMOOTHED + 1):
        objective = run.step(late**-SLOWING, cooling=False)
        if late > SMOOTHED // 4:
            total, count = total + run.vector, count + 1
        told(done + late, objective, total / count if count else run.vector)
    return np.asarray(total / count)


def has_trend(history: Floats) -> bool:
    """Whether the first column, or any other, of steps (T, 1 + K) goes anywhere but about.

    Steps are not independent; means of ten of them nearly are.
    """
    parts = history[: len(history) // 10 * 10].reshape(-1, 10, history.shape[1]).mean(axis=1)
    time = np.arange(len(parts)) - (len(parts) - 1) / 2.0
    slope = time @ parts / (time @ time)
    rest = parts - parts.mean(axis=0) - time[:, None] * slope
    error = np.sqrt((rest * rest).sum(axis=0) / (len(parts) - 2) / (time @ time))
    ratio = np.abs(slope) / np.maximum(error, 1e-12 * (1.0 + np.abs(parts).max(axis=0)))
    return bool(ratio[0] > TREND or (ratio[1:] > TREND_OF_ANY).any())


class _Run:
    """What moves: the vector, chains, and averaged moments."""

    def __init__(self, density: Density, start: Floats, seed: int, *, warm: bool) -> None:
        cohort = density.cohort
        self.density, self.seed = density, seed
        self.means = Means(cohort)
        self.vector = np.asarray(start, dtype=np.float64)
        # Classes are told apart by how narrow they are: wide ones would be one.
        as_is = warm or cohort.classes > 1
        self.vector = self.vector.copy() if as_is else widened(cohort.theta, self.vector)
        self.objective: Objective = usual_objective(cohort)
        self.believed: Believed = believed(self.objective, self.means, self.vector)
        chains = int(np.clip(np.ceil(VISITED / len(cohort)), FEW_CHAINS, MANY_CHAINS))
        eta = np.repeat(self.believed.eta[:, None], chains, axis=1)
        target = Target(density, self.vector)
        log_values = target.log_values(target.read(eta)).reshape(len(cohort.patients), -1)
        _possible(log_values, [subject.id for subject in cohort.patients])
        classes = begun(self.objective, self.vector, chains)
        self.chains = Chains(cohort, self.means, eta, max(2, TRIES // chains), seed, classes)
        self.sites = None if cohort.site is None else SiteEffects(cohort, cohort.site, self.means.active, seed)
        self.moments: Moments | None = None
        self.accepted = (0.0, 0.0)
        self._steps = 0

    def step(self, gain: float, *, cooling: bool) -> float:
        """One step; its -2 complete log likelihood."""
        theta, before = self.density.cohort.theta, self.vector
        self._steps += 1
        if self._steps <= EARLY or self._steps % SOMETIMES == 0:
            self.believed = believed(self.objective, self.means, before, self.believed.eta)
        population, here = theta.unpack(before), self.chains.here
        about = None if self.sites is None else self.sites.drawn(self.chains.eta, population, here)
        target = Target(self.density, before, None if about is None else about.centres)
        if about is not None:
            self.chains.draw_unmet(target)
        sweep = self.chains.sweep(target, self.believed)
        self.accepted = sweep.accepted
        new = visited(sweep, self.means.at(before), None if about is None else about.square)
        self.moments = new if self.moments is None else self.moments.towards(new, gain)
        after = before + gain * (stepped(target, sweep, self.means, before) - before)
        after = regressed(self.means, theta, after, self.moments)
        self.vector = cooled(theta, before, after) if cooling else after
        self.chains.hold(before[None], self.vector[None])
        return -2.0 * _complete(sweep)

    def go_by_the_score(self, vector: Floats) -> tuple[float, float]:
        """Go on from the end of a Newton step of the likelihood itself, by importance sampling, from a vector (K,): how
        long a move was promised, and the log likelihood that was reached."""
        sample, _ = self._sample(vector, self.seed)
        by = promise(sample, vector)
        after = bounds(self.density.cohort.theta).clip(stepped_up(sample, vector, by))
        self.go_on_from(after)
        return by.long, sample.likelihood(after, score=False).total

    def go_on_from(self, vector: Floats) -> None:
        """Go on from a vector (K,)."""
        self.chains.hold(self.vector[None], vector[None])
        self.vector, self.moments = vector, None

    def _sample(self, vector: Floats, seed: int) -> tuple[Sample, Proposals]:
        around = believed(self.objective, self.means, vector, self.believed.eta).around
        return covering(self.density, vector, around, seed)

    def ended(self, vector: Floats, steps: int, information: Floats | None = None) -> Settled:
        """What the likelihood itself says of where it ended; its information (K, K) may be known."""
        vector = bounds(self.density.cohort.theta).clip(vector)
        sample, proposals = self._sample(vector, self.seed)
        return self._judged(vector, steps, sample, proposals, promise(sample, vector, information))

    def averaged(self, found: Settled) -> Settled:
        """The mean of where the score leads, of draws made anew time after time.

        Of a number that the data say little of, so much is missing that the score of some draws promises another move
        than that of others. Those are averaged, and what is still promised is how far the later ones are from all.
        """
        within, information = bounds(self.density.cohort.theta), found.still.information
        vector, sample, proposals = found.vector, found.sample, found.proposals
        ends = list[Floats]()
        for number in range(1, AVERAGED + 1):
            sample, proposals = self._sample(vector, self.seed + number * APART)
            by = along(information, sample.likelihood(vector))
            if not np.isfinite(by.step).all():
                return found
            ends.append(vector + by.step * min(1.0, FARTHEST / max(by.long, 1e-300)))
            vector = within.clip(np.mean(ends, axis=0))
        sample, proposals = self._sample(vector, self.seed)
        left = np.mean(ends[AVERAGED // 2 :], axis=0) - vector
        return self._judged(vector, found.steps, sample, proposals, Promise(left, found.still.errors, information))

    def _judged(self, vector: Floats, steps: int, sample: Sample, proposals: Proposals, by: Promise) -> Settled:
        why = "converged"
        if by.long > STEEP:
            name = self.density.cohort.theta.names[by.of]
            why = f"not converged: the score still promises {name} a move of {by.long:.2g} standard errors"
        return Settled(vector, steps, sample, proposals, by, why, self.accepted)


def widened(theta: Theta, vector: Floats) -> Floats:
    """A vector with variances of effects `WIDE` times what they are, where they are free."""
    moved = vector.copy()
    for at, element in enumerate(theta.elements):
        if element.kind in LEVELS:
            root = np.sqrt(WIDE)
            moved[at] = moved[at] + np.log(root) if element.i == element.j else moved[at] * root
    return moved


def cooled(theta: Theta, before: Floats, after: Floats) -> Floats:
    """The vector ``after`` a step, whose variances are not less than `COOLING` times those ``before`` it."""
    old, new = theta.unpack(before), theta.unpack(after)
    errors = tuple(
        replace(now, **{size: max(getattr(now, size), np.sqrt(COOLING) * getattr(was, size)) for size in SIZES})
        for was, now in zip(old.errors, new.errors, strict=True)
    )
    covariances = {level: _no_narrower(old.covariance(level), new.covariance(level)) for level in LEVELS}
    return theta.pack(replace(new, errors=errors).with_covariances(covariances))


def _no_narrower(old: Floats, new: Floats) -> Floats:
    """A covariance with the correlations of ``new`` and variances that are at least `COOLING` times the old."""
    rise = np.sqrt(np.maximum(1.0, COOLING * np.diag(old) / np.diag(new)))
    return np.asarray(new * np.outer(rise, rise))


def _complete(sweep: Sweep) -> float:
    log = sweep.log_values + sweep.log_prior
    with np.errstate(invalid="ignore"):  # a draw that cannot be, and has no share
        return float(np.where(sweep.share > 0.0, sweep.share * log, 0.0).sum())


def _possible(log_values: Floats, names: list[str]) -> None:
    for name, log in zip(names, log_values, strict=True):
        if not np.isfinite(log).any():
            raise FitError(
                f"patient {name}: its values are impossible at the values that the fit begins with; mend the record,"
                " or begin elsewhere"
            )
