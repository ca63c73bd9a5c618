"""How a model file says that patients differ, from one another and from themselves.

A random effect of parameter j at time t is

    site_j  +  eta_j  +  kappa_j[occasion of t]  +  drift_j(t),

with site ~ N(0, omega_isv) the same for all patients of a site, eta ~ N(0, omega_iiv), kappa ~ N(0, omega_iov) anew
each occasion, and drift a random walk that gains ``drift`` variance per model time unit. Of a patient alone nothing
tells site from eta: together they are N(0, omega_iiv + omega_isv). This module reads the covariances, and the sections
that say who is of one site, when an occasion begins and on what grid a parameter drifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.model.evidence import CorrelationSpec
from twin.model.spec import DriftSpec, OccasionSpec, OutputSpec, ParameterSpec, SiteSpec
from twin.model.table import Table

LEVELS = ("iiv", "iov", "isv")
"""What a correlation may be between: effects of the patient, of an occasion, or of a site."""

RESIDUAL = "residual"
"""The level of a correlation between residuals of two outputs that are measured at one instant."""

Variances = dict[str, float]
"""Variance of each parameter that has one, by name, in file order."""

Covariance = NDArray[np.float64]
"""A covariance matrix, variances on its diagonal."""


class Effects(NamedTuple):
    """Parameters that have effects of one level, in file order, and the covariance of these."""

    names: tuple[str, ...]
    omega: Covariance


def covariances(
    top: Table, parameters: Sequence[ParameterSpec], outputs: Sequence[OutputSpec]
) -> tuple[dict[str, Effects], tuple[OutputSpec, ...], tuple[CorrelationSpec, ...]]:
    """The effects of each of `LEVELS`, the outputs with what their residuals have in common, and the correlations that
    stand in them as listed.

    Raises:
        ModelError: correlations that name something else, are doubled, or make a matrix that is no covariance.
    """
    of_level: dict[str, Variances] = {
        "iiv": {p.name: p.iiv for p in parameters if p.iiv is not None},
        "iov": {p.name: p.iov for p in parameters if p.iov is not None},
        "isv": {p.name: p.isv for p in parameters if p.isv is not None},
    }
    omega = {
        level: np.diag(np.array(list(variances.values()), dtype=np.float64)) for level, variances in of_level.items()
    }
    correlations: list[CorrelationSpec] = []
    residual = np.eye(len(outputs))
    for table in top.listed("correlations"):
        level = table.choice("level", (*LEVELS, RESIDUAL)) if table.has("level") else "iiv"
        if level == RESIDUAL:
            correlations.append(_correlate_residuals(table, outputs, residual))
        else:
            correlations.append(_correlate(table, level, of_level[level], omega[level]))
    for level in LEVELS:
        _positive_definite(top, level, omega[level])
    _positive_definite(top, RESIDUAL, residual)
    found = {level: Effects(tuple(of_level[level]), omega[level]) for level in LEVELS}
    return found, _beside(outputs, residual), tuple(correlations)


def of_patient_alone(iiv: Effects, isv: Effects) -> Covariance:
    """Covariance (d, d) of what the effects of patient and site add up to, columns as of ``iiv``."""
    if not isv.names:
        return iiv.omega
    found, columns = iiv.omega.copy(), [iiv.names.index(name) for name in isv.names]
    found[np.ix_(columns, columns)] += isv.omega
    found.setflags(write=False)
    return found


def _correlate(table: Table, level: str, variances: Variances, omega: Covariance) -> CorrelationSpec:
    between, names = table.texts("between"), list(variances)
    if len(between) != 2 or between[0] == between[1] or not set(between) <= set(names):
        raise table.wrong("between", f"must name two different parameters with {level}: {', '.join(names)}")
    i, j = (names.index(name) for name in between)
    if omega[i, j] != 0:
        raise table.wrong("between", f"{between[0]} and {between[1]} are listed twice; keep one")
    covariance, correlation = table.optional_number("covariance"), table.optional_number("correlation")
    if (covariance is None) == (correlation is None):
        raise table.wrong("covariance", "write either 'covariance' or 'correlation'")
    printed = table.has("stated_as")
    if printed:
        table.choice("stated_as", ("covariance",))
        if covariance is None:
            raise table.wrong("stated_as", "is 'covariance', but a correlation is given; leave it out")
    omega[i, j] = omega[j, i] = (
        covariance
        if correlation is None
        else correlation * float(np.sqrt(variances[between[0]] * variances[between[1]]))
    )
    return CorrelationSpec((between[0], between[1]), level, covariance, printed, *table.evidence())


def _correlate_residuals(table: Table, outputs: Sequence[OutputSpec], residual: Covariance) -> CorrelationSpec:
    between = table.texts("between")
    able = [o.name for o in outputs if _normal(o)]
    if len(between) != 2 or between[0] == between[1] or not set(between) <= set(able):
        which = f": {', '.join(able)}" if able else ", and there is none"
        raise table.wrong("between", f"must name two different outputs whose error is normal{which}")
    names = [o.name for o in outputs]
    i, j = sorted(names.index(name) for name in between)
    if residual[i, j] != 0:
        raise table.wrong("between", f"{between[0]} and {between[1]} are listed twice; keep one")
    correlation = table.number("correlation")
    if not -1 < correlation < 1 or correlation == 0:
        raise table.wrong("correlation", f"is {correlation:g}; it must lie between -1 and 1, and not be 0")
    residual[i, j] = residual[j, i] = correlation
    return CorrelationSpec((names[i], names[j]), RESIDUAL, None, False, *table.evidence())


def _normal(output: OutputSpec) -> bool:
    """Whether a measured value is normal around its prediction, and independent of others of the same output."""
    error = output.error
    unusual = error.df is not None or error.outliers is not None or error.replicate_correlation is not None
    return error.scatters and not unusual and output.vital is None


def _beside(outputs: Sequence[OutputSpec], residual: Covariance) -> tuple[OutputSpec, ...]:
    """The outputs, each error with its correlations with those before it."""
    return tuple(
        replace(o, error=replace(o.error, beside=tuple(residual[i, :i].tolist()))) if residual[i, :i].any() else o
        for i, o in enumerate(outputs)
    )


def _positive_definite(top: Table, level: str, omega: Covariance) -> None:
    # Whatever sizes and units: of the correlations, with a margin so that Cholesky factors exist whatever the rounding.
    sizes = np.sqrt(np.maximum(np.diag(omega), 1e-300))
    smallest = float(np.linalg.eigvalsh(omega / np.outer(sizes, sizes)).min()) if len(omega) else 1.0
    if smallest <= 1e-10:
        name = {
            "iiv": "Omega", "iov": "Omega of the occasions", "isv": "Omega of the sites",
            RESIDUAL: "the correlation of residuals",
        }[level]  # fmt: skip
        raise top.wrong(
            "correlations",
            f"{name} is not positive definite (smallest eigenvalue of the correlations {smallest:.3g}); lower the"
            f" covariances or check {level}",
        )
    omega.setflags(write=False)


def occasions(
    top: Table, parameters: Sequence[ParameterSpec], drugs: Sequence[str], covariates: Sequence[str]
) -> OccasionSpec | None:
    """When an occasion begins; ``None`` for a model whose parameters have no iov.

    Raises:
        ModelError: occasions without iov or iov without occasions, or none or several ways to tell an occasion.
    """
    varying = [p.name for p in parameters if p.iov is not None]
    if not top.has("occasions"):
        if varying:
            raise top.wrong(
                f"parameters.{varying[0]}.iov",
                "needs to know when an occasion begins; add [occasions]: drug and gap, drug and every, or covariate",
            )
        return None
    table = top.table("occasions")
    if not varying:
        raise table.wrong("", "no parameter has iov: occasions would not differ; give one or delete this")
    drug = table.choice("drug", drugs) if table.has("drug") else None
    gap, every = table.optional_number("gap", above=0), table.optional_number("every", above=0)
    covariate = table.choice("covariate", covariates) if table.has("covariate") else None
    ways = [covariate is not None, gap is not None, every is not None]
    if sum(ways) != 1 or (covariate is None) == (drug is None):
        raise table.wrong("", "must say one of: drug and gap, drug and every, or covariate alone")
    found = OccasionSpec(drug, gap, every, covariate, *table.evidence())
    table.close()
    return found


def sites(top: Table, parameters: Sequence[ParameterSpec], covariates: Sequence[str]) -> SiteSpec | None:
    """Which patients are of one site; ``None`` for a model whose parameters have no isv.

    Raises:
        ModelError: sites without isv or isv without sites, or isv of a parameter without iiv.
    """
    varying = [p for p in parameters if p.isv is not None]
    if not top.has("sites"):
        if varying:
            raise top.wrong(
                f"parameters.{varying[0].name}.isv",
                'needs to know who is of one site; add [sites] with covariate = "SITE"',
            )
        return None
    table = top.table("sites")
    if not varying:
        raise table.wrong("", "no parameter has isv: sites would not differ; give one or delete this")
    for p in varying:
        if p.iiv is None:
            raise top.wrong(f"parameters.{p.name}.iiv", "is missing; patients of one site with isv differ by iiv")
    found = SiteSpec(table.choice("covariate", covariates), *table.evidence())
    table.close()
    return found


def drift(top: Table, parameters: Sequence[ParameterSpec]) -> DriftSpec | None:
    """On what grid parameters drift and how far back that is revised; ``None`` for a model without drift.

    Raises:
        ModelError: a drift section without drift or the reverse, a lag below the grid, a parameter that drifts without
            iiv, or one with iiv that does not drift beside others that do.
    """
    drifting = [p.name for p in parameters if p.drift is not None]
    if not top.has("drift"):
        if drifting:
            raise top.wrong(f"parameters.{drifting[0]}.drift", "needs its grid; add [drift] with grid and lag")
        return None
    table = top.table("drift")
    if not drifting:
        raise table.wrong("", "no parameter has a drift, so there is nothing to walk; give one a drift, or delete this")
    for p in parameters:
        if p.drift is not None and p.iiv is None:
            raise top.wrong(f"parameters.{p.name}.iiv", "is missing; what drifts in a patient differs between patients")
        if p.iiv is not None and p.drift is None:
            # What is older than the lag is fixed for each particle: without fresh drift its variety would die out.
            raise top.wrong(
                f"parameters.{p.name}.drift",
                "is missing; where one drifts every parameter with iiv must, if only a little (a hundredth of iiv a"
                " year)",
            )
    grid = table.number("grid", above=0)
    found = DriftSpec(grid, table.number("lag", least=grid), *table.evidence())
    table.close()
    return found
