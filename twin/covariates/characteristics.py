"""What a covariate is like among the patients of a data set: what relations are centred on, and how far it reaches.

A patient's value is the median of what the record says over time, so that somebody with many reports counts once. The
centre of a continuous covariate is the median of the patients, to three digits; of a categorical one it is the value
that most of them have, the smallest of several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.model.spec import CovariateSpec, Model
from twin.timeline.timeline import Timeline

MOST_LEVELS = 10
"""Values that a categorical covariate may have."""


class CovariateError(ValueError):
    """A search that cannot be made as asked for: what, its value, and the mend."""


@dataclass(frozen=True)
class Characteristic:
    """A covariate among the patients.

    Attributes:
        name, unit: as the model file has them.
        centre: where a relation has no effect.
        low, high: the least and the greatest value that any record holds.
        levels: values of a categorical one in ascending order; empty of a continuous one.
    """

    name: str
    unit: str
    centre: float
    low: float
    high: float
    levels: tuple[float, ...] = ()

    @property
    def varies(self) -> bool:
        """Whether patients differ in it at all."""
        return self.high > self.low


def values_of(timelines: Iterable[Timeline], model: Model) -> Floats:
    """Each patient's covariates (N, C), in the order of the model: the median over time."""
    count = len(model.covariates)
    rows = [np.median(timeline.covariates[:, :count], axis=0) for timeline in timelines]
    return np.array(rows, dtype=np.float64).reshape(len(rows), count)


def characteristics(
    timelines: Collection[Timeline], model: Model, categorical: Collection[str] = ()
) -> dict[str, Characteristic]:
    """Every covariate of a model among the patients, by name, but for the one that tells sites.

    Args:
        categorical: which are categories although the model file names no levels.

    Raises:
        CovariateError: a name that is no covariate, or a category with too many values.
    """
    names = [covariate.name for covariate in model.covariates]
    searched = [name for name in names if name != _site(model)]
    for name in categorical:
        if name not in searched:
            raise CovariateError(f"categorical: {name!r} is no covariate of {model.id}; {known(searched, model)}")
    values = values_of(timelines, model)
    every = [np.concatenate([timeline.covariates[:, j] for timeline in timelines]) for j in range(len(names))]
    return {
        covariate.name: _described(
            covariate, values[:, j], every[j], bool(covariate.levels) or covariate.name in categorical
        )
        for j, covariate in enumerate(model.covariates)
        if covariate.name in searched
    }


def known(names: Collection[str], model: Model) -> str:
    """What a search may look at, to be said where it was asked for something else."""
    site = _site(model)
    told = "" if site is None else f"; {site} tells sites ([sites]), whose effects the model has"
    return f"it has {', '.join(names) or 'none; declare them as [covariates.NAME]'}{told}"


def _site(model: Model) -> str | None:
    """The covariate that tells sites."""
    return None if model.sites is None else model.sites.covariate


def _described(
    covariate: CovariateSpec,
    values: Floats,
    every: Floats,
    categorical: bool,
) -> Characteristic:
    low, high = float(every.min()), float(every.max())
    if not categorical:
        return Characteristic(covariate.name, covariate.unit, float(f"{np.median(values):.3g}"), low, high)
    levels = tuple(sorted(set(every.tolist())))
    if len(levels) > MOST_LEVELS:
        raise CovariateError(
            f"categorical: {covariate.name} has {len(levels)} values, over {MOST_LEVELS}; search it as continuous"
        )
    counts = Counter(values[np.isin(values, levels)].tolist())
    centre = min(counts, key=lambda level: (-counts[level], level), default=levels[0])
    return Characteristic(covariate.name, covariate.unit, centre, low, high, levels)
