"""A full random effects model fitted to recorded patients, and written down: coefficients, and Omega of all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streams.batch.covariates.asked import Asked, head
from streams.batch.population.fit import Fit, FitMethod, Moved, fit
from streams.batch.population.patients import cohort_of, timelines_of
from twin.arrays import Floats
from twin.covariates.characteristics import values_of
from twin.covariates.full_random import FullRandomEffects, Moments, coefficient_names, constant, full_model
from twin.model.spec import Model
from twin.population.results.uncertainty import NORMAL_95, Kind
from twin.population.theta import Theta


class FullModel(NamedTuple):
    """What is to be fitted."""

    parameters: tuple[str, ...]
    moments: Moments
    model: Model


def full_of(asked: Asked, parameters: Sequence[str], covariates: Sequence[str]) -> FullModel:
    """The model of some parameters (by default all with log-normal or normal effects) and covariates.

    Raises:
        CovariateError: a covariate that does not stay, or a name of nothing.
    """
    model = asked.model
    usual = [p.name for p in model.parameters if p.iiv is not None and p.distribution in ("log-normal", "normal")]
    kept = tuple(parameters) or tuple(usual)
    names = [covariate.name for covariate in model.covariates]
    at = [names.index(name) for name in covariates]
    constant([each.covariates[:, at] for each in asked.timelines.values()], covariates, asked.described)
    moments = Moments.of(covariates, values_of(asked.timelines.values(), model)[:, at])
    return FullModel(kept, moments, full_model(model, kept, moments, asked.described, asked.name))


def fitted(asked: Asked, full: FullModel, method: FitMethod, moved: Moved, kept_at: Path) -> Fit:
    """Fit it, from where an interrupted search stood.

    Raises:
        FitError: the objective is not finite where it begins.
    """
    theta = Theta.of(full.model, asked.fixed)
    cohort = cohort_of(timelines_of(asked.cases, full.model, lambda _: None), theta)
    return fit(cohort, method, moved, kept_at, " ".join([full.model.hash, asked.data.hash, method, *theta.names]))


def effects_of(found: Fit, full: FullModel) -> FullRandomEffects:
    """Parameters and covariates together, as a fit has them."""
    names, numbers = list(found.theta.names), found.theta.natural(found.evaluation.vector)
    at = [[names.index(one) for one in row] for row in coefficient_names(full.parameters, full.moments)]
    of_eta = [found.theta.model.eta_names.index(name) for name in full.parameters]
    isv = found.theta.model.isv_names
    kinds: tuple[Kind, ...] = ("sandwich", "R", "S")
    covariance = next((found.certainty.covariance[kind] for kind in kinds if kind in found.certainty.covariance), None)
    rows = None
    of_variance = [[f"omega.{one}", *(("isv." + one,) if one in isv else ())] for one in full.parameters]
    if covariance is not None and all(one in names for each in of_variance for one in each):
        rows = np.array(
            [
                _of_row(covariance, row, [names.index(one) for one in of])
                for row, of in zip(at, of_variance, strict=True)
            ]
        )
    residual = found.population.alone[np.ix_(of_eta, of_eta)]
    return FullRandomEffects(full.parameters, full.moments, numbers[np.array(at)], residual, rows)


def _of_row(covariance: Floats, row: Sequence[int], variance: Sequence[int]) -> Floats:
    """(C + 1, C + 1) of coefficients and of the sum of some variances."""
    made = np.zeros((len(row) + 1, len(covariance)))
    made[np.arange(len(row)), row] = 1.0
    made[-1, variance] = 1.0
    return np.asarray(made @ covariance @ made.T)


def lines_of(effects: FullRandomEffects, model: Model) -> list[str]:
    """The coefficients as people read them: what each covariate does by itself, and beside the others."""
    ratio = {each.name: each.distribution == "log-normal" for each in model.parameters}
    titles = f"{'':24} {'alone':>22} {'beside the others':>22}  alone, at 5 % and 95 % of patients"
    lines = ["effects by one standard deviation of each covariate, along eta", titles]
    sd, moments = np.sqrt(np.diag(effects.moments.covariance)), effects.moments
    whole, whole_error = effects.given(moments.names)
    for j, covariate in enumerate(moments.names):
        alone, alone_error = effects.given([covariate])
        for i, parameter in enumerate(effects.parameters):
            by = (moments.low[j] - moments.mean[j], moments.high[j] - moments.mean[j])
            at = ", ".join(_moved(alone[i, 0] * d, _at(alone_error, i, 0) * abs(d), ratio[parameter]) for d in by)
            lines.append(
                f"{parameter + ' ' + covariate:24} {_estimate(alone[i, 0], _at(alone_error, i, 0), sd[j]):>22}"
                f" {_estimate(whole[i, j], _at(whole_error, i, j), sd[j]):>22}  {at}"
            )
    share, error = effects.explained()
    for i, parameter in enumerate(effects.parameters):
        se = math.nan if error is None else error[i]
        lines.append(f"{parameter}: covariates explain {100 * share[i]:.1f} % of its variance (SE {100 * se:.1f})")
    return lines


def as_json(effects: FullRandomEffects, found: Fit, asked: Asked) -> str:
    """Everything, with names; numbers that are none are ``null``."""
    moments = effects.moments
    share, share_error = effects.explained()
    whole, whole_error = effects.given(moments.names)
    alone = [effects.given([name]) for name in moments.names]
    content = {
        **head(asked.model, asked.data, len(asked.cases)),
        "method": found.method,
        "names": [*effects.parameters, *moments.names],
        "omega": effects.omega.tolist(),
        "covariates": {
            name: {"mean": moments.mean[j], "p05": moments.low[j], "p95": moments.high[j]}
            for j, name in enumerate(moments.names)
        },
        "coefficients": [
            {
                "parameter": parameter,
                "covariate": covariate,
                "alone": alone[j][0][i, 0],
                "se_alone": _none(_at(alone[j][1], i, 0)),
                "beside_the_others": whole[i, j],
                "se_beside_the_others": _none(_at(whole_error, i, j)),
            }
            for i, parameter in enumerate(effects.parameters)
            for j, covariate in enumerate(moments.names)
        ],
        "explained": {
            parameter: {"share": share[i], "se": None if share_error is None else share_error[i]}
            for i, parameter in enumerate(effects.parameters)
        },
        "converged": found.state.why == "converged",
    }
    return json.dumps(content, indent=1) + "\n"


def _at(errors: Floats | None, i: int, j: int) -> float:
    return math.nan if errors is None else float(errors[i, j])


def _none(value: float) -> Any:
    return value if math.isfinite(value) else None


def _estimate(value: float, error: float, sd: float) -> str:
    return f"{value * sd:+.3f} (SE {error * sd:.3f})"


def _moved(value: float, error: float, ratio: bool) -> str:
    """A parameter's ratio to that of the mean patient, or its difference, with the 95 % interval."""
    three = np.array([value, value - NORMAL_95 * error, value + NORMAL_95 * error])
    at, low, high = np.exp(three) if ratio else three
    return f"{at:.2f} ({low:.2f} to {high:.2f})"
