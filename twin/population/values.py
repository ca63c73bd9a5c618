"""The numbers of a population: typical values, how patients differ, and how measurements scatter.

They are apart from the model whose numbers they are, so that a fit may change them without compiling anything: a
`Population` holds them as arrays, and `into` writes them into a model again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from twin.arrays import Floats
from twin.kernel.free import Scale, natural, placed, scale_of
from twin.model.measured.error import ErrorSpec
from twin.model.spec import Model

Level = Literal["omega", "iov", "drift", "widens", "isv"]
"""What effects are of: a patient, one of its occasions, a step of its drift, the lack of a characteristic of it, or a
site that patients share."""

LEVELS: tuple[Level, ...] = get_args(Level)

Parts = Mapping[Level, tuple[slice, ...]]
"""Columns of a patient's effects: of eta, of the kappa of each occasion, of what each step of a drift adds, and of what
the lack of characteristics does."""


def is_variance(name: str) -> bool:
    """Whether a number has the name of a variance; of a covariance it names two effects."""
    kind, *rest = name.split(".")
    return kind in LEVELS and len(rest) == (2 if kind == "widens" else 1)


class Penalty(NamedTuple):
    """What a prior adds to the objective at a vector: its ``value``, ``gradient`` (K,), and a ``curvature`` (K, K) that
    is positive definite where all numbers have a prior (that which is expected where the prior is right)."""

    value: float
    gradient: Floats
    curvature: Floats

    def along(self, moves: Floats) -> Penalty:
        """In other unknowns (L,), which move the vector by ``moves`` (K, L)."""
        return Penalty(self.value, moves.T @ self.gradient, moves.T @ self.curvature @ moves)


@dataclass(frozen=True, eq=False)
class Population:
    """The numbers of one model.

    Attributes:
        place: (P + S,) typical value of each of `Model.parameters`, on its scale (`twin.kernel.free.scale_of`), then
            the shape of each of the S that are `shaped`.
        omega: (d, d) covariance of eta, `Model.eta_names`, among the patients of one site.
        omega_iov: (o, o) covariance of an occasion's kappa, `Model.iov_names`.
        errors: of each of `Model.outputs`.
        omega_drift: (d, d) variance that eta gains per unit of time, on the diagonal; of a model that drifts.
        shares: (K,) of the classes of a mixture (`Model.mixture`); of a model without one the whole.
        omega_isv: (q, q) covariance of a site's effects, `Model.isv_names`, and their columns among those of eta.
        widening: (W, W) diagonal, the variances that `Model.widening_names` add where these are lacking.
    """

    place: Floats
    omega: Floats
    omega_iov: Floats
    errors: tuple[ErrorSpec, ...]
    shares: Floats = field(default_factory=lambda: np.ones(1))
    omega_drift: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    omega_isv: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    site_columns: tuple[int, ...] = ()
    widening: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of(cls, model: Model) -> Population:
        """The numbers that stand in a model."""
        typical = [placed(scale_of(p), p.value) for p in model.parameters]
        place = np.array([*typical, *(model.parameters[i].shape for i in shaped(model))], dtype=np.float64)
        errors = tuple(o.error for o in model.outputs)
        shares = np.ones(1) if model.mixture is None else np.array(model.mixture.shares)
        drift = np.diag([p.drift for p in model.parameters if p.drift is not None])
        between, within, sites = model.omega_iiv.copy(), model.omega_iov.copy(), model.omega_isv.copy()
        lacking = [variance for covariate in model.covariates for _, variance in covariate.widens]
        widening = np.diag(lacking).reshape(len(lacking), len(lacking))
        return cls(place, between, within, errors, shares, drift, sites, model.site_columns, widening)

    @functools.cached_property
    def alone(self) -> Floats:
        """(d, d) covariance of eta and its site's effects together, of a patient looked at alone."""
        found, columns = self.omega.copy(), list(self.site_columns)
        found[np.ix_(columns, columns)] += self.omega_isv
        return found

    def covariance(self, level: Level) -> Floats:
        """The covariance of a level."""
        within = {"omega": self.omega, "iov": self.omega_iov, "drift": self.omega_drift, "widens": self.widening}
        return self.omega_isv if level == "isv" else within[level]

    def precision(self, level: Level) -> Floats:
        """Its inverse."""
        return self._precisions[level]

    def log_det(self, level: Level) -> float:
        """The logarithm of its determinant."""
        return self._log_dets[level]

    @functools.cached_property
    def _precisions(self) -> dict[Level, Floats]:
        return {level: np.asarray(np.linalg.inv(self.covariance(level))) for level in LEVELS}

    @functools.cached_property
    def _log_dets(self) -> dict[Level, float]:
        return {level: float(np.linalg.slogdet(self.covariance(level))[1]) for level in LEVELS}

    def with_covariances(self, of: Mapping[Level, Floats]) -> Population:
        """The same with other covariances of some levels."""
        omega, iov, drift, widening, isv = (of.get(level, self.covariance(level)) for level in LEVELS)
        return replace(self, omega=omega, omega_iov=iov, omega_drift=drift, widening=widening, omega_isv=isv)

    def prior(self, parts: Parts) -> tuple[Floats, Floats, float]:
        """Covariance and precision (D, D) of a patient's effects, and log det of the covariance."""
        size = sum(part.stop - part.start for of_level in parts.values() for part in of_level)
        covariance, precision, log_det = np.zeros((size, size)), np.zeros((size, size)), 0.0
        for level, of_level in parts.items():
            log_det += len(of_level) * self.log_det(level)
            for part in of_level:
                covariance[part, part], precision[part, part] = self.covariance(level), self.precision(level)
        return covariance, precision, log_det

    def values(self, model: Model) -> dict[str, float]:
        """Typical values by parameter name, in the units of the model."""
        return {p.name: natural(scale_of(p), at) for p, at in zip(model.parameters, self.place, strict=False)}

    def shapes(self, model: Model) -> dict[str, float]:
        """Shapes of Box-Cox effects by the name of their parameter."""
        names = [model.parameters[i].name for i in shaped(model)]
        return dict(zip(names, self.place[len(model.parameters) :].tolist(), strict=True))

    def into(self, model: Model) -> Model:
        """The model with these numbers in place of its own.

        Its hash and text are still those of the file that was read: it is for computing. What is to be kept is written
        as a file and read again.
        """
        value, shape = self.values(model), self.shapes(model)
        variance = dict(zip(model.eta_names, np.diag(self.omega).tolist(), strict=True))
        of_occasion = dict(zip(model.iov_names, np.diag(self.omega_iov).tolist(), strict=True))
        gained = dict(zip(model.eta_names, np.diag(self.omega_drift).tolist(), strict=False))
        of_site = dict(zip(model.isv_names, np.diag(self.omega_isv).tolist(), strict=True))
        parameters = tuple(
            replace(
                p,
                value=value[p.name],
                iiv=variance.get(p.name),
                iov=of_occasion.get(p.name),
                drift=gained.get(p.name),
                isv=of_site.get(p.name),
                shape=shape.get(p.name, p.shape),
            )
            for p in model.parameters
        )
        outputs = tuple(replace(o, error=e) for o, e in zip(model.outputs, self.errors, strict=True))
        widening = dict(zip(model.widening_names, np.diag(self.widening).tolist(), strict=True))
        covariates = tuple(
            replace(c, widens=tuple((name, widening[f"{c.name}.{name}"]) for name, _ in c.widens))
            for c in model.covariates
        )
        mixture = None if model.mixture is None else replace(model.mixture, shares=tuple(self.shares.tolist()))
        return replace(
            model,
            parameters=parameters,
            covariates=covariates,
            omega=self.alone,
            omega_iiv=self.omega,
            omega_iov=self.omega_iov,
            omega_isv=self.omega_isv,
            outputs=outputs,
            correlations=(),
            mixture=mixture,
        )


def shaped(model: Model) -> tuple[int, ...]:
    """Which parameters have Box-Cox effects, whose shape is a number of the population."""
    varied = (*model.eta_names, *model.iov_names)
    return tuple(i for i, p in enumerate(model.parameters) if p.shape is not None and p.name in varied)


def scales(model: Model) -> tuple[Scale, ...]:
    """The scale of each number of `Population.place`."""
    of_shapes: list[Scale] = ["identity" for _ in shaped(model)]
    return (*(scale_of(p) for p in model.parameters), *of_shapes)
