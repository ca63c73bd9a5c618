"""A population as a point: means and covariance of d effects, in units that every site has.

Coordinates z are counted from the published model, in its own standard deviations: z = (phi - phi_0) / omega_0. The
published population is mean 0 with its correlations, and sums of z are without unit, of the same size for every
parameter, and the same whichever version a particle was weighed under.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.belief import normalised
from twin.learning.message import BadMessage, Message
from twin.learning.structure import Centres, centres_of, fixed_centres, structure_of
from twin.model.spec import Model


class Theta(NamedTuple):
    """A population: mean (d,) and covariance (d, d) of z."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True, eq=False)
class Anchor:
    """The published model that z is counted from.

    Attributes:
        centres: names (d,) and phi of its typical patient.
        sd: (d,) its standard deviations of phi.
        correlation: (d, d).
        held: (d,) whose typical value stays as published.
        blocks: numbers of the parameters whose effects vary together; there are no covariances between blocks.
    """

    model: str
    structure: str
    centres: Centres
    sd: Floats
    correlation: Floats
    held: NDArray[np.bool_]
    blocks: tuple[tuple[int, ...], ...]

    @property
    def published(self) -> Theta:
        """The published population."""
        return Theta(np.zeros(len(self.sd)), self.correlation)

    @property
    def free(self) -> NDArray[np.bool_]:
        """(d, d) covariances that the published model has."""
        return np.asarray(self.correlation != 0)

    def theta_of(self, model: Model) -> Theta:
        """The population of another version.

        Raises:
            ValueError: it is no version of the published model.
        """
        if structure_of(model) != self.structure:
            raise ValueError(f"{model.id}: is no version of {self.model}: more differs than what is learnt")
        shift = (centres_of(model).at - self.centres.at) / self.sd
        return Theta(shift, model.omega / np.outer(self.sd, self.sd))

    def natural(self, theta: Theta) -> tuple[Floats, Floats]:
        """Phi of the typical patient (d,) and Omega (d, d)."""
        return self.centres.at + self.sd * theta.mean, theta.covariance * np.outer(self.sd, self.sd)


def anchor_of(model: Model, hold: Sequence[str] = ()) -> Anchor:
    """The published model as an anchor; typical values of parameters in ``hold`` stay.

    Raises:
        ValueError: nothing varies, or a name to hold that is no parameter with iiv.
    """
    if not model.eta_names:
        raise ValueError(f"{model.id}: no parameter has iiv, so there is no population to learn")
    for name in hold:
        if name not in model.eta_names:
            raise ValueError(f"hold: {name} has no iiv in {model.id}; name some of {', '.join(model.eta_names)}")
    sd = np.sqrt(np.diag(model.omega))
    held = np.array([name in {*hold, *fixed_centres(model)} for name in model.eta_names])
    correlation = model.omega / np.outer(sd, sd)
    return Anchor(model.id, structure_of(model), centres_of(model), sd, correlation, held, _blocks(correlation != 0))


def _blocks(related: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    """Parameters that are related, directly or through others."""
    reach = np.linalg.matrix_power(related.astype(float), len(related)) > 0
    return tuple(dict.fromkeys(tuple(np.flatnonzero(row).tolist()) for row in reach))


@dataclass(frozen=True, eq=False)
class Particles:
    """A message in the coordinates of an anchor.

    Attributes:
        z: (N, d).
        log_ratio: (N,) log of weight over the prior density that the particles were weighed under.
        widening: (d,) variance added to z for what nobody reported.
    """

    patient_id: str
    z: Floats
    log_ratio: Floats
    widening: Floats
    covariates: Mapping[str, float]
    log_evidence: float
    observations: int


def particles_of(message: Message, anchor: Anchor) -> Particles:
    """A message as particles.

    Raises:
        BadMessage: it is of a model with another structure.
    """
    if message.structure != anchor.structure or message.centres.names != anchor.centres.names:
        raise BadMessage(
            f"patient {message.patient_id}: the message is of {message.model} ({message.model_hash}), which is no "
            f"version of {anchor.model}: replay the patient under that model"
        )
    shift = (message.centres.at - anchor.centres.at) / anchor.sd
    z = shift + message.eta / anchor.sd
    widening = message.widening / anchor.sd**2
    weighed_under = Theta(shift, message.omega / np.outer(anchor.sd, anchor.sd))
    log_ratio = normalised(message.log_weight)[0] - log_density(z, weighed_under, widening)
    return Particles(
        message.patient_id, z, log_ratio, widening, message.covariates, message.log_evidence, message.observations
    )


def log_density(z: Floats, theta: Theta, widening: Floats) -> Floats:
    """log N(z; mean, covariance + widening) of z (N, d): (N,)."""
    factor = np.linalg.cholesky(theta.covariance + np.diag(widening))
    white = np.linalg.solve(factor, (z - theta.mean).T)
    constant = np.log(np.diag(factor)).sum() + 0.5 * len(factor) * math.log(2.0 * math.pi)
    return np.asarray(-0.5 * (white * white).sum(axis=0) - constant)


def theta_as_text(theta: Theta) -> str:
    """A population as JSON that loses no bit."""
    return json.dumps({"mean": theta.mean.tolist(), "covariance": theta.covariance.tolist()})


def theta_from(said: Mapping[str, object], size: int) -> Theta:
    """Inverse of `theta_as_text`, read as JSON.

    Raises:
        ValueError: no population of ``size`` parameters.
    """
    try:
        mean, covariance = (np.array(said[name], dtype=np.float64) for name in ("mean", "covariance"))
    except (KeyError, TypeError, ValueError):
        raise ValueError("theta: must have 'mean', d numbers, and 'covariance', d rows of d numbers") from None
    if mean.shape != (size,) or covariance.shape != (size, size):
        raise ValueError(f"theta: is of {mean.size} parameters, and the model has {size} with iiv")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all() and np.linalg.eigvalsh(covariance).min() > 0):
        raise ValueError("theta: covariance is none; take it from the file that 'dosetwin learn step' wrote")
    return Theta(mean, covariance)
