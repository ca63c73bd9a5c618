"""Whether a network is worth having: by whole patients who had no part in learning it.

Patients are dealt into `FOLDS`. Of each fold's others a population without a network and one with it are learnt; how
strongly weights are held is chosen among these others alone, by cross-validation once more (and may be: no network).
Then every patient of the fold has a difference

    d_i = log p(y_i | with a network) - log p(y_i | without),

both by importance sampling under what was learnt from others. Where sites differ whole sites are dealt into folds
(`twin.covariates.alike` says why), the density is that of all values of a site together, and each of its patients has
an equal part. A network is taken where the mean of d is greater than 0 by more than its 95 % interval over patients, or
over sites, and where a choice among all of them is a network too. What is shipped is learnt from all; how certain it
is, is told by networks that were learnt from patients, or sites, drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats, Integers
from twin.covariates.alike import check_sites, folds_of
from twin.covariates.characteristics import CovariateError
from twin.covariates.learning import Drawn, Weights, climbed, first_weights, shifts_of
from twin.population.results.uncertainty import NORMAL_95
from twin.randomness import generator

FOLDS, INNER_FOLDS = 5, 4

PENALTIES = (0.5, 0.7, 1.0, 1.4)
"""Among which it is chosen how strongly weights are held (`twin.covariates.learning`)."""

LEAST_GAIN = 1.0
"""In the log density of all left-out patients together, for which a network is chosen at all."""

FEWEST = 40
"""Patients below which nothing can be learnt and judged."""


@dataclass(frozen=True, eq=False)
class Task:
    """What may be learnt: draws, standardised covariates (N, C), which effects (P,), and how many hidden units."""

    drawn: Drawn
    x: Floats
    at: Integers
    hidden: int
    seed: int

    def of(self, which: Integers) -> Task:
        """Of some patients."""
        return Task(self.drawn.of(which), self.x[which], self.at, self.hidden, self.seed)

    @property
    def begun(self) -> Weights:
        """Where every climb begins."""
        rng = generator("covariates", self.seed, "weights")
        return first_weights(rng, self.hidden, self.x.shape[1], len(self.at))


@dataclass(frozen=True, eq=False)
class Verdict:
    """What left-out patients say.

    Attributes:
        differences: (N,) d.
        site: (N,) of each patient; who is alone is one.
        penalties: what was chosen of each fold's others; ``None``: no network.
        penalty: chosen among all.
    """

    differences: Floats
    site: Integers
    penalties: tuple[float | None, ...]
    penalty: float | None

    @property
    def mean(self) -> float:
        """Of the differences."""
        return float(self.differences.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the mean, over sites."""
        of_sites = np.bincount(self.site, weights=self.differences - self.mean)
        many = len(of_sites)
        error = NORMAL_95 * float(np.sqrt((of_sites**2).sum() * many / (many - 1))) / len(self.differences)
        return float(self.mean - error), float(self.mean + error)

    @property
    def accepted(self) -> bool:
        """Whether left-out patients are predicted better, beyond chance."""
        return self.penalty is not None and self.interval[0] > 0.0


def check_count(patients: int) -> None:
    """Refuse too few patients.

    Raises:
        CovariateError: there are fewer than `FEWEST`.
    """
    if patients < FEWEST:
        raise CovariateError(
            f"{patients} patients are too few to learn effects from and judge them by; {FEWEST} at least"
        )


def judged(task: Task, done: Callable[[int], None] = lambda _: None) -> Verdict:
    """Cross-validate.

    Args:
        done: is told how many of `FOLDS` + 1 choices are made.

    Raises:
        CovariateError: too few patients or sites.
    """
    count, site = len(task.x), task.drawn.alone
    check_count(count)
    check_sites(site)
    fold_of = folds_of(site, FOLDS, task.seed)
    differences, penalties = np.zeros(count), []
    for fold in np.unique(fold_of):
        learn, out = task.of(np.flatnonzero(fold_of != fold)), np.flatnonzero(fold_of == fold)
        penalty = chosen(learn, INNER_FOLDS)
        penalties.append(penalty)
        if penalty is not None:
            differences[out] = _differences(learn, task.of(out), (penalty,))[0]
        done(len(penalties))
    penalty = chosen(task, FOLDS)
    done(FOLDS + 1)
    return Verdict(differences, site, tuple(penalties), penalty)


def chosen(task: Task, folds: int) -> float | None:
    """The penalty with which left-out patients are predicted best; ``None`` where that is without a network."""
    fold_of = folds_of(task.drawn.alone, folds, task.seed)
    total = np.zeros(len(PENALTIES))
    for fold in np.unique(fold_of):
        learn, out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        total += _differences(task.of(learn), task.of(out), PENALTIES).sum(axis=1)
    best = int(total.argmax())
    return PENALTIES[best] if total[best] > LEAST_GAIN else None


def _differences(learn: Task, out: Task, penalties: tuple[float, ...]) -> Floats:
    """(penalties, N) d of patients ``out``."""
    vector, _ = climbed(learn.drawn, learn.x, learn.at, 0.0, None)
    without = out.drawn.log_likelihood(vector, np.zeros((len(out.x), learn.drawn.eta.shape[2])))
    found, weights = np.empty((len(penalties), len(out.x))), learn.begun
    for k, penalty in enumerate(penalties):
        # Each begins where a weaker one ended: from the stronger ones, which may be no network, none would begin.
        vector, weights = learnt(learn, penalty, weights, vector)
        found[k] = out.drawn.log_likelihood(vector, shifts_of(weights, out.drawn, out.x, out.at)) - without
    return found


def learnt(task: Task, penalty: float, begin: Weights, vector: Floats | None = None) -> tuple[Floats, Weights]:
    """Population (K,) and weights of the greatest penalised likelihood."""
    found, weights = climbed(task.drawn, task.x, task.at, penalty, begin, vector)
    assert weights is not None, "it began with weights"
    return found, weights


def all_weights(task: Task, penalty: float, members: int) -> tuple[Floats, list[Weights]]:
    """What all patients teach, with the population that goes with it, and then what patients drawn anew teach."""
    weights = task.begun
    vector = None
    for weaker in [each for each in PENALTIES if each <= penalty]:
        vector, weights = learnt(task, weaker, weights, vector)
    assert vector is not None, "the penalty is one of them"
    found = [weights]
    for member in range(members):
        rng = generator("covariates", task.seed, "member", member)
        found.append(learnt(task.of(drawn_anew(task.drawn.alone, rng)), penalty, weights, vector)[1])
    return vector, found


def drawn_anew(site: Integers, rng: np.random.Generator) -> Integers:
    """As many sites as there are, drawn with repetition: their patients, sorted."""
    names = np.unique(site)
    times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
    return np.repeat(np.arange(len(site)), times[np.searchsorted(names, site)])
