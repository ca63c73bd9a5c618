"""The full random effects model (FREM): covariates x beside the effects eta of parameters, in one normal law.

    (eta, x) ~ N((0, m), Omega),    Omega = [ O_ee  O_ex ; O_xe  O_xx ]

Nothing is selected, so that no coefficient is too large for having been chosen, and covariates that go together share
what they explain (Karlsson 2012, PAGE 21:2455; Yngman et al. 2022, J Pharmacokinet Pharmacodyn 49:467). Programs that
observe x with a tiny error integrate over what they know. In the limit of no error the likelihood is a product,

    p(y, x) = N(x; m, O_xx) p(y | x),    eta | x ~ N(B (x - m), O_c),    B = O_ex O_xx^-1,  O_c = O_ee - B O_xx B',

with numbers of its own in each factor: m and O_xx are the moments of the patients, B and O_c those of a model in which
every parameter depends on every covariate along its eta, O_c being full. So that model is fitted, and Omega put
together again, to the same maximum without an effect more.

Of any covariates S the coefficients, without knowing the others, follow by conditioning:

    B_S = B G',    G = O_xS O_SS^-1,
    var(b_S) = G' var(b) G + (b_R' O_R|S b_R) O_SS^-1 / N     (b a row of B, R the covariates that are not in S),

the second part being how little is known of the regression of the others on S from N patients. Where sites differ, eta
is that of a patient of whatever site, and O_c what patients of one site differ by and what sites do together.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from twin.arrays import Floats
from twin.covariates.characteristics import Characteristic, CovariateError
from twin.covariates.effects import UNFITTED, say_studied
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.results.written import as_toml

BEGUN = 0.1
"""Correlation of two effects that a fit begins with, where the model file has none."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Covariates of N patients.

    Attributes:
        names: (C,).
        mean: (C,), covariance: (C, C) of maximum likelihood.
        low, high: (C,) the 5th and 95th percentile.
        count: N.
    """

    names: tuple[str, ...]
    mean: Floats
    covariance: Floats
    low: Floats
    high: Floats
    count: int

    @classmethod
    def of(cls, names: Sequence[str], values: Floats) -> Moments:
        """Of values (N, C).

        Raises:
            CovariateError: covariates of which one follows from the others, or too few patients.
        """
        if len(values) <= len(names) + 1:
            raise CovariateError(f"covariates: {len(values)} patients are too few for {len(names)}; name fewer")
        covariance = np.atleast_2d(np.cov(values, rowvar=False, bias=True))
        size = np.sqrt(np.diag(covariance))
        if (size <= 0.0).any():
            same = names[int(size.argmin())]
            raise CovariateError(
                f"covariates: {same} is the same in every patient, which explains nothing; leave it out"
            )
        if np.linalg.eigvalsh(covariance / np.outer(size, size))[0] < 1e-6:
            raise CovariateError(f"covariates: one of {', '.join(names)} follows from the others; leave it out")
        low, high = np.percentile(values, [5.0, 95.0], axis=0)
        return cls(tuple(names), values.mean(axis=0), covariance, low, high, len(values))


def full_model(
    model: Model, parameters: Sequence[str], moments: Moments, described: Mapping[str, Characteristic], name: str
) -> Model:
    """The model in which the effects of ``parameters`` depend on every covariate and correlate with one another.

    Each covariate is ``described``, by name, as among the patients; who is beyond them is told of (``studied``).

    Raises:
        CovariateError: a parameter without random effects, or with such as are neither log-normal nor normal.
        ModelError: the effects make no model.
    """
    content = tomllib.loads(model.text)
    content["id"] = name
    by_name = {each.name: each for each in model.parameters}
    for parameter in parameters:
        known = by_name.get(parameter)
        if known is None or known.iiv is None:
            able = ", ".join(model.eta_names) or "none"
            raise CovariateError(f"parameters: {parameter!r} has no random effects; parameters with iiv are {able}")
        if known.distribution not in ("log-normal", "normal"):
            raise CovariateError(
                f"parameters: {parameter} is {known.distribution}; covariates are put on log-normal and normal ones"
            )
        terms = [
            f"{_coefficient(parameter, covariate)}*({covariate} - {_number(mean)})"
            for covariate, mean in zip(moments.names, moments.mean.tolist(), strict=True)
        ]
        plain = known.distribution == "normal"
        moved = f"({parameter} + {' + '.join(terms)})" if plain else f"({parameter}*exp({' + '.join(terms)}))"
        table = content["parameters"][parameter]
        table["expression"] = re.sub(rf"\b{parameter}\b", moved, table.get("expression", parameter))
        for covariate in moments.names:
            if _coefficient(parameter, covariate) in content["parameters"]:
                raise CovariateError(
                    f"{parameter}: the name {_coefficient(parameter, covariate)} is taken; rename that in the model"
                )
            content["parameters"][_coefficient(parameter, covariate)] = {
                "value": 0.0,
                "unit": _over(known.unit if plain else "1", described[covariate].unit),
                "distribution": "normal",
                "assumed": UNFITTED,
            }
    for covariate, mean in zip(moments.names, moments.mean.tolist(), strict=True):
        table, of = content["covariates"][covariate], described[covariate]
        table["reference"] = _held(table, mean)
        if of.low <= table["reference"] <= of.high:
            say_studied(table, of.low, of.high)
    _correlate(content, parameters)
    return parse_model(as_toml(content), f"{name}.toml")


def coefficient_names(parameters: Sequence[str], moments: Moments) -> list[list[str]]:
    """Of B (P, C), what each number is called in the model file."""
    return [[_coefficient(parameter, covariate) for covariate in moments.names] for parameter in parameters]


@dataclass(frozen=True, eq=False)
class FullRandomEffects:
    """What a fit says of parameters and covariates together.

    Attributes:
        parameters: (P,) names.
        moments: of the covariates.
        slopes: (P, C) B, along eta, per unit of each covariate.
        residual: (P, P) O_c.
        covariance: (P, C + 1, C + 1) of each parameter's row of B and its variance in O_c, as estimated; ``None`` where
            the fit has no standard errors.
    """

    parameters: tuple[str, ...]
    moments: Moments
    slopes: Floats
    residual: Floats
    covariance: Floats | None

    @property
    def omega(self) -> Floats:
        """(P + C, P + C) of effects and covariates."""
        xx = self.moments.covariance
        ex = self.slopes @ xx
        return np.block([[self.residual + ex @ self.slopes.T, ex], [ex.T, xx]])

    def given(self, covariates: Sequence[str]) -> tuple[Floats, Floats | None]:
        """Coefficients (P, S) of some covariates where nothing is known of the others, and standard errors.

        Raises:
            CovariateError: a name that is none of the covariates.
        """
        unknown = [name for name in covariates if name not in self.moments.names]
        if unknown:
            raise CovariateError(f"given: {unknown[0]!r} is none of {', '.join(self.moments.names)}")
        at = [self.moments.names.index(name) for name in covariates]
        others = [j for j in range(len(self.moments.names)) if j not in at]
        xx = self.moments.covariance
        inverse = np.linalg.inv(xx[np.ix_(at, at)])
        g = xx[:, at] @ inverse
        found = self.slopes @ g
        if self.covariance is None:
            return found, None
        left = xx[np.ix_(others, others)] - g[others] @ xx[np.ix_(at, others)]
        errors = np.empty_like(found)
        for i, row in enumerate(self.slopes):
            of_b = g.T @ self.covariance[i, :-1, :-1] @ g
            of_g = float(row[others] @ left @ row[others]) * inverse / self.moments.count
            errors[i] = np.sqrt(np.diag(of_b + of_g))
        return found, errors

    def explained(self) -> tuple[Floats, Floats | None]:
        """Share of each effect's variance (P,) that the covariates explain, and its standard error (delta method)."""
        by = np.einsum("pi,ij,pj->p", self.slopes, self.moments.covariance, self.slopes)
        left = np.diag(self.residual)
        share = by / (by + left)
        if self.covariance is None:
            return share, None
        errors = np.empty_like(share)
        for i in range(len(share)):
            whole = (by[i] + left[i]) ** 2
            slope = np.append(2.0 * self.moments.covariance @ self.slopes[i] * left[i], -by[i]) / whole
            of_x = 2.0 * by[i] ** 2 / self.moments.count * (left[i] / whole) ** 2
            errors[i] = np.sqrt(slope @ self.covariance[i] @ slope + of_x)
        return share, errors


