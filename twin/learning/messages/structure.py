"""What of a model is learnt, and all of it that is not.

Learnt are the typical value of every parameter that differs between patients, the covariance of these differences and
the shares of classes that nobody sees; and, where that is asked for, coefficients of covariates that do what such a
difference does (`twin.population.means.movable`) and one factor of all sizes of an output's residual error; what sites
differ by goes along with what patients do. The
rest, occasions, drift, the kinds of errors, equations, is the published model's, and the structure is a hash of that:
two models of one structure are versions of one another. A Box-Cox parameter's typical value stays too, as a shift of
its effect is no change of its value.
"""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.kernel.free import natural, placed, scale_of, slope
from twin.model.spec import Model, ParameterSpec
from twin.modelfile.reader import content_of
from twin.modelfile.variability import RESIDUAL
from twin.observation.scatter import size_of, sized
from twin.population.means.movable import movable

LEARNT = ("value", "iiv", "isv", "stated", "stated_as", "source", "assumed", "note")
"""Keys of a parameter with iiv, and of a coefficient that can be learnt, that may differ between versions."""

SIZES = ("additive", "proportional", "log_additive")
"""Keys of sizes of a residual error."""

WITH_COEFFICIENT = frozenset({"power", "deviation"})
"""Keys of errors whose size is their ``coefficient``."""

RATIO_DIGITS = 8
"""Digits to which sizes of one error have the same ratio in all versions."""

_AS_PUBLISHED = ("iov", RESIDUAL)
"""Levels whose correlations are not learnt."""

WORDS = (
    "id",
    "title",
    "note",
    "sources",
    "confirmed_by",
    "unconfirmed",
    "variability",
    "correlations",
    "expected",
    "fit",
)
"""Keys of a model that may."""


class Centres(NamedTuple):
    """Names of d parameters, and where phi of their typical patient is (d,)."""

    names: tuple[str, ...]
    at: Floats


def centres_of(model: Model) -> Centres:
    """Where the typical patient's phi is, of every parameter with iiv."""
    by_name = {p.name: p for p in model.parameters}
    return Centres(model.eta_names, np.array([centre_of(by_name[name]) for name in model.eta_names]))


def typical_value(parameter: ParameterSpec, phi: float) -> float:
    """The typical value of a parameter whose phi is this."""
    return natural(scale_of(parameter), phi)


def value_slope(parameter: ParameterSpec, phi: float) -> float:
    """By how much the typical value changes with phi: an error of phi times this is one of the value."""
    return slope(scale_of(parameter), typical_value(parameter, phi))


def fixed_centres(model: Model) -> frozenset[str]:
    """Parameters with iiv whose typical value cannot be learnt from shifts of their effect."""
    return frozenset(p.name for p in model.parameters if p.iiv is not None and p.distribution == "box-cox")


class Sizes(NamedTuple):
    """Names of o outputs with a residual error whose size can be learnt, and one of its sizes that stands for all."""

    names: tuple[str, ...]
    at: Floats


def sizes_of(model: Model) -> Sizes:
    """Of every output whose error has sizes, in file order."""
    found = [output for output in model.outputs if sized(output)]
    return Sizes(tuple(one.name for one in found), np.array([size_of(one.error) for one in found], dtype=np.float64))


def resize(error: dict[str, Any], factor: float) -> None:
    """Multiply every size in the ``error`` table of a model file."""
    for key in SIZES:
        if key in error:
            error[key] *= factor
    for kind in WITH_COEFFICIENT & set(error):
        error[kind] = {**error[kind], "coefficient": error[kind]["coefficient"] * factor}


def require_version(old: Model, new: Model) -> None:
    """Refuse a model that is no version of another.

    Raises:
        ValueError: naming both.
    """
    if structure_of(old) != structure_of(new):
        raise ValueError(
            f"{new.id} is no version of {old.id}: more differs than the numbers that are learnt; fold patients anew by "
            "it with 'dosetwin patient rebuild --into', while workers rest"
        )


@functools.lru_cache(maxsize=256)
def structure_of(model: Model) -> str:
    """16 hex digits over all of a model that is not learnt."""
    content = content_of(model.text, model.id)
    kept: dict[str, Any] = {key: value for key, value in content.items() if key not in WORDS}
    free = {*model.eta_names, *movable(model)}
    kept["parameters"] = {
        name: {key: each for key, each in said.items() if name not in free or key not in LEARNT}
        for name, said in content["parameters"].items()
    }
    kept["outputs"] = {**content["outputs"]}
    for output in filter(sized, model.outputs):
        said = kept["outputs"][output.name]
        # Sizes count by their ratios: versions differ by one factor of them all.
        error = {key: each for key, each in said["error"].items() if key not in ("source", "assumed", "note")}
        resize(error, 1.0 / size_of(output.error))
        kept["outputs"][output.name] = {**said, "error": _rounded(error)}
    if model.mixture is not None:
        kept["mixture"] = [model.mixture.covariate, model.mixture.classes]
    # Which effects are correlated at all is structure; how strongly is learnt.
    related = [
        (c.level, sorted(c.between), c.covariance if c.level in _AS_PUBLISHED else None) for c in model.correlations
    ]
    kept["related"], kept["varying"] = sorted(map(str, related)), (*model.eta_names, *model.isv_names)
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _rounded(error: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: round(float(each), RATIO_DIGITS) if key in SIZES else each for key, each in error.items()
    }
    for kind in WITH_COEFFICIENT & set(found):
        found[kind] = {
            key: each if isinstance(each, str) else round(float(each), RATIO_DIGITS)
            for key, each in found[kind].items()
        }
    return found


def centre_of(parameter: ParameterSpec) -> float:
    """Where phi of a parameter's typical patient is."""
    return placed(scale_of(parameter), parameter.value)
