"""A population as a point: means and covariance of d effects, in units that every site has.

Coordinates z are counted from the published model, in its own standard deviations: with covariates x as it counts them,
z = (psi - phi_0 - g(x; beta_0)) / omega_0. The published population is mean 0 with its correlations, and sums of z are
without unit, of the same size for every parameter, and the same whichever version a particle was weighed under. Under
other coefficients beta the mean of a patient is further by (g(x; beta) - g(x; beta_0)) / omega_0, and the size of a
residual error is counted as the logarithm of its ratio to the published one. Of a mixture a particle has a class k
beside z, whose value stands among the covariates, and the density p_k N(z; mean + offset_k, Omega).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.belief import normalised
from twin.learning.messages.coefficients import Coefficients, coefficients_of
from twin.learning.messages.message import NO_CLASSES, NO_SIZES, BadMessage, Message, Shares, shares_of
from twin.learning.messages.structure import Centres, Sizes, centres_of, fixed_centres, sizes_of, structure_of
from twin.model.spec import Model
from twin.patient.accounts.initial_effects import Residuals

NOTHING = np.zeros(0)
NOTHING.flags.writeable = False


class Theta(NamedTuple):
    """A population: mean (d,) and covariance (d, d) of z, coefficients (q,) of covariates in their units from the
    published ones, log ratios (o,) of residual errors to the published ones, and shares (K,) of classes."""

    mean: Floats
    covariance: Floats
    coefficients: Floats = NOTHING
    scatter: Floats = NOTHING
    shares: Floats = NOTHING


@dataclass(frozen=True, eq=False)
class Anchor:
    """The published model that z is counted from.

    Attributes:
        centres: names (d,) and phi of its typical patient.
        sd: (d,) its standard deviations of phi.
        correlation: (d, d).
        held: (d,) whose typical value stays as published.
        blocks: numbers of the parameters whose effects vary together; there are no covariances between blocks.
        coefficients: of covariates that can be learnt; ``None`` where the model has none.
        sizes: of residual errors that can be.
        learnt: names of coefficients and outputs that are; the others stay as published.
        shares: of the classes that nobody sees; ``hidden`` is the covariate that is the class, ``values`` what it is in
            each, and ``shares_held`` whether they stay as published.
    """

    model: str
    structure: str
    centres: Centres
    sd: Floats
    correlation: Floats
    held: NDArray[np.bool_]
    blocks: tuple[tuple[int, ...], ...]
    coefficients: Coefficients | None = None
    sizes: Sizes = NO_SIZES
    learnt: frozenset[str] = frozenset()
    shares: Shares = NO_CLASSES
    hidden: str = ""
    values: tuple[float, ...] = ()
    shares_held: bool = False

    @property
    def classes(self) -> tuple[Mapping[str, float], ...]:
        """What is known of somebody of each class beside the characteristics; of a model without classes nothing."""
        return tuple({self.hidden: value} for value in self.values) or ({},)

    @property
    def published(self) -> Theta:
        """The published population."""
        sizes = np.zeros(len(self.sizes.names))
        coefficients = np.zeros(len(self.free_coefficients))
        return Theta(np.zeros(len(self.sd)), self.correlation, coefficients, sizes, self.shares.at)

    @property
    def effects(self) -> tuple[tuple[int, int], ...]:
        """L pairs of a coefficient and a parameter that it is in, by their numbers."""
        return () if self.coefficients is None else self.coefficients.effects

    @property
    def free_coefficients(self) -> NDArray[np.bool_]:
        """(q,) which coefficients are learnt."""
        names = () if self.coefficients is None else self.coefficients.names
        return np.array([name in self.learnt for name in names], dtype=np.bool_)

    @property
    def free_sizes(self) -> NDArray[np.bool_]:
        """(o,) which sizes of residual errors are."""
        return np.array([name in self.learnt for name in self.sizes.names], dtype=np.bool_)

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
        moved = NOTHING if self.coefficients is None else self.coefficients.moved(coefficients_of(model).at)
        scatter = np.log(sizes_of(model).at / self.sizes.at)
        return Theta(shift, model.omega / np.outer(self.sd, self.sd), moved, scatter, shares_of(model).at)

    def natural(self, theta: Theta) -> tuple[Floats, Floats]:
        """Phi of the typical patient (d,) and Omega (d, d)."""
        return self.centres.at + self.sd * theta.mean, theta.covariance * np.outer(self.sd, self.sd)

    def unnamed(self, theta: Theta) -> tuple[str, ...]:
        """Coefficients and outputs that are not as published in a population although they are not learnt."""
        known = () if self.coefficients is None else self.coefficients.names
        moved = zip((*known, *self.sizes.names), [*theta.coefficients, *theta.scatter], strict=True)
        return tuple(name for name, by in moved if by and name not in self.learnt)

    def also(self, theta: Theta) -> tuple[dict[str, float], dict[str, float]]:
        """What is learnt beside those: coefficients by name, and factors of sizes of errors by output."""
        known = self.coefficients
        values = {} if known is None else dict(zip(known.names, known.natural(theta.coefficients), strict=True))
        factors = dict(zip(self.sizes.names, np.exp(theta.scatter).tolist(), strict=True))
        return (
            {name: value for name, value in values.items() if name in self.learnt},
            {name: factor for name, factor in factors.items() if name in self.learnt},
        )


def anchor_of(model: Model, hold: Sequence[str] = (), learn: Sequence[str] = ()) -> Anchor:
    """The published model as an anchor; typical values of parameters in ``hold`` stay, and coefficients of covariates
    and residual errors of outputs in ``learn`` do not.

    Raises:
        ValueError: nothing varies, a name to hold that is no parameter with iiv, or one to learn that cannot be.
    """
    if not model.eta_names:
        raise ValueError(f"{model.id}: no parameter has iiv, so there is no population to learn")
    mixture = model.mixture
    hidden = "" if mixture is None else mixture.covariate
    can_stay = (*model.eta_names, *([hidden] if hidden else []))
    for name in hold:
        if name not in can_stay:
            raise ValueError(f"hold: {name} has no iiv in {model.id}; name some of {', '.join(can_stay)}")
    coefficients, sizes = coefficients_of(model), sizes_of(model)
    for name in learn:
        if name not in (*coefficients.names, *sizes.names):
            known = ", ".join((*coefficients.names, *sizes.names)) or "none"
            raise ValueError(
                f"learn: {name} is no coefficient of a covariate that moves a parameter as its effect does, and no "
                f"output with a residual error; {model.id} has {known}"
            )
    sd = np.sqrt(np.diag(model.omega))
    held = np.array([name in {*hold, *fixed_centres(model)} for name in model.eta_names])
    correlation = model.omega / np.outer(sd, sd)
    return Anchor(
        model.id, structure_of(model), centres_of(model), sd, correlation, held, _blocks(correlation != 0),
        coefficients if coefficients.names else None, sizes, frozenset(learn),
        shares_of(model), hidden, () if mixture is None else mixture.values, hidden in hold,
    )  # fmt: skip


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
        anchor: what the coordinates are counted from.
        under: the population that the particles were weighed under.
        lowest, highest: of the covariates through the record.
        residuals: what values say of the sizes of residual errors, (N, o), which are those of ``under``.
        of_class: (N,) number of the class that a particle is of; 0 without classes.
    """

    patient_id: str
    z: Floats
    log_ratio: Floats
    widening: Floats
    covariates: Mapping[str, float]
    log_evidence: float
    observations: int
    anchor: Anchor
    under: Theta
    lowest: Mapping[str, float]
    highest: Mapping[str, float]
    residuals: Residuals
    of_class: NDArray[np.int64]

    def known(self, covariates: Mapping[str, float]) -> tuple[dict[str, float], ...]:
        """Characteristics of somebody of each class."""
        return tuple({**covariates, **of} for of in self.anchor.classes)

    def offsets(self, theta: Theta) -> Floats:
        """How much further the patient's mean is than ``theta.mean``, for the covariates, in each class (K, d)."""
        coefficients = self.anchor.coefficients
        if coefficients is None or not theta.coefficients.any():
            return np.zeros((len(self.anchor.classes), len(self.widening)))
        each = [coefficients.means(theta.coefficients, known) for known in self.known(self.covariates)]
        return np.asarray(np.stack(each) / self.anchor.sd)

    def effects(self, theta: Theta) -> Floats:
        """z without the offset of the particle's class, (N, d)."""
        found = self.offsets(theta)
        return self.z - (found[0] if len(found) == 1 else found[self.of_class])

    def slopes(self, theta: Theta) -> Floats:
        """d offset / d coefficient of each of `Anchor.effects`, in each class (K, L)."""
        coefficients = self.anchor.coefficients
        if coefficients is None:
            return np.zeros((len(self.anchor.classes), 0))
        each = [coefficients.slopes(theta.coefficients, known) for known in self.known(self.covariates)]
        return np.asarray(np.stack(each) / self.anchor.sd[[parameter for _, parameter in self.anchor.effects]])

    def untold(self, theta: Theta) -> Floats:
        """What of the covariates' effects along the record under ``theta`` the particles do not count, at most (d,)."""
        known, before = self.anchor.coefficients, self.under.coefficients
        if known is None or not (theta.coefficients - before).any():
            return np.zeros(len(self.widening))
        records = zip(*map(self.known, (self.covariates, self.lowest, self.highest)), strict=True)
        found = [known.untold(theta.coefficients, before, *each) for each in records]
        return np.asarray(np.max(found, axis=0) / self.anchor.sd)

    def log_density(self, theta: Theta) -> Floats:
        """log of the prior density of each particle, of its class too (N,)."""
        found = log_density(self.effects(theta), theta, self.widening)
        return found + np.log(theta.shares)[self.of_class] if len(theta.shares) else found

    def log_weight(self, theta: Theta) -> Floats:
        """log of the weight of each particle under ``theta``, which are not normalised (N,)."""
        return self.log_ratio + self.log_density(theta) + self.log_scatter(theta)

    @cached_property
    def as_published(self) -> float:
        """log p(y | the published population) less that under the one that the particles were weighed under."""
        return normalised(self.log_weight(self.anchor.published))[1]

    def log_scatter(self, theta: Theta) -> Floats:
        """log p(values | theta's sizes of errors) - log p(values | those of ``under``), of each particle (N,)."""
        moved = theta.scatter - self.under.scatter
        if not moved.any():
            return np.zeros(len(self.z))
        said = self.residuals
        return np.asarray(-said.count @ moved - 0.5 * said.squares @ np.expm1(-2.0 * moved))

    def squares_at(self, theta: Theta) -> Floats:
        """Sums of squared residuals in units of ``theta``'s sizes, (N, o)."""
        return self.residuals.squares * np.exp(2.0 * (self.under.scatter - theta.scatter))


