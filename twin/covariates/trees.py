"""Boosted trees that propose pairs of parameter and covariate, whatever the shape; the likelihood decides of them.

A patient's draws under the population without covariates have a mean m and a variance C of each effect, of which the
prior's is O. They are drawn towards the population by what the data leave open, and so would be what a tree learns from
them. With the share s = 1 - C/O that the data tell,

    y = m / s,    weight s

is what the data alone say, with its worth: y has the mean of the effect given the covariates, and variance O/s. Where
sites differ, m and C are of a patient looked at alone, and the weight of y is by its variance among those of a site.

Trees are boosted on (x, y) by squared error, or what that is of patients who are `alike`. How many, is found by
cross-validation among the patients that they learn from; what a covariate is worth, in patients that were left out
(five folds): by how much more they are missed where the covariate is dealt out anew among them, as a share of how much
all are without it. Everything is done by patient, or by site.

That worth is held against what chance makes: all covariates are dealt out anew among all patients, together, so that
they keep their relations to one another, and everything is done again, many times. A pair is proposed whose worth few
of the greatest worths by chance reach: so at most ``level`` of data sets without any effect get a proposal
(Westfall & Young 1993, Resampling-Based Multiple Testing). Patients of several sites are not exchangeable, and a
covariate that sites differ in would not stay so: there covariates stay, and it is what is not common of values that is
dealt out (`twin.covariates.alike.Alike.dealt`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats, Integers
from twin.covariates.alike import Alike, check_sites, folds_of
from twin.covariates.boosting import boosted
from twin.covariates.characteristics import CovariateError
from twin.randomness import generator

FOLDS, INNER_FOLDS = 5, 3

COUNTS = (3, 8, 20, 40)
"""Numbers of trees that may be best; none may be, too."""

DEALS = 5
"""Times that a covariate is dealt out anew among left-out patients."""

LEAST_SHARE = 0.02
"""Of what a patient's data tell of an effect: with less, y would be nothing but noise."""

FEWEST = 30
"""Patients below which nothing can be learnt and judged."""


@dataclass(frozen=True, eq=False)
class Targets:
    """What the data alone say of each patient's effects.

    Attributes:
        names: of the effects (P,).
        values, weights: (N, P).
        site: (N,) of each patient; who is alone is one.
        held: (P,) variance among the patients of a site over that between sites; infinite where sites do not differ.
    """

    names: tuple[str, ...]
    values: Floats
    weights: Floats
    site: Integers
    held: Floats

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        mean: Floats,
        variance: Floats,
        prior: Floats,
        between: Floats | None = None,
        site: Integers | None = None,
    ) -> Targets:
        """Of posterior means and variances (N, P) and variances of the prior (P,), of which ``between`` sites (P,)."""
        site = np.arange(len(mean)) if site is None else site
        within = prior if between is None else prior - between
        share = np.clip(1.0 - variance / prior, LEAST_SHARE, 1.0)
        weights = 1.0 / (1.0 + prior / within * (1.0 - share) / share)
        with np.errstate(divide="ignore"):  # sites do not differ
            held = within / (prior - within)
        return cls(tuple(names), mean / share, weights, site, held)

    def alike(self, effect: int) -> Alike:
        """How patients are alike in an effect."""
        return Alike(self.site, float(self.held[effect]))

    def without_effect(self, values: Floats, order: Integers) -> tuple[Floats, Targets]:
        """Covariates (N, C) and targets as they might be if covariates did nothing, patients being dealt out in this
        ``order``."""
        if len(np.unique(self.site)) == len(self.site):
            return values[order], self
        columns = [self.alike(i).dealt(self.values[:, i], self.weights[:, i], order) for i in range(len(self.names))]
        return values, replace(self, values=np.column_stack(columns))


@dataclass(frozen=True)
class Proposal:
    """A pair that trees propose: its worth in left-out patients, and how often chance alone makes that of any pair."""

    parameter: str
    covariate: str
    worth: float
    p: float


@dataclass(frozen=True, eq=False)
class Proposals:
    """What trees say of a data set.

    Attributes:
        pairs: all of them, by worth.
        proposed: those below the level.
        permutations: how many data sets without any effect there were.
        false_finds: of these the share that would have had a proposal, each held against the others.
    """

    pairs: tuple[Proposal, ...]
    proposed: tuple[Proposal, ...]
    permutations: int
    false_finds: float