def _coefficient(parameter: str, covariate: str) -> str:
    return f"{parameter}_{covariate}"


def _over(unit: str, by: str) -> str:
    """The unit of one per another."""
    if by == "1":
        return unit
    over = f"({by})" if {"/", "."} & set(by) else by
    return f"{unit}/{over}" if "/" not in unit else f"({unit})/{over}"


def _number(value: float) -> str:
    return f"({value!r})" if value < 0 else repr(value)


def _held(table: dict[str, Any], mean: float) -> float:
    """The reference of a covariate: the mean, or of one with levels what the file has."""
    if table.get("levels"):
        return float(table["reference"])
    return float(np.clip(mean, table.get("low", -np.inf), table.get("high", np.inf)))


def _correlate(content: dict[str, Any], parameters: Sequence[str]) -> None:
    found = content.setdefault("correlations", [])
    known = {frozenset(each["between"]) for each in found if each.get("level", "iiv") == "iiv"}
    for pair in combinations(parameters, 2):
        if frozenset(pair) not in known:
            found.append({"between": list(pair), "correlation": BEGUN, "assumed": "what a fit begins with"})
    if not found:
        del content["correlations"]


def constant(values: Sequence[Floats], names: Sequence[str], described: dict[str, Characteristic]) -> None:
    """Refuse covariates that change over time in a patient, or that are categories of more than two.

    Args:
        values: of each patient the covariates (E, C) as they stood.

    Raises:
        CovariateError: naming the first.
    """
    for j, name in enumerate(names):
        if len(described[name].levels) > 2:
            raise CovariateError(
                f"covariates: {name} has {len(described[name].levels)} categories; make a covariate of 0 and 1 of each"
            )
        changing = sum(bool(np.ptp(rows[:, j]) > 0.0) for rows in values)
        if changing:
            raise CovariateError(
                f"covariates: {name} changes over time in {changing} patients; what is looked for here is what"
                " stays does: leave it out, or give each patient one value"
            )
