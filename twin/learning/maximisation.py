"""The population that fits sums over patients best (the M-step), with a published one as prior where that is wanted.

With N patients, effects u_i and slopes J_i of their means by coefficients, the mean and the step of the coefficients
are those of a regression weighed by the last Omega (generalised least squares; Gauss-Newton where a formula is not
linear):

    sum_i (A_i' P A_i) (mean, step) = sum_i A_i' P E[u_i],      A_i = (1, J_i),  P = Omega^-1

and then, of every block of parameters that vary together,

    Omega = [nu Omega_0 + n_mu mean mean' + sum_i E (u_i - A_i (mean, step)) (...)'] / (nu + N + d + 2)

which is the joint mode under a normal-inverse-Wishart prior at the published population (mean 0 in these coordinates),
n_mu patients of whom stand in the first equation too; without a prior n_mu = nu = 0 and Omega is divided by N alone.
Without coefficients the mean is sum_i E[u_i] / (n_mu + N). How much the published numbers count follows from their
standard errors, n_mu = omega^2 / SE(mean)^2 and, as NONMEM has it, nu = 2 (omega^2 / SE(omega^2))^2 + 1; of a block the
least of its parameters; a coefficient counts by 1 / SE^2. Covariances that the published model has not stay 0: by
iterative conditional fitting (Chaudhuri, Drton and Richardson 2007, Biometrika 94:199).

The size of a residual error becomes what makes the mean square of the standardised residuals 1, and the share of a
class what patients are of it, by how probable it is of each: whatever the prior.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.learning.messages.structure import centre_of, value_slope
from twin.learning.population import Anchor, Theta
from twin.learning.sums import Sums
from twin.model.spec import Model

LEAST_VARIANCE = 1e-6
"""Below this share of the published variance one is kept there: nothing is left to learn from."""

LEAST_SHARE = 1e-6
"""Least share of a class."""

LEAST_TOLD = 1e-8
"""Least that a patient tells of a coefficient, as a share of a published variance for its unit."""

ROUNDS = 200
SETTLED = 1e-10


@dataclass(frozen=True)
class Standing:
    """How many patients the published typical values (d,) and variances (d,) are worth, and the standard errors of the
    coefficients that are learnt, by name, in their units in the model."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]
    coefficients: Mapping[str, float] = field(default_factory=dict)


