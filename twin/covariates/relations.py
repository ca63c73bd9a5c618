"""Relations of a parameter to a covariate, as factors that are 1 where there is no effect (PsN's scm, states 1 to 5).

With centre m of the covariate x (`twin.covariates.characteristics`) and coefficients b:

    linear        1 + b (x - m)
    hockey-stick  1 + b_low (x - m) up to m,  1 + b_high (x - m) from there on
    exponential   exp(b (x - m))
    power         (x / m)^b
    categorical   1 + b_k at each value k but the commonest

All b = 0 is the model without the relation, so that a search may begin where the smaller model ended. A hockey-stick is
a line with two slopes: it is what a linear relation may be *extended* to. Bounds are PsN's: no factor may become
negative for anybody, that of an exponential not go beyond 100 and 1/100, a category's not beyond 6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from twin.covariates.characteristics import Characteristic, CovariateError

Shape = Literal["linear", "hockey-stick", "exponential", "power", "categorical"]

SHAPES: tuple[Shape, ...] = get_args(Shape)

EXTENDS: Mapping[Shape, Shape] = {"hockey-stick": "linear"}
"""Of a shape that one which is part of it."""

INSIDE = 0.999
"""Share of the way to where a factor would be 0 that a coefficient may go."""

FURTHEST = math.log(100.0)
"""Of an exponential's exponent, for any patient."""

STEEPEST = 100.0
"""Of a power's exponent."""

LARGEST = 5.0
"""Of a category's coefficient."""


@dataclass(frozen=True, order=True)
class Relation:
    """That a parameter depends on a covariate in this way."""

    parameter: str
    covariate: str
    shape: Shape

    @property
    def pair(self) -> tuple[str, str]:
        """Parameter and covariate."""
        return self.parameter, self.covariate

    def __str__(self) -> str:
        return f"{self.parameter}:{self.covariate}={self.shape}"


class Coefficient(NamedTuple):
    """One number of a relation: its name in a model file, unit, and bounds."""

    name: str
    unit: str
    low: float
    high: float


def coefficients(relation: Relation, of: Characteristic) -> tuple[Coefficient, ...]:
    """The numbers of a relation to a characteristic, in the order in which its formula has them.

    Raises:
        CovariateError: the shape does not go with the characteristic.
    """
    check(relation, of)
    stem, unit = f"{relation.parameter}_{relation.covariate}", _per(of.unit)
    below, above = of.low - of.centre, of.high - of.centre
    match relation.shape:
        case "linear":
            return (Coefficient(stem, unit, *_positive(below, above)),)
        case "hockey-stick":
            low, high = _positive(below, 0.0), _positive(0.0, above)
            return Coefficient(f"{stem}_below", unit, *low), Coefficient(f"{stem}_above", unit, *high)
        case "exponential":
            most = FURTHEST / max(-below, above)
            return (Coefficient(stem, unit, -most, most),)
        case "power":
            return (Coefficient(stem, "1", -STEEPEST, STEEPEST),)
        case "categorical":
            others = [level for level in of.levels if level != of.centre]
            return tuple(Coefficient(f"{stem}_{_word(level)}", "1", -INSIDE, LARGEST) for level in others)


def check(relation: Relation, of: Characteristic) -> None:
    """Refuse a relation that its covariate does not bear.

    Raises:
        CovariateError: saying what to write instead.
    """
    if relation.shape not in SHAPES:
        raise CovariateError(f"{relation}: {relation.shape!r} is no shape; the shapes are {', '.join(SHAPES)}")
    if not of.varies:
        raise CovariateError(
            f"{relation}: {of.name} is {of.low:g} in every patient, which explains nothing; leave it out"
        )
    if (relation.shape == "categorical") != bool(of.levels):
        mend = "categorical" if of.levels else "linear, hockey-stick, exponential or power"
        raise CovariateError(f"{relation}: {of.name} is {_kind(of)}; its shape is {mend}")
    if relation.shape == "power" and of.low <= 0.0:
        raise CovariateError(f"{relation}: {of.name} goes down to {of.low:g}; a power needs values above 0")
    if relation.shape == "hockey-stick" and not of.low < of.centre < of.high:
        raise CovariateError(f"{relation}: nobody has less (or more) than the median {of.centre:g}; use linear")


def factor(relation: Relation, of: Characteristic) -> str:
    """The factor as a formula of the model language."""
    names = [each.name for each in coefficients(relation, of)]
    moved = f"({of.name} - {_number(of.centre)})"
    match relation.shape:
        case "linear":
            return f"(1 + {names[0]}*{moved})"
        case "hockey-stick":
            slope = f"where({of.name} <= {_number(of.centre)}, {names[0]}, {names[1]})"
            return f"(1 + {slope}*{moved})"
        case "exponential":
            return f"exp({names[0]}*{moved})"
        case "power":
            return f"({of.name}/{_number(of.centre)})**{names[0]}"
        case "categorical":
            others = [level for level in of.levels if level != of.centre]
            formula = "1"
            for name, level in zip(reversed(names), reversed(others), strict=True):
                formula = f"where({of.name} == {_number(level)}, 1 + {name}, {formula})"
            return formula


def begun_at(relation: Relation, of: Characteristic, known: Mapping[str, float]) -> dict[str, float]:
    """Values for the coefficients to begin with, at which the factor is what the smaller model has.

    ``known`` are numbers of that one by name: of what it has already, and of the line that is given a second slope.
    """
    found = {each.name: known.get(each.name, 0.0) for each in coefficients(relation, of)}
    if relation.shape in EXTENDS:
        line = f"{relation.parameter}_{relation.covariate}"
        return {name: known.get(name, known.get(line, 0.0)) for name in found}
    return found


def _positive(below: float, above: float) -> tuple[float, float]:
    """Between which slopes 1 + b d is positive for all d from ``below`` to ``above``."""
    return (
        -INSIDE / above if above > 0.0 else -math.inf,
        -INSIDE / below if below < 0.0 else math.inf,
    )


def _per(unit: str) -> str:
    if unit == "1":
        return "1"
    return f"1/({unit})" if {"/", "."} & set(unit) else f"1/{unit}"


def _word(level: float) -> str:
    """A value as a part of a name."""
    return f"{level:g}".replace("-", "minus").replace(".", "p").replace("+", "")


def _number(value: float) -> str:
    text = repr(float(value)).removesuffix(".0")
    return f"({text})" if value < 0 else text


def _kind(of: Characteristic) -> str:
    return f"categorical ({len(of.levels)} values)" if of.levels else "continuous"
