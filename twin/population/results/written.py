"""A fitted model as a model file: the file that the fit began with, with other numbers and where these come from.

Every number that was estimated has the fit as its source, with its standard error and the number of patients; what was
fixed keeps the source it had. What the first file says of its own numbers and is no longer true is left out: what
others confirm, what is expected of the typical patient, and in which form a publication prints its variances.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.modelfile.variability import RESIDUAL
from twin.population.theta import Theta, effect_names
from twin.population.values import LEVELS, Level, Population

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Provenance:
    """Where estimated numbers come from, in one line each.

    Attributes:
        fit: method, program with version, and data with their hash.
        patients: how many.
    """

    fit: str
    patients: int


def fitted_model(
    theta: Theta, population: Population, errors: Floats | None, provenance: Provenance, name: str
) -> Model:
    """The fitted model, read from the text that it is written as (`Model.text`).

    Args:
        theta: what was estimated, of which model.
        population: the numbers found.
        errors: (K,) standard errors of `Theta.names`, where there are any.
        provenance: of the numbers.
        name: id of the fitted model.

    Raises:
        ModelError: the numbers found make no model, as an Omega that is not positive definite.
    """
    content = tomllib.loads(theta.model.text)
    said = dict(zip(theta.names, [None] * theta.size if errors is None else errors.tolist(), strict=True))
    content["id"] = name
    content["sources"] = [{"citation": provenance.fit}, *content["sources"]]
    for gone in ("confirmed_by", "expected", "variability"):
        content.pop(gone, None)
    content["unconfirmed"] = "estimated from data; nobody else has found these numbers"
    _write_parameters(content, theta, population, said, provenance)
    _write_correlations(content, theta, population, provenance)
    if theta.shares and theta.model.mixture is not None:
        _write_shares(content["mixture"], theta.model.mixture.classes, population, provenance.fit)
    _write_widening(content, theta, population, said, provenance.fit)
    for output, old, new in zip(theta.model.outputs, theta.start.errors, population.errors, strict=True):
        if replace(new, readings=None) != replace(old, readings=None):
            _write_error(content["outputs"][output.name], new, provenance.fit)
        if new.readings is not None and new.readings != old.readings:
            vital = content["outputs"][output.name]["vital"]
            vital |= {"independent": new.readings.independent, "df": new.readings.df, "source": provenance.fit}
            vital.pop("assumed", None)
    return parse_model(as_toml(content), f"{name}.toml")


def _write_parameters(
    content: dict[str, Any],
    theta: Theta,
    population: Population,
    said: Mapping[str, float | None],
    provenance: Provenance,
) -> None:
    model, values, shapes = theta.model, population.values(theta.model), population.shapes(theta.model)
    variance = dict(zip(model.eta_names, np.diag(population.omega).tolist(), strict=True))
    of_occasion = dict(zip(model.iov_names, np.diag(population.omega_iov).tolist(), strict=True))
    gained = dict(zip(effect_names(model, "drift"), np.diag(population.omega_drift).tolist(), strict=True))
    of_site = dict(zip(model.isv_names, np.diag(population.omega_isv).tolist(), strict=True))
    for name, table in content["parameters"].items():
        table.pop("stated", None)
        own = {key for key in (name, *(f"{level}.{name}" for level in ("shape", *LEVELS))) if key in said}
        if name in said:
            table["value"] = values[name]
            if (error := said[name]) is not None and provenance.patients > 1:
                table["stated"] = {"se": error, "patients": provenance.patients}
        if f"shape.{name}" in said:
            table["shape"] = shapes[name]
        if name in variance:
            table["iiv"] = variance[name]
        if name in of_occasion:
            table["iov"] = of_occasion[name]
        if name in gained:
            table["drift"] = gained[name]
        if name in of_site:
            table["isv"] = of_site[name]
        if own:
            table.pop("assumed", None)
            table["source"] = provenance.fit + ("" if name in said else "; its value was fixed")


def _write_correlations(content: dict[str, Any], theta: Theta, population: Population, provenance: Provenance) -> None:
    model, found = theta.model, []
    for old in model.correlations:
        if old.level == RESIDUAL:
            j, i = ([o.name for o in model.outputs].index(name) for name in old.between)
            size = float(population.errors[i].beside[j])
            found.append({"between": [*old.between], "level": RESIDUAL, "correlation": size, "source": provenance.fit})
            continue
        level: Level = "omega" if old.level == "iiv" else "iov" if old.level == "iov" else "isv"
        names, omega = effect_names(model, level), population.covariance(level)
        i, j = (names.index(name) for name in old.between)
        table: dict[str, Any] = {"between": list(old.between), "covariance": float(omega[i, j])}
        if old.level != "iiv":
            table["level"] = old.level
        found.append(table | {"source": provenance.fit})
    if found:
        content["correlations"] = found


def _write_widening(
    content: dict[str, Any], theta: Theta, population: Population, said: Mapping[str, float | None], source: str
) -> None:
    """What unreported characteristics widen, of those of which anything was estimated."""
    variance = dict(zip(theta.model.widening_names, np.diag(population.widening).tolist(), strict=True))
    for covariate in theta.model.covariates:
        names = [name for name, _ in covariate.widens if f"widens.{covariate.name}.{name}" in said]
        if names:
            table = content["covariates"][covariate.name]["missing"]
            table["widens"] |= {name: variance[f"{covariate.name}.{name}"] for name in names}
            table.pop("assumed", None)
            table["source"] = source


def _write_shares(table: dict[str, Any], classes: Sequence[str], population: Population, source: str) -> None:
    table["shares"] = dict(zip(classes, population.shares.tolist(), strict=True))
    table.pop("assumed", None)
    table["source"] = source


def _write_error(output: dict[str, Any], error: ErrorSpec, source: str) -> None:
    table = output.get("error", output)
    match error.kind:
        case "log_additive":
            table["log_additive"] = error.additive
        case "log_combined":
            table["additive"], table["log_additive"] = error.additive, error.proportional
        case "power" | "deviation" as kind:
            table[kind]["coefficient"] = error.proportional
            if kind == "power":
                table[kind]["exponent"] = error.exponent
            if error.additive:
                table["additive"] = error.additive
        case "negative_binomial":
            table["negative_binomial"] = error.dispersion
        case _:
            if error.additive:
                table["additive"] = error.additive
            if error.proportional:
                table["proportional"] = error.proportional
    for key in ("box_cox", "df", "replicate_correlation"):
        if (value := getattr(error, key)) is not None:
            table[key] = value
    if error.outliers is not None:
        table["outliers"] = {"share": error.outliers.share, "widening": error.outliers.widening}
    table.pop("assumed", None)
    table["source"] = source


def as_toml(content: Mapping[str, Any]) -> str:
    """TOML of what `tomllib` gives: values first, then tables, each in the order they stand in."""
    lines: list[str] = []
    _tables(content, "", lines)
    return "\n".join(lines).strip() + "\n"


def _tables(content: Mapping[str, Any], path: str, lines: list[str]) -> None:
    later: list[tuple[str, Any]] = []
    for key, value in content.items():
        of_tables = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
        # Sections and their members stand under headers; what is within these is short.
        if of_tables or (isinstance(value, dict) and path.count(".") < 1):
            later.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in later:
        inside = f"{path}.{_key(key)}" if path else _key(key)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(value, list):
                lines += ["", f"[[{inside}]]"]
            elif not one or any(not isinstance(item, dict) for item in one.values()):
                lines += ["", f"[{inside}]"]
            _tables(one, inside, lines)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return repr(value)