def standing_of(
    model: Model, errors: Mapping[str, Mapping[str, float]] | None, coefficients: Collection[str] = ()
) -> Standing:
    """What published numbers are worth.

    Args:
        errors: by parameter ``se`` of its value, in its unit, and ``iiv_se`` of its iiv. By default what the file says
            under ``stated``: ``se``, and of iiv that of as many ``patients`` who were known exactly.
        coefficients: those that are learnt.

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
            _error(name, key, said.get(key))
        slope = value_slope(parameter, centre_of(parameter))
        mean = iiv / (said["se"] / slope) ** 2
        found.append((mean, 2.0 * (iiv / said["iiv_se"]) ** 2 + 1.0))
    of_coefficients = {}
    for parameter in model.parameters:
        if parameter.name in coefficients:
            given = {"se": parameter.stated.se} if errors is None else errors.get(parameter.name, {})
            of_coefficients[parameter.name] = _error(parameter.name, "se", given.get("se"))
    mean_worth, variance_worth = (tuple(column) for column in zip(*found, strict=True))
    return Standing(mean_worth, variance_worth, of_coefficients)


def _error(name: str, key: str, value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(
            f"{name}.{key}: {'is missing' if value is None else f'{value!r} is no standard error'}; write the "
            "one that was published, or learn without a prior"
        )
    return float(value)


def maximised(anchor: Anchor, before: Theta, sums: Sums, prior: Standing | None = None) -> Theta:
    """The best population for sums over patients at ``before``.

    Raises:
        ValueError: no patients, or none that tell a coefficient or the size of an error that is to be learnt.
    """
    patients, size = sums.patients, len(before.mean)
    if patients < 1:
        raise ValueError("patients: there is none to learn from")
    worth = np.zeros(size)
    if prior is not None:
        for block in anchor.blocks:
            worth[list(block)] = min(prior.mean[i] for i in block)
    mean, step = _regressed(anchor, before, sums, worth, prior)
    moved = np.zeros((size, len(anchor.effects)))
    for at, (coefficient, parameter) in enumerate(anchor.effects):
        moved[parameter, at] = step[coefficient]
    # Effects as they are counted after the step of the coefficients.
    counted = np.hstack([np.eye(size), -moved])
    first, second = counted @ sums.first, counted @ sums.second @ counted.T
    covariance = np.zeros((size, size))
    for block in anchor.blocks:
        mine = np.array(block)
        cross = np.ix_(mine, mine)
        nu = 0.0 if prior is None else min(prior.variance[i] for i in mine)
        outer = np.outer(first[mine], mean[mine])
        scatter = second[cross] - outer - outer.T + (patients + worth[mine[0]]) * np.outer(mean[mine], mean[mine])
        scatter += nu * anchor.correlation[cross]
        scatter /= patients if prior is None else nu + patients + len(mine) + 2
        covariance[cross] = _patterned(_alive(scatter), anchor.free[cross])
    return Theta(
        mean, covariance, before.coefficients + step, before.scatter + _resized(anchor, sums), _shared(anchor, sums)
    )


def _regressed(
    anchor: Anchor, before: Theta, sums: Sums, worth: Floats, prior: Standing | None
) -> tuple[Floats, Floats]:
    """The mean (d,) and the step of the coefficients (q,)."""
    size, precision = len(before.mean), np.linalg.inv(before.covariance)
    coefficients = len(before.coefficients)
    of_parameter = np.array([parameter for _, parameter in anchor.effects], dtype=np.int64)
    into = np.zeros((len(anchor.effects), coefficients))
    for at, (coefficient, _) in enumerate(anchor.effects):
        into[at, coefficient] = 1.0
    first, second = sums.first, sums.second
    normal, pulled = np.zeros((size + coefficients,) * 2), np.zeros(size + coefficients)
    rows = precision[:, of_parameter]
    normal[:size, :size] = sums.patients * precision + np.diag(np.sqrt(worth)) @ precision @ np.diag(np.sqrt(worth))
    normal[:size, size:] = (rows * first[size:]) @ into
    normal[size:, :size] = normal[:size, size:].T
    normal[size:, size:] = into.T @ (precision[np.ix_(of_parameter, of_parameter)] * second[size:, size:]) @ into
    pulled[:size] = precision @ first[:size]
    pulled[size:] = into.T @ (rows.T * second[size:, :size]).sum(axis=1)
    free = np.concatenate([~anchor.held, anchor.free_coefficients])
    if prior is None:
        _require_told(anchor, normal, sums.patients)
    elif anchor.coefficients is not None:
        for at, name in enumerate(anchor.coefficients.names):
            if name in prior.coefficients:
                known = (anchor.coefficients.unit[at] / prior.coefficients[name]) ** 2
                normal[size + at, size + at] += known
                pulled[size + at] -= known * before.coefficients[at]
    found = np.zeros(size + coefficients)
    found[free] = np.linalg.solve(normal[np.ix_(free, free)], pulled[free])
    return found[:size], found[size:]


def _require_told(anchor: Anchor, normal: Floats, patients: int) -> None:
    """What patients tell of coefficients beyond what the means take up must not be nothing."""
    size = len(anchor.sd)
    mine = size + np.flatnonzero(anchor.free_coefficients)
    if not len(mine) or anchor.coefficients is None:
        return
    means = np.flatnonzero(~anchor.held)
    cross = normal[np.ix_(mine, means)]
    left = normal[np.ix_(mine, mine)] - cross @ np.linalg.solve(normal[np.ix_(means, means)], cross.T)
    values, vectors = np.linalg.eigh(left)
    if values[0] < LEAST_TOLD * patients:
        name = anchor.coefficients.names[mine[int(np.abs(vectors[:, 0]).argmax())] - size]
        raise ValueError(
            f"learn: {name} is not told by these {patients} patients, who hardly differ in what it is of; let it stay "
            "as published"
        )


def _resized(anchor: Anchor, sums: Sums) -> Floats:
    """By how much logarithms of sizes of errors (o,) become larger."""
    count, squares, found = sums.count, sums.squares, np.zeros(sums.outputs)
    for at in np.flatnonzero(anchor.free_sizes):
        if not (count[at] > 0 and squares[at] > 0):
            raise ValueError(
                f"learn: the residual error of {anchor.sizes.names[at]} is not told by these {sums.patients} patients; "
                "let it stay as published"
            )
        found[at] = 0.5 * math.log(squares[at] / count[at])
    return found


def _shared(anchor: Anchor, sums: Sums) -> Floats:
    """Shares of classes (K,). Noise of sums may take them off what is possible; then they are the nearest that are."""
    if anchor.shares_held or not sums.classes:
        return anchor.shares.at
    shares = np.maximum(sums.of_classes / sums.patients, LEAST_SHARE)
    return np.asarray(shares / shares.sum())


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