def particles_of(message: Message, anchor: Anchor) -> Particles:
    """A message as particles.

    Raises:
        BadMessage: it is of a model with another structure.
    """
    named = message.centres.names, tuple(message.coefficients), message.sizes.names
    known = () if anchor.coefficients is None else anchor.coefficients.names
    if (message.structure, message.shares.names) != (anchor.structure, anchor.shares.names) or named != (
        anchor.centres.names,
        known,
        anchor.sizes.names,
    ):
        raise BadMessage(
            f"patient {message.patient_id}: the message is of {message.model} ({message.model_hash}), which is no "
            f"version of {anchor.model}: replay the patient under that model"
        )
    shift = (message.centres.at - anchor.centres.at) / anchor.sd
    moved = NOTHING if anchor.coefficients is None else anchor.coefficients.moved(tuple(message.coefficients.values()))
    scatter = np.log(message.sizes.at / anchor.sizes.at)
    under = Theta(shift, message.omega / np.outer(anchor.sd, anchor.sd), moved, scatter, message.shares.at)
    z = shift + message.eta / anchor.sd
    widening = message.widening / anchor.sd**2
    log_weight = normalised(message.log_weight)[0]
    found = Particles(
        message.patient_id, z, log_weight, widening, message.covariates, message.log_evidence, message.observations,
        anchor, under, message.lowest, message.highest, message.residuals, message.of_class,
    )  # fmt: skip
    offsets = found.offsets(under)
    found = replace(found, z=z + (offsets[0] if len(offsets) == 1 else offsets[message.of_class]))
    return replace(found, log_ratio=log_weight - found.log_density(under))


