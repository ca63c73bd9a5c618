"""The belief about what eta was at first, before any occasion or drift: what a population is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.belief import Belief
from twin.filter.trunk import Trunk
from twin.filter.weighing import datum_scatter, read_along
from twin.observation.scatter import sized
from twin.patient.accounts.standing import Standing, log_total
from twin.timeline.timeline import Timeline


@dataclass(frozen=True, eq=False)
class Residuals:
    """What values say of the size of the error of each of o outputs (`twin.observation.scatter`), given N particles.

    Attributes:
        count, squares: (N, o), of the outputs that `residuals_of` names.
        exact: (o,) whether they hold for every size.
    """

    count: Floats
    squares: Floats
    exact: NDArray[np.bool_]

    @classmethod
    def none(cls, particles: int, outputs: int = 0) -> Residuals:
        """Of no values."""
        zeros = np.zeros((particles, outputs))
        return cls(zeros, zeros.copy(), np.ones(outputs, dtype=np.bool_))


@dataclass(frozen=True, eq=False)
class InitialEffects:
    """What is believed of eta, and what it was believed from but for doses, dates and values.

    Attributes:
        eta: (N, d); with accounts of a silent pump N particles of each.
        log_weight: (N,) normalised.
        widening: (d,) variance added to eta's prior for characteristics that nobody reported.
        covariates: (C or more,) as they stand, in the order of the model, and then what its record functions say.
        log_evidence: log p(values so far).
        observations: how many values those are.
        lowest, highest: (C or more,) of the covariates so far.
        residuals: of outputs with a residual error that has a size.
    """

    eta: Floats
    log_weight: Floats
    widening: Floats
    covariates: Floats
    log_evidence: float
    observations: int
    lowest: Floats
    highest: Floats
    residuals: Residuals


def initial_effects_of(trunk: Trunk, timeline: Timeline, standings: Sequence[Standing]) -> InitialEffects | None:
    """What is believed by some accounts of one record, ``timeline``; ``None`` where their particles have left what
    eta was behind."""
    beliefs = [one.position.belief for one in standings]
    if any(belief.layout.since is not None for belief in beliefs):
        return None
    total = log_total([one.log_weight for one in standings])
    weights = [one.log_weight - total + belief.log_weight for one, belief in zip(standings, beliefs, strict=True)]
    each = [residuals_of(trunk, one.timeline, one.position.belief) for one in standings]
    return InitialEffects(
        np.concatenate([belief.eta[:, : len(trunk.kernel.model.eta_names)] for belief in beliefs]),
        np.concatenate(weights),
        timeline.widening,
        timeline.covariates[-1],
        total,
        beliefs[0].observations,
        timeline.covariates.min(axis=0),
        timeline.covariates.max(axis=0),
        Residuals(
            np.concatenate([one.count for one in each]),
            np.concatenate([one.squares for one in each]),
            np.all([one.exact for one in each], axis=0),
        ),
    )


def residuals_of(trunk: Trunk, timeline: Timeline, belief: Belief) -> Residuals:
    """What the values that a belief rests on say of the size of the errors: of each output that has one, in the order
    of the model. The record is solved once more for it."""
    model = trunk.kernel.model
    column = {number: at for at, number in enumerate(i for i, each in enumerate(model.outputs) if sized(each))}
    found = Residuals.none(len(belief.eta), len(column))
    seen = [one for one in timeline.observations[: belief.observations] if column.keys() & {*one.reads}]
    if not seen:
        return found
    solver = trunk.solver(belief)
    origin = trunk.origin(solver, belief, timeline)
    for observation, rows in read_along(solver, origin, timeline, seen, trunk.grid):
        said = datum_scatter(trunk.kernel, observation, rows)
        for number, one in zip(observation.reads, said, strict=True):
            if (at := column.get(number)) is not None:
                found.count[:, at] += one.count
                found.squares[:, at] += one.squares
                found.exact[at] &= one.exact
    return found
