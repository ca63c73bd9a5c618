"""Several starts of one fit: where each begins, and what their ends say of the best of them.

A search that begins at one place ends in one valley. So further starts are the first one jittered, each by random
numbers of its own: whatever they end at that is not the same is told. What counts is the distance from the best end in
standard errors, of the ends that reached the same depth: beyond `SAME` the data, or the search, do not tell the numbers
(Kuhn & Lavielle 2005 run SAEM so; Monolix's convergence assessment does the same).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.population.theta import Theta, effect_names
from twin.population.values import LEVELS, scales
from twin.randomness import generator

JITTER = 0.3
"""Standard deviation of a start's logarithms, and of what is not on a logarithmic scale relative to its size."""

WIDEST = 2.0
"""Standard deviations that no start lies beyond."""

SAME = 0.3
"""Standard errors by which ends of one depth may differ."""

AS_DEEP = 0.5
"""Of the objective: an end this much above the best is of another valley."""


@dataclass(frozen=True)
class End:
    """Where a start ended: the vector (K,), the objective there, and why its search ended.

    Of a start at which nothing is finite the objective is NaN.
    """

    vector: Floats
    objective: float
    why: str


@dataclass(frozen=True)
class Starts:
    """What several starts came to.

    Attributes:
        ends: of each, the file's own values first.
        best: number of the deepest.
        apart: (n,) how far each end lies from the best, in standard errors of the number that is farthest; NaN where
            nothing is known of it.
        farthest: name of that number, of each.
        renamed: whether the classes of a mixture go by other names there than at the best: the same population.
    """

    ends: tuple[End, ...]
    best: int
    apart: Floats
    farthest: tuple[str, ...]
    renamed: tuple[bool, ...]

    @property
    def above(self) -> Floats:
        """(n,) the objective of each above that of the best."""
        return np.array([end.objective for end in self.ends]) - self.ends[self.best].objective

    @property
    def agree(self) -> bool:
        """Whether all ends that are as deep as the best are the same."""
        return not self._differing.any()

    @property
    def _differing(self) -> NDArray[np.bool_]:
        return np.asarray((self.above < AS_DEEP) & (self.apart > SAME) & ~np.array(self.renamed, dtype=bool))

    @property
    def problems(self) -> list[str]:
        """What is wrong, and what to try."""
        as_deep = self.above < AS_DEEP
        found = []
        differing = [k for k in np.flatnonzero(self._differing).tolist() if k != self.best]
        if differing:
            k = max(differing, key=lambda one: self.apart[one])
            found.append(
                f"{len(differing) + 1} of {len(self.ends)} starts end as deep at other numbers, up to"
                f" {self.apart[k]:.2g} standard errors apart ({self.farthest[k]}): not converged; fix that number, give"
                " it a prior, or simplify the model"
            )
        if len(self.ends) > 1 and int(as_deep.sum()) == 1:
            found.append(
                f"only one of {len(self.ends)} starts reached the lowest objective: there may be a lower one; try more"
                " starts, or begin nearer to what is known"
            )
        return found


def start(theta: Theta, number: int, seed: int = 1) -> Floats:
    """The vector (K,) of a start: number 0 is where the model stands, any other jittered by a stream of its own."""
    vector = theta.pack(theta.start)
    if not number:
        return vector
    jitter = np.clip(generator("start of a fit", seed, number).standard_normal(theta.size), -WIDEST, WIDEST) * JITTER
    kinds = scales(theta.model)
    for at, (kind, i, j) in enumerate(theta.elements):
        size = 1.0
        if kind == "place" and kinds[i] == "identity":
            size = max(abs(float(vector[at])), _spread(theta, i)) or 1.0
        elif kind in LEVELS and i != j:
            size = float(np.linalg.cholesky(theta.start.covariance(kind))[j, j])
        vector[at] += size * jitter[at]
    return vector


def _spread(theta: Theta, parameter: int) -> float:
    if parameter >= len(theta.model.parameters):
        return 0.0
    name, found = theta.model.parameters[parameter].name, 0.0
    for level in LEVELS:
        names = effect_names(theta.model, level)
        if name in names:
            at = names.index(name)
            found += float(theta.start.covariance(level)[at, at])
    return float(np.sqrt(found))


def deepest(ends: Sequence[End]) -> int:
    """Number of the best end: the deepest of those that converged, else of all.

    Raises:
        FloatingPointError: none is finite.
    """
    objective = np.array([end.objective for end in ends])
    if not np.isfinite(objective).any():
        raise FloatingPointError("the objective is not finite at any of the starts")
    converged = np.array([end.why == "converged" for end in ends])
    if (converged & np.isfinite(objective)).any():
        objective = np.where(converged, objective, np.nan)
    return int(np.nanargmin(objective))


def compared(theta: Theta, ends: Sequence[End], errors: Floats | None, renamed: Sequence[bool] | None = None) -> Starts:
    """What ends say.

    Args:
        errors: (K,) standard errors of the natural numbers at the best, where there are any.
        renamed: at which ends the classes of a mixture go by other names; by default at none.
    """
    best = deepest(ends)
    here = theta.natural(ends[best].vector)
    apart, farthest = np.full(len(ends), np.nan), [""] * len(ends)
    for k, end in enumerate(ends):
        if errors is None or not np.isfinite(end.objective):
            continue
        away = np.abs(theta.natural(end.vector) - here) / errors
        apart[k], farthest[k] = float(away.max()), theta.names[int(away.argmax())]
    return Starts(tuple(ends), best, apart, tuple(farthest), tuple(renamed or [False] * len(ends)))


def as_numbers(found: Starts, theta: Theta) -> Mapping[str, object]:
    """It all by name, as JSON has it."""
    return {
        "starts": len(found.ends),
        "best": found.best,
        "ends": [
            {
                "objective": end.objective,
                "ended": end.why,
                "standard_errors_apart": float(apart),
                "farthest": name,
                "classes_by_other_names": others,
                "values": dict(zip(theta.names, theta.natural(end.vector).tolist(), strict=True)),
            }
            for end, apart, name, others in zip(found.ends, found.apart, found.farthest, found.renamed, strict=True)
        ],
    }