def log_density(z: Floats, theta: Theta, widening: Floats) -> Floats:
    """log N(z; mean, covariance + widening) of z (N, d): (N,)."""
    factor = np.linalg.cholesky(theta.covariance + np.diag(widening))
    white = np.linalg.solve(factor, (z - theta.mean).T)
    constant = np.log(np.diag(factor)).sum() + 0.5 * len(factor) * math.log(2.0 * math.pi)
    return np.asarray(-0.5 * (white * white).sum(axis=0) - constant)


def theta_as_text(theta: Theta) -> str:
    """A population as JSON that loses no bit."""
    return json.dumps({name: part.tolist() for name, part in theta._asdict().items()})


def theta_from(said: Mapping[str, object], anchor: Anchor) -> Theta:
    """Inverse of `theta_as_text`, read as JSON.

    Raises:
        ValueError: no population of the anchor's model.
    """
    published = anchor.published
    try:
        found = Theta(*(np.array(said[name], dtype=np.float64) for name in Theta._fields))
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            "theta: must have 'mean', d numbers, 'covariance', d rows of d numbers, 'coefficients', 'scatter' and "
            "'shares'"
        ) from None
    size = len(published.mean)
    if found.mean.shape != (size,) or found.covariance.shape != (size, size):
        raise ValueError(f"theta: is of {found.mean.size} parameters, and the model has {size} with iiv")
    for name, part, wanted in zip(Theta._fields[2:], found[2:], published[2:], strict=True):
        if part.shape != wanted.shape or not np.isfinite(part).all():
            raise ValueError(f"theta: {name} must be {wanted.size} numbers, as the model has them")
    if not np.isfinite(found.mean).all() or not np.isfinite(found.covariance).all():
        raise ValueError("theta: holds what is no number; take it from the file that 'dosetwin learn step' wrote")
    if (found.shares <= 0).any():
        raise ValueError("theta: shares are above 0; take it from the file that 'dosetwin learn step' wrote")
    if np.linalg.eigvalsh(found.covariance).min() <= 0:
        raise ValueError("theta: covariance is none; take it from the file that 'dosetwin learn step' wrote")
    return found