def check_asked(patients: int, permutations: int, level: float) -> None:
    """Refuse what trees could say nothing of.

    Raises:
        CovariateError: fewer than `FEWEST` patients, or too few permutations for the level.
    """
    if patients < FEWEST:
        number = "1 patient is" if patients == 1 else f"{patients} patients are"
        raise CovariateError(f"{number} too few to learn from and judge by; {FEWEST} at least")
    if (permutations + 1) * level < 1.0:
        raise CovariateError(
            f"permutations: {permutations} are too few for a level of {level:g}; take {round(1 / level)}"
        )


def proposals(
    covariates: Sequence[str],
    values: Floats,
    targets: Targets,
    permutations: int = 99,
    level: float = 0.05,
    seed: int = 1,
    done: Callable[[int], None] = lambda _: None,
) -> Proposals:
    """Look for pairs in covariates (N, C) of patients.

    Args:
        permutations: data sets without any effect; the least p is 1 / (permutations + 1).
        level: share of data sets without any effect that may get a proposal.
        done: is told how many permutations are done.

    Raises:
        CovariateError: too few patients or sites, or too few permutations for the level.
    """
    count = len(values)
    check_asked(count, permutations, level)
    check_sites(targets.site)
    found = worths(values, targets, seed)
    chance = np.empty(permutations)
    for n in range(permutations):
        order = generator("covariates", seed, "permuted", n).permutation(count)
        chance[n] = worths(*targets.without_effect(values, order), seed).max()
        done(n + 1)
    pairs = [
        Proposal(parameter, covariate, float(found[i, j]), _p(float(found[i, j]), chance))
        for i, parameter in enumerate(targets.names)
        for j, covariate in enumerate(covariates)
    ]
    pairs.sort(key=lambda pair: (-pair.worth, pair.parameter, pair.covariate))
    proposed = tuple(pair for pair in pairs if pair.worth > 0.0 and pair.p <= level)
    others = [_p(worth, np.delete(chance, n)) for n, worth in enumerate(chance.tolist())]
    false = float(np.mean([worth > 0.0 and p <= level for worth, p in zip(chance, others, strict=True)]))
    return Proposals(tuple(pairs), proposed, permutations, false)


def worths(values: Floats, targets: Targets, seed: int) -> Floats:
    """(P, C) worth of every pair in left-out patients."""
    folds = folds_of(targets.site, FOLDS, seed)
    columns = [
        _worth(values, targets.values[:, i], targets.weights[:, i], targets.alike(i), folds, seed)
        for i in range(len(targets.names))
    ]
    return np.array(columns)


def _p(worth: float, chance: Floats) -> float:
    return float((1 + (chance >= worth).sum()) / (1 + len(chance)))


def _worth(x: Floats, y: Floats, weight: Floats, alike: Alike, folds: Integers, seed: int) -> Floats:
    rng = generator("covariates", seed, "deals")
    lost = np.zeros(x.shape[1])
    whole = alike.missed(y - alike.mean(y, weight), weight)
    for fold in np.unique(folds):
        learn, out = folds != fold, folds == fold
        trees = _trees(x[learn], y[learn], weight[learn], alike.of(learn), seed)
        if trees is None:
            continue
        predict, used = trees
        left = alike.of(out)
        missed = left.missed(y[out] - predict(x[out]), weight[out])
        for j in used:
            for _ in range(DEALS):
                dealt = x[out].copy()
                dealt[:, j] = rng.permutation(dealt[:, j])
                lost[j] += (left.missed(y[out] - predict(dealt), weight[out]) - missed) / DEALS
    return lost / whole


Predict = Callable[[Floats], Floats]


def _trees(x: Floats, y: Floats, weight: Floats, alike: Alike, seed: int) -> tuple[Predict, list[int]] | None:
    """Boosted trees as many as left-out patients among these are best served by, and the covariates that they use;
    ``None`` where that is none."""
    folds = folds_of(alike.site, INNER_FOLDS, seed)
    missed = np.zeros(len(COUNTS) + 1)
    for fold in np.unique(folds):
        learn, out = folds != fold, folds == fold
        known, left = alike.of(learn), alike.of(out)
        centre = known.mean(y[learn], weight[learn])
        missed[0] += left.missed(y[out] - centre, weight[out])
        trees = boosted(x[learn], y[learn] - centre, weight[learn], COUNTS[-1], _least(learn.sum()), known)
        for k, count in enumerate(COUNTS):
            missed[k + 1] += left.missed(y[out] - centre - trees.predict(x[out], count), weight[out])
    best = int(missed.argmin())
    if not best:
        return None
    centre = alike.mean(y, weight)
    trees = boosted(x, y - centre, weight, COUNTS[best - 1], _least(len(x)), alike)
    return lambda at: centre + trees.predict(at), trees.asked


def _least(patients: int) -> int:
    """Patients on either side of a question."""
    return max(5, int(patients) // 20)
