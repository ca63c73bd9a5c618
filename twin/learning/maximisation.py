"""The population that fits sums over patients best (the M-step), with a published one as prior where that is wanted.

Of every block of parameters that vary together, with N patients, first moments s (d,) and second ones S (d, d),

    mean  = s / (n_mu + N)
    Omega = [nu Omega_0 + n_mu mean mean' + S - s mean' - mean s' + N mean mean'] / (nu + N + d + 2)

is the joint mode under a normal-inverse-Wishart prior at the published population (mean 0 in these coordinates);
without a prior n_mu = nu = 0 and Omega is divided by N alone. How much the published numbers count follows from their
standard errors, n_mu = omega^2 / SE(mean)^2 and, as NONMEM has it, nu = 2 (omega^2 / SE(omega^2))^2 + 1; of a block the
least of its parameters. Covariances that the published model has not stay 0: by iterative conditional fitting
(Chaudhuri, Drton and Richardson 2007, Biometrika 94:199).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.learning.population import Anchor, Theta
from twin.learning.structure import centre_of, value_slope
from twin.model.spec import Model

LEAST_VARIANCE = 1e-6
"""Below this share of the published variance one is kept there: nothing is left to learn from."""

ROUNDS = 200
SETTLED = 1e-10


@dataclass(frozen=True)
class Standing:
    """How many patients the published typical values (d,) and variances (d,) are worth; 0 without a prior."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]


def standing_of(model: Model, errors: Mapping[str, Mapping[str, float]] | None) -> Standing:
    """What published numbers are worth.

    Args:
        errors: by parameter ``se`` of its value, in its unit, and ``iiv_se`` of its iiv. By default what the file says
            under ``stated``: ``se``, and of iiv that of as many ``patients`` who were known exactly.

    Raises:
        ValueError: a parameter without an error, or one that is none.
    """
    found = []
    for name in model.eta_names:
        parameter = next(p for p in model.parameters if p.name == name)
        stated, iiv = parameter.stated, float(model.omega[model.eta_names.index(name), model.eta_names.index(name)])
        if errors is None:
            said = (
                {} if stated.se is None else {"se": stated.se, "iiv_se": iiv * math.sqrt(2.0 / (stated.patients or 2))}
            )
        else:
            said = dict(errors.get(name, {}))
        for key in ("se", "iiv_se"):
            value = said.get(key)
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ValueError(
                    f"{name}.{key}: {'is missing' if value is None else f'{value!r} is no standard error'}; write the "
                    "one that was published, or learn without a prior"
                )
        slope = value_slope(parameter, centre_of(parameter))
        mean = iiv / (said["se"] / slope) ** 2
        found.append((mean, 2.0 * (iiv / said["iiv_se"]) ** 2 + 1.0))
    return Standing(*(tuple(column) for column in zip(*found, strict=True)))


def maximised(
    anchor: Anchor, before: Theta, patients: int, first: Floats, second: Floats, prior: Standing | None = None
) -> Theta:
    """The best population for sums of moments first (d,) and second (d, d) of so many patients; ``before`` is the last.

    Raises:
        ValueError: no patients.
    """
    if patients < 1:
        raise ValueError("patients: there is none to learn from")
    mean, covariance = np.zeros(len(first)), np.zeros_like(second)
    for block in anchor.blocks:
        at, size = np.array(block), len(block)
        cross = np.ix_(at, at)
        n_mu, nu = (0.0, 0.0) if prior is None else (min(prior.mean[i] for i in at), min(prior.variance[i] for i in at))
        centre = first[at] / (n_mu + patients)
        mean[at] = centre = _with_held(centre, anchor.held[at], before.covariance[cross])
        outer = np.outer(first[at], centre)
        scatter = second[cross] - outer - outer.T + (patients + n_mu) * np.outer(centre, centre)
        scatter += nu * anchor.correlation[cross]
        scatter /= patients if prior is None else nu + patients + size + 2
        covariance[cross] = _patterned(_alive(scatter), anchor.free[cross])
    return Theta(mean, covariance)


def _with_held(centre: Floats, held: NDArray[np.bool_], covariance: Floats) -> Floats:
    """Means (b,) of a block where some stay at 0: the others give way by how they vary together."""
    if not held.any():
        return centre
    free, found = ~held, np.zeros(len(centre))
    if free.any():
        precision = np.linalg.inv(covariance)
        pull = np.linalg.solve(precision[np.ix_(free, free)], precision[np.ix_(free, held)] @ centre[held])
        found[free] = centre[free] + pull
    return found


def _alive(scatter: Floats) -> Floats:
    """A covariance whose smallest eigenvalue is not below `LEAST_VARIANCE`."""
    scatter = 0.5 * (scatter + scatter.T)
    values, vectors = np.linalg.eigh(scatter)
    if values.min() >= LEAST_VARIANCE:
        return scatter
    return np.asarray((vectors * np.maximum(values, LEAST_VARIANCE)) @ vectors.T)


def _patterned(scatter: Floats, free: NDArray[np.bool_]) -> Floats:
    """The most likely covariance (b, b) for a scatter, 0 where it is not ``free``."""
    if free.all():
        return scatter
    found = np.diag(np.diag(scatter))
    for _ in range(ROUNDS):
        before = found.copy()
        for i in range(len(found)):
            others = np.delete(np.arange(len(found)), i)
            kept = np.flatnonzero(free[i, others])
            inverse = np.linalg.inv(found[np.ix_(others, others)])[kept]
            cross = inverse @ scatter[others, i]
            slope = (
                np.linalg.solve(inverse @ scatter[np.ix_(others, others)] @ inverse.T, cross) if len(kept) else cross
            )
            found[i, others] = found[others, i] = 0.0
            found[i, others[kept]] = found[others[kept], i] = slope
            rest = scatter[i, i] - slope @ cross
            found[i, i] = rest + slope @ inverse[:, kept] @ slope
        if np.abs(found - before).max() < SETTLED:
            break
    return found
