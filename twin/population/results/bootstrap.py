"""Standard errors and intervals by drawing patients anew (Efron 1979, Ann Stat 7:1), within strata where wanted.

Patients are drawn with replacement, as many of each stratum as there are, so that every replicate has the design of the
data; where patients share effects of sites, whole sites are drawn. Each is fitted from the estimates, and what they
scatter by is how certain the numbers are. Replicates that do not converge are counted, and left out; so are those in
which the classes of a mixture changed names, whose numbers are of other classes than they are called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.theta import FitError
from twin.randomness import generator

CENTRAL = (0.025, 0.975)
"""Quantiles that are told."""


@dataclass(frozen=True)
class Bootstrap:
    """Of the numbers `Theta.names` (K,), on their natural scale.

    Attributes:
        replicates: how many were fitted; ``converged``: how many of them count.
        mean, error: over those that count; ``low``, ``high`` hold the middle 95 %.
        renamed: in how many classes changed names, which do not count.
    """

    replicates: int
    converged: int
    mean: Floats
    error: Floats
    low: Floats
    high: Floats
    renamed: int = 0

    @property
    def problem(self) -> str | None:
        """What is wrong, and what to try."""
        if not self.renamed:
            return None
        return (
            f"in {self.renamed} of {self.replicates} replicates the classes changed names, and these are left out: the"
            " classes are hardly told apart, and intervals may be too narrow; take --profile, or fewer classes"
        )


def drawn_anew(strata: Integers, replicate: int, seed: int = 1, site: Integers | None = None) -> Integers:
    """Patients (N,) of a replicate, sorted, of those in ``strata`` (N,); the same whoever draws them.

    Of patients in sites (N,) whole sites are drawn, as many as there are; there may be more patients then, or fewer.
    """
    rng = generator("bootstrap of a population", seed, replicate)
    if site is None:
        found = [rng.choice(members, len(members)) for members in _members(strata)]
    else:
        of_site = strata[np.unique(site, return_index=True)[1]]
        sites = [rng.choice(members, len(members)) for members in _members(of_site)]
        found = [np.flatnonzero(site == one) for one in np.concatenate(sites)]
    return np.sort(np.concatenate(found)).astype(np.int64)


def _members(strata: Integers) -> list[Integers]:
    return [np.flatnonzero(strata == one) for one in np.unique(strata)]


def strata_of(cohort: Cohort, covariate: str | None) -> Integers:
    """(N,) stratum of each patient, by the value that a covariate begins with; all one where none is named.

    Raises:
        FitError: no such covariate, or one that nearly everybody has another value of.
    """
    if covariate is None:
        return np.zeros(len(cohort.patients), dtype=np.int64)
    names = [spec.name for spec in cohort.kernel.model.covariates]
    if covariate not in names:
        raise FitError(
            f"strata: {covariate!r} is no covariate of {cohort.kernel.model.id}; it has {', '.join(names) or 'none'}"
        )
    at = names.index(covariate)
    values = np.array([subject.timeline.covariates[0, at] for subject in cohort.patients])
    _, found = np.unique(values, return_inverse=True)
    count = len(cohort.patients)
    if found.max(initial=0) + 1 > count / 2:
        values = found.max() + 1
        raise FitError(f"strata: {covariate!r} has {values} values in {count} patients; name one of few values")
    if cohort.site is not None:
        pairs = np.unique(np.stack([cohort.site, found]), axis=1)
        if pairs.shape[1] > len(np.unique(cohort.site)):
            raise FitError(
                f"strata: {covariate!r} differs within a site, and whole sites are drawn; name one that is of sites"
            )
    return np.asarray(found, dtype=np.int64)


def summed_up(numbers: Sequence[Floats], replicates: int, renamed: int = 0) -> Bootstrap:
    """Of the estimates (K,) of the replicates that converged to classes of the same names; in ``renamed`` they changed.

    Raises:
        FitError: fewer than two did.
    """
    if len(numbers) < 2:
        raise FitError(
            f"bootstrap: {len(numbers)} of {replicates} replicates converged{_other_names(renamed)}; mend the fit"
            " before its errors"
        )
    every = np.array(numbers)
    low, high = np.quantile(every, CENTRAL, axis=0)
    return Bootstrap(replicates, len(every), every.mean(axis=0), every.std(axis=0, ddof=1), low, high, renamed)


def _other_names(renamed: int) -> str:
    return f", and {renamed} more to classes that changed names" if renamed else ""


def as_numbers(found: Bootstrap, names: Sequence[str]) -> Mapping[str, object]:
    """It all by name, as JSON has it."""
    columns = zip(
        names, found.mean.tolist(), found.error.tolist(), found.low.tolist(), found.high.tolist(), strict=True
    )
    return {
        "replicates": found.replicates,
        "converged": found.converged,
        "renamed": found.renamed,
        "numbers": [{"name": n, "mean": m, "se": e, "low": a, "high": b} for n, m, e, a, b in columns],
    }
