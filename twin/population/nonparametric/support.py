"""The most likely distribution of random effects, of any form: it lies on points, no more of them than patients.

Whether a distribution F is the most likely is told by the directional derivative towards a point (Lindsay 1983):

    D(eta) = sum_i p(y_i | eta) / p(y_i | F) - N,        D <= 0 everywhere, and 0 at F's own points.

    log L(best) - log L(F) <= max D

so that D, where it is greatest, bounds what there is left to gain. Points climb D by a compass search, all at once,
from the points there are and from the best of points that fill the box evenly; where they end they are taken in,
weights are found anew (`twin.population.nonparametric.weights`), and points without weight are left out. That is the
adaptive grid (NPAG, Yamada et al. 2020, Algorithms 14:296) with its new points chosen by D (NPOD, Hovd et al. 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.nonparametric.given import Given
from twin.population.nonparametric.weights import fewest, weights_of
from twin.population.residuals import LOG_2PI
from twin.population.theta import FitError
from twin.randomness import even_points, generator

REACH = 5.0
"""Standard deviations of the model's Omega that points lie within, along each effect."""

SPREAD = 256
"""Points that fill the box at first, for each effect."""

CLIMBING = 16
"""Of these the best that climb."""

FIRST, LAST = 0.25, 1e-4
"""Steps of the compass search, in standard deviations of Omega: it ends where none as short as the last goes up."""

GAIN = 1e-3
"""What log L may still gain by any point that was looked at, when it ends."""

WEIGHTLESS = 1e-6
"""A share of patients that is none."""

NEAR = 1e-3
"""Points nearer to each other than this, in standard deviations of Omega, are one."""

MOST_ROUNDS = 60


@dataclass(frozen=True)
class Support:
    """What was found.

    Attributes:
        eta: (K, D) points; ``weight`` (K,) shares of patients there.
        posterior: (N, K) of each patient.
        log: log likelihood, as `twin.population.importance.density` counts; ``minus_2_log`` the whole one.
        gain: the greatest D that was found.
        by_other_draws: what ``minus_2_log`` is of the same points by other draws of the effects of occasions; ``None``
            of a model without.
        rounds: how many there were; ``why`` it ended.
    """

    eta: Floats
    weight: Floats
    posterior: Floats
    log: float
    minus_2_log: float
    gain: float
    by_other_draws: float | None
    rounds: int
    why: str


Told = Callable[[int, float, float, int], None]
"""Is told after each round its number, log L, the greatest D, and how many points there are."""


def support(cohort: Cohort, seed: int = 1, told: Told = lambda *_: None) -> Support:
    """The most likely points and weights of a cohort's effects.

    Raises:
        FitError: what `refuse` says, or a patient whom nothing in the box makes possible.
    """
    refuse(cohort)
    return _Search(cohort, seed).ended(told)


def refuse(cohort: Cohort) -> None:
    """Refuse what has no support points.

    A site's effects join the likelihoods of its patients, whose logarithms do not add up any more, so that no D tells
    how far from most likely points are. Classes beside points of any form are not told apart: a class that moves a
    parameter with iiv is the same as points elsewhere, and classes show as groups of points where there are any.

    Raises:
        FitError: effects that drift, or of sites; classes, a prior that something widens, or no effects.
    """
    model = cohort.kernel.model
    reasons = {
        "effects that drift": model.drift is not None,
        "effects of sites": bool(model.isv_names),
        "classes that nobody sees": cohort.classes > 1,
        "patients whose prior is wider ([covariates.X.missing] widens)": cohort.columns.widened,
        "no iiv": not model.eta_names,
    }
    what = next((reason for reason, holds in reasons.items() if holds), None)
    if what is not None:
        raise FitError(f"{model.id} has {what}; support points are of parameters with iiv, and of nothing else")


