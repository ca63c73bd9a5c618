"""A patient's characteristics as step functions of time, carried forward or backward from where they were reported.

    forward    v(t) = the last value reported before t; before the first, the first
    backward   v(t) = the first value reported at or after t; after the last, the last

and the model's reference where none was ever reported. Of several values reported at one instant the last, in the order
of the record, holds from then on, and the first until then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.events import Covariate, LabResult
from twin.model.spec import CovariateSpec, Model
from twin.record.facts import ClinicalEvent

ALWAYS = int(np.iinfo(np.int64).min)
"""Epoch of the first row: as long as there was time."""

Words = tuple[float, float]
"""The first and the last value reported at one instant, in the order of the record."""


@dataclass(frozen=True)
class Carried:
    """Characteristics over time.

    Attributes:
        epoch: (E,) ms from which a row of ``values`` holds.
        values: (E, C), in the order of the model.
        widening: (d,) variance added to each eta for what was never reported.
        lacking: (W,) which of `Model.widening_names` add theirs.
    """

    epoch: NDArray[np.int64]
    values: NDArray[np.float64]
    widening: NDArray[np.float64]
    lacking: NDArray[np.bool_]


def carry(facts: Iterable[tuple[int, ClinicalEvent]], model: Model) -> Carried:
    """Characteristics of the facts (ms, fact) in event-time order."""
    reported: dict[str, dict[int, Words]] = {covariate.name: {} for covariate in model.covariates}
    for millis, fact in facts:
        if isinstance(fact, Covariate | LabResult):
            name = fact.name if isinstance(fact, Covariate) else fact.analyte
            if name in reported and fact.value is not None:
                value = fact.value.value
                first, _ = reported[name].get(millis, (value, value))
                reported[name][millis] = first, value
    courses = [_course(covariate, reported[covariate.name]) for covariate in model.covariates]
    every = np.unique(np.array([ALWAYS, *(m for course in courses for m, _ in course)], dtype=np.int64))
    values = np.empty((len(every), len(courses)))
    for j, course in enumerate(courses):
        begins = np.array([m for m, _ in course], dtype=np.int64)
        values[:, j] = np.array([value for _, value in course])[np.searchsorted(begins, every, side="right") - 1]
    new = np.ones(len(every), dtype=bool)
    new[1:] = (values[1:] != values[:-1]).any(axis=1)
    never = [covariate for covariate in model.covariates if not reported[covariate.name]]
    lacking = np.array([not reported[c.name] for c in model.covariates for _ in c.widens], dtype=np.bool_)
    return Carried(every[new], values[new], _widening(model, never), lacking)


def widened(model: Model, widening: NDArray[np.float64] | None = None) -> Model:
    """The model with the prior of a patient whose unreported characteristics widen eta by ``widening`` (d,).

    Without it, of a patient of whom nothing was reported.
    """
    if widening is None:
        widening = carry((), model).widening
    if not widening.any():
        return model
    omega = model.omega + np.diag(widening)
    omega.setflags(write=False)
    return replace(model, omega=omega)


def _course(covariate: CovariateSpec, reported: dict[int, Words]) -> list[tuple[int, float]]:
    """Steps (from ms, value), the first of them from `ALWAYS`."""
    if not reported:
        return [(ALWAYS, covariate.reference)]
    times = list(reported)
    first, last = zip(*reported.values(), strict=True)
    if covariate.carry == "backward":
        return [(ALWAYS, first[0]), *zip(times, (*first[1:], last[-1]), strict=True)]
    return [(ALWAYS, last[0]), *zip(times[1:], last[1:], strict=True)]


def _widening(model: Model, never: Iterable[CovariateSpec]) -> NDArray[np.float64]:
    widening = np.zeros(len(model.eta_names))
    for covariate in never:
        for name, variance in covariate.widens:
            widening[model.eta_names.index(name)] += variance
    return widening
