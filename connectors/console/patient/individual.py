"""A patient's own parameters against patients with the same characteristics and the population, and what each means."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from connectors.console.views import Quantiles, brief, quantiles
from twin.events import Estimate


class Floor(msgspec.Struct, frozen=True):
    """A limit from which on a model speaks of ``toxicity``: below it or above it, by ``side``."""

    output: str
    below: float
    toxicity: str
    side: str


class Analyte(msgspec.Struct, frozen=True):
    """What is measured in ``unit``; ``molar_mass`` (g/mol) where it may also be read as substance, or as mass."""

    name: str
    unit: str
    molar_mass: float | None = None


class Meaning(msgspec.Struct, frozen=True):
    """What a parameter means, and on what its number rests; ``None`` where the model does not say so."""

    words: str | None
    source: str | None


class ModelNotes(msgspec.Struct, frozen=True):
    """What a model says of every patient: toxic floors, of its parameters by name the population's 5-95 % and what they
    mean, and what is measured."""

    floors: tuple[Floor, ...] = ()
    population: Mapping[str, Quantiles] = {}
    meanings: Mapping[str, Meaning] = {}
    analytes: tuple[Analyte, ...] = ()


class Parameter(msgspec.Struct, frozen=True):
    """An individual parameter now, before anything was measured, and in the population at reference covariates.

    ``prior`` is of patients with this one's characteristics: 5 %, typical, 95 %. ``None``: the twin or the model does
    not say so. ``place`` is the share of the population below the median now.
    """

    name: str
    unit: str
    now: Quantiles
    prior: tuple[float, float, float] | None
    population: Quantiles | None
    place: float | None
    meaning: Meaning


def parameters(estimate: Estimate, notes: ModelNotes) -> tuple[Parameter, ...]:
    """Individual parameters now, beside what was to be expected of this patient and beside the population."""
    priors = {name: (said.q05, said.median, said.q95) for name, said in (estimate.priors or {}).items()}
    found = []
    for band in estimate.parameters:
        now, population = quantiles(band), notes.population.get(band.name)
        place = None if population is None else brief(place_among(now[2], population))
        meaning = notes.meanings.get(band.name, Meaning(None, None))
        found.append(Parameter(band.name, band.unit, now, priors.get(band.name), population, place, meaning))
    return tuple(found)


def place_among(value: float, population: Quantiles) -> float:
    """The share of a population below ``value``, along straight lines between its quantiles; at its ends 0.05 or 0.95.

    >>> place_among(3.0, (1.0, 2.0, 3.0, 4.0, 5.0))
    0.5
    """
    return float(np.interp(value, population, (0.05, 0.25, 0.5, 0.75, 0.95)))