class _Search:
    def __init__(self, cohort: Cohort, seed: int) -> None:
        self._cohort, self._given, self._seed = cohort, Given(cohort, seed), seed
        self._sd = np.sqrt(np.diag(cohort.theta.start.omega))

    def spread(self, count: int, purpose: str) -> Floats:
        """Points (count, D) that fill the box evenly."""
        even = even_points(generator("support points", self._seed, purpose), count, len(self._sd))
        return np.asarray((2.0 * even - 1.0) * REACH * self._sd)

    def ended(self, told: Told) -> Support:
        eta = self.spread(SPREAD * len(self._sd), "first")
        eta, weight, log, each = self._weighed(eta, self._given.log_likelihood(eta))
        gain, rounds, why = np.inf, 0, f"not converged after {MOST_ROUNDS} rounds"
        while rounds < MOST_ROUNDS:
            rounds += 1
            filling = self.spread(SPREAD * len(self._sd), f"round {rounds}")
            best = np.argsort(-self._derivative(self._given.log_likelihood(filling), log))[:CLIMBING]
            there, d = self._climbed(np.concatenate([eta, filling[best]]), log)
            gain = float(d.max())
            told(rounds, float(log.sum()), gain, len(weight))
            if gain < GAIN:
                why = "converged"
                break
            every = np.concatenate([eta, there[d > 0.0]])
            eta, weight, log, each = self._weighed(every, self._given.log_likelihood(every))
        posterior, density = np.exp(each + np.log(weight) - log[:, None]), self._given.density
        apart, order = density.normal * LOG_2PI + density.constant, np.argsort(-weight, kind="stable")
        other, whole = None, apart - 2.0 * float(log.sum())
        if self._cohort.kernel.model.iov_names:
            by_other = Given(self._cohort, self._seed + 1).log_likelihood(eta)
            other = apart - 2.0 * float(special.logsumexp(by_other + np.log(weight), axis=1).sum())
        return Support(
            eta[order], weight[order], posterior[:, order], float(log.sum()), whole, gain, other, rounds, why
        )

    def _weighed(self, eta: Floats, each: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Points with weight, their weights, log L (N,) of each patient, and log p (N, K) of the points."""
        top = each.max(axis=1)
        for subject, one in zip(self._cohort.subjects, top, strict=True):
            if not np.isfinite(one):
                raise FitError(
                    f"patient {subject.id}: no effects within {REACH:g} standard deviations make the values possible;"
                    " give the model a larger iiv, or mend the record"
                )
        weight = weights_of(np.exp(each - top[:, None]))
        kept = _merged(eta / self._sd, weight)
        eta, each = eta[kept], each[:, kept]
        psi = np.exp(each - top[:, None])
        weight = fewest(psi, weights_of(psi))
        eta, each, weight = eta[weight > 0.0], each[:, weight > 0.0], weight[weight > 0.0]
        return eta, weight, special.logsumexp(each + np.log(weight), axis=1), each

    @staticmethod
    def _derivative(each: Floats, log: Floats) -> Floats:
        """D (S,) of points whose log p is (N, S)."""
        return np.asarray(np.exp(np.minimum(each - log[:, None], 600.0)).sum(axis=0) - len(log))

    def _climbed(self, eta: Floats, log: Floats) -> tuple[Floats, Floats]:
        """Where a compass search from points (S, D) ends, and D there."""
        eta, size = eta.copy(), len(self._sd)
        d, step = self._derivative(self._given.log_likelihood(eta), log), np.full(len(eta), FIRST)
        ways = np.concatenate([np.eye(size), -np.eye(size)]) * self._sd
        while (going := np.flatnonzero(step >= LAST)).size:
            tried = eta[going, None] + step[going, None, None] * ways
            tried = np.clip(tried, -REACH * self._sd, REACH * self._sd)
            found = self._derivative(self._given.log_likelihood(tried.reshape(-1, size)), log).reshape(len(going), -1)
            best = found.argmax(axis=1)
            up = found[np.arange(len(going)), best] > d[going] + 1e-12
            eta[going[up]], d[going[up]] = tried[up, best[up]], found[up, best[up]]
            step[going[~up]] *= 0.5
        return eta, d


def _merged(place: Floats, weight: Floats) -> list[int]:
    """Which points (K, D) to keep: those with weight, the heavier one of any two that are next to each other."""
    kept: list[int] = []
    for k in np.argsort(-weight, kind="stable").tolist():
        if weight[k] > WEIGHTLESS and all(np.abs(place[k] - place[j]).max() > NEAR for j in kept):
            kept.append(k)
    return sorted(kept)
