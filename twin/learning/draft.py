"""A version of a model as its file: the published one with what was learnt, or with a wider population.

A draft says of every number that was learnt from how many patients and by what; everything else is as it was published,
and so are its sources. It is written anew from what the file says, without its comments, and read again before it is
given away. Of a model with sites (`twin.model.spec.SiteSpec`) what is learnt is of patients looked at alone, as twins
look at them; it is written as what patients of a site and what sites differ by, in the published proportion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from twin.arrays import Floats
from twin.learning.messages.structure import resize, structure_of, typical_value
from twin.learning.population import Anchor, Theta
from twin.model.spec import Model
from twin.modelfile.reader import content_of, parse_model

DIGITS = 10

HEADED = 2
"""Levels of tables that have a header of their own."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def learnt_draft(published: Model, anchor: Anchor, theta: Theta, name: str, provenance: str) -> Model:
    """The version with what was learnt.

    Args:
        name: its id.
        provenance: from what and how it was learnt, the ``source`` of each number.

    Raises:
        ModelError: a name that is none.
    """
    at, omega = anchor.natural(theta)
    centres = {
        parameter: float(phi) for parameter, phi, held in zip(anchor.centres.names, at, anchor.held, strict=True)
        if not held
    }  # fmt: skip
    values, factors = anchor.also(theta)
    shares = {} if anchor.shares_held else dict(zip(anchor.shares.names, theta.shares.tolist(), strict=True))
    return _version(published, name, centres, omega, provenance, values, factors, shares)


def widened_draft(published: Model, factor: float, name: str) -> Model:
    """The version to enrol patients under while its numbers are still learnt: Omega times ``factor``.

    Particles that were weighed under a wide population reach more of those that may be learnt later.

    Raises:
        ValueError: a factor that widens nothing, or a model without iiv.
    """
    if not 1 < factor <= 16:
        raise ValueError(f"by: {factor:g} is not above 1 and at most 16; 2 is usual")
    if not published.eta_names:
        raise ValueError(f"{published.id}: no parameter has iiv, so there is no population to widen")
    words = f"{factor:g} times the variance of {published.id} ({published.hash}), to enrol under while it is learnt"
    return _version(published, name, {}, published.omega * factor, words)


def _version(
    published: Model,
    name: str,
    centres: Mapping[str, float],
    omega: Floats,
    words: str,
    coefficients: Mapping[str, float] = MappingProxyType({}),
    factors: Mapping[str, float] = MappingProxyType({}),
    shares: Mapping[str, float] = MappingProxyType({}),
) -> Model:
    omega, omega_isv = _parted(published, omega)
    content = content_of(published.text, published.id)
    content["id"] = name
    content["note"] = "\n\n".join(
        part for part in (content.get("note", ""), f"A version of {published.id}: {words}.") if part
    )
    for gone in ("confirmed_by", "expected", "unconfirmed"):
        content.pop(gone, None)
    content["unconfirmed"] = f"numbers of this version are its own: {words}"
    by_name = {p.name: p for p in published.parameters}
    for i, parameter in enumerate(published.eta_names):
        said = content["parameters"][parameter]
        said["iiv"] = _short(omega[i, i])
        if parameter in published.isv_names:
            at = published.isv_names.index(parameter)
            said["isv"] = _short(omega_isv[at, at])
        said["stated"] = {key: each for key, each in said.get("stated", {}).items() if key == "iov"}
        if not said["stated"]:
            del said["stated"]
            said.pop("stated_as", None)
        if parameter in centres:
            said["value"] = _short(typical_value(by_name[parameter], centres[parameter]))
            said.pop("assumed", None)
            said["source"] = words
        else:
            kept = said.get("source", "")
            said["source"] = f"{kept}; iiv: {words}" if kept else f"iiv: {words}"
    for coefficient, value in coefficients.items():
        said = content["parameters"][coefficient]
        said |= {"value": _short(value), "source": words}
        for gone in ("assumed", "stated", "stated_as"):
            said.pop(gone, None)
    for output, factor in factors.items():
        error = content["outputs"][output]["error"]
        resize(error, factor)
        error.pop("assumed", None)
        error["source"] = words
    if shares:
        content["mixture"].pop("assumed", None)
        content["mixture"] |= {"shares": {of: _short(share) for of, share in shares.items()}, "source": words}
    _correlate(content, {"iiv": (published.eta_names, omega), "isv": (published.isv_names, omega_isv)}, words)
    found = parse_model(toml_of(content), f"{name}.toml")
    assert structure_of(found) == structure_of(published)
    return found


def _parted(published: Model, omega: Floats) -> tuple[Floats, Floats]:
    """What patients of one site differ by (d, d) and what sites do (q, q), of a covariance (d, d) of both together: the
    share of each variance that is between sites is the published one, and so are correlations between sites, but where
    only sites have one.

    Raises:
        ValueError: a covariance that cannot be parted so.
    """
    columns = list(published.site_columns)
    if not columns:
        return omega, published.omega_isv
    by = np.sqrt(np.diag(omega) / np.diag(published.omega))[columns]
    between, cross = published.omega_isv * np.outer(by, by), np.ix_(columns, columns)
    alone = (published.omega_iiv[cross] == 0.0) & (between != 0.0)
    between[alone] = omega[cross][alone]
    within = omega.copy()
    within[cross] -= between
    if min(np.linalg.eigvalsh(within).min(), np.linalg.eigvalsh(between).min()) <= 0.0:
        raise ValueError(
            f"{published.id}: what was learnt of correlations is more than patients of one site and sites ([sites]) can"
            " have apart; fit with 'dosetwin fit', or add isv to iiv and leave isv and [sites] out"
        )
    return within, between


def _correlate(content: dict[str, Any], of: Mapping[str, tuple[Sequence[str], Floats]], words: str) -> None:
    for said in content.get("correlations", []):
        level = said.get("level", "iiv")
        if level not in of:
            continue
        names, omega = of[level]
        i, j = (names.index(parameter) for parameter in said["between"])
        for key in ("correlation", "stated_as", "assumed"):
            said.pop(key, None)
        said |= {"covariance": _short(omega[i, j]), "source": words}


def _short(value: float | np.float64) -> float:
    return float(f"{value:.{DIGITS}g}")


# --- TOML ------------------------------------------------------------------------------------------------------------


def toml_of(content: Mapping[str, Any]) -> str:
    """What a TOML text said, as a text again: `tomllib.loads` of it is the same."""
    return "\n".join(_lines(content, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    # From the second level on tables stand in one line.
    below = {key: each for key, each in table.items() if len(path) < HEADED and _nests(each)}
    found = [f"{_key(key)} = {_value(each)}" for key, each in table.items() if key not in below]
    for key, each in below.items():
        name = (*path, key)
        dotted = ".".join(map(_key, name))
        if isinstance(each, list):
            for one in each:
                found += ["", f"[[{dotted}]]", *_lines(one, (*name, ""))]
        else:
            found += [*([] if _only_tables(each) else ["", f"[{dotted}]"]), *_lines(each, name)]
    return found


def _only_tables(table: Mapping[str, Any]) -> bool:
    return bool(table) and all(map(_nests, table.values()))


def _nests(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
    )


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=True)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for characters beyond the first plane, which need no escape.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }" if value else "{}"
        )
    return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(repr(value), str(value))
