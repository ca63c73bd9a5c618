"""What is not known of a population itself: typical values that differ from trial to trial.

Every uncertain parameter is given a random effect where it has none, and a trial's typical values are shifts of it: a
factor f on the typical value v is

    log f (log-normal),    v (f - 1) (normal),    logit(v f) - logit(v) (logit)

on the scale of eta, the same for every patient of the trial. So all trials share one compiled model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin.model.spec import Model, ModelError, ParameterSpec
from twin.modelfile.reader import content_of, read_model
from twin.virtual.people import number_in

PLACE = 0.01
"""Variance of a random effect that is there to be shifted. What is drawn for it is not used, so that any number will do
that keeps Omega positive definite."""


@dataclass(frozen=True)
class Shifts:
    """Typical values of a trial: by parameter the factor on the model's, as shifts of eta by ``of``."""

    factors: tuple[tuple[str, float], ...]

    def of(self, model: Model) -> dict[str, float]:
        """Shift of each parameter's eta.

        Raises:
            ModelError: the parameter is box-cox, or a probability would leave 0 to 1.
        """
        known = {spec.name: spec for spec in model.parameters}
        return {name: _shift(known[name], factor) for name, factor in self.factors}


def drawn_factors(rse: Sequence[tuple[str, float]], rng: np.random.Generator) -> Shifts:
    """Log-normal factors about 1 of one trial, ``rse`` the SD of each logarithm."""
    return Shifts(tuple((name, math.exp(sd * rng.standard_normal())) for name, sd in rse))


def given_factors(rows: Sequence[Mapping[str, str]], model: Model, file: str) -> tuple[Shifts, ...]:
    """Draws of typical values, such as a bootstrap's or a posterior's: a row a draw, a column a parameter.

    Raises:
        ModelError: no row, a column that is no parameter, a cell that is no number, or a typical value of 0 (which has
            no factor).
    """
    known = {spec.name: spec for spec in model.parameters}
    if not rows:
        raise ModelError(file, "", "has no rows; write a draw of the typical values a row")
    for name in rows[0]:
        if name not in known:
            raise ModelError(file, name, f"is no parameter of {model.id}; it has {', '.join(known)}")
        if known[name].value == 0.0:
            raise ModelError(
                file, name, f"is 0 in {model.id}: no factor makes another value of it; leave the column out"
            )
    found = []
    for line, row in enumerate(rows, start=2):
        values = {name: number_in(row[name], file, f"line {line}, {name}") for name in rows[0]}
        found.append(Shifts(tuple((name, value / known[name].value) for name, value in values.items())))
    return tuple(found)


def shiftable(model: Model, names: Sequence[str]) -> Model:
    """The model with a random effect of each of ``names``, a negligible one where it has none.

    Raises:
        ModelError: a box-cox parameter, whose typical value is no shift of its eta.
    """
    content = content_of(model.text, model.id)
    content.pop("expected", None)
    known = {spec.name: spec for spec in model.parameters}
    for name in names:
        if known[name].distribution == "box-cox":
            problem = "is box-cox, whose typical value is no shift of its random effect; leave it out"
            raise ModelError(model.id, f"parameters.{name}", problem)
        if known[name].iiv is None:
            content["parameters"][name] |= {"iiv": PLACE}
    return read_model(content, model.text, model.id)


def _shift(spec: ParameterSpec, factor: float) -> float:
    if factor <= 0.0:
        raise ModelError(
            "uncertainty", spec.name, f"would be {factor:g} times the model's; typical values keep their sign"
        )
    if spec.distribution == "normal":
        return spec.value * (factor - 1.0)
    if spec.distribution == "logit":
        moved = spec.value * factor
        if not 0.0 < moved < 1.0:
            raise ModelError("uncertainty", spec.name, f"would be {moved:g}; it lies between 0 and 1")
        return math.log(moved / (1.0 - moved)) - math.log(spec.value / (1.0 - spec.value))
    return math.log(factor)
