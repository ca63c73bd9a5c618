"""Coefficients of covariates whose effect on a patient's mean can be counted without the patient's record.

A particle stands for an individual psi = phi + g(x; beta), phi around the typical patient and x the covariates. Under
another beta the same psi is another phi, at the same likelihood, where x held still through the record. Where x moved
(a child who grew), psi is counted by the last x: what is not counted is by how much more or less g moved along the
record under another beta, which `Coefficients.untold` says.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.model.spec import Model
from twin.population.means.movable import movable, shift

STEP = 1e-4
"""Share of a coefficient's unit by which it is displaced for a slope."""


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of a model that can be learnt.

    Attributes:
        model: whose they are; every version of it has the same.
        names: (q,).
        at: (q,) as published.
        unit: (q,) what they are counted in: their published size, 1 of what is published as 0.
        effects: L pairs of a coefficient's number and that of a parameter (of those with iiv) that it is in.
    """

    model: Model
    names: tuple[str, ...]
    at: tuple[float, ...]
    unit: tuple[float, ...]
    effects: tuple[tuple[int, int], ...]

    def natural(self, moved: Floats) -> tuple[float, ...]:
        """Values (q,) of coefficients that are ``moved`` (q,) units from the published ones."""
        return tuple(a + u * float(m) for a, u, m in zip(self.at, self.unit, moved, strict=True))

    def moved(self, values: Sequence[float]) -> Floats:
        """Inverse of `natural`."""
        return np.asarray((np.array(values, dtype=np.float64) - self.at) / np.array(self.unit))

    def means(self, moved: Floats, covariates: Mapping[str, float]) -> Floats:
        """g(x; beta) - g(x; beta_0) of each parameter with iiv, (d,).

        Raises:
            ValueError: a formula has no value there.
        """
        known = tuple(covariates[c.name] for c in self.model.covariates)
        return _g(self.model, self.names, self.natural(moved), known) - _g(self.model, self.names, self.at, known)

    def slopes(self, moved: Floats, covariates: Mapping[str, float]) -> Floats:
        """d g / d beta of each effect (L,), a unit of the coefficient each."""
        found = np.empty(len(self.effects))
        for at, (coefficient, parameter) in enumerate(self.effects):
            step = np.zeros(len(self.names))
            step[coefficient] = STEP
            there, back = self.means(moved + step, covariates), self.means(moved - step, covariates)
            found[at] = (there[parameter] - back[parameter]) / (2.0 * STEP)
        return found

    def untold(
        self,
        one: Floats,
        other: Floats,
        last: Mapping[str, float],
        lowest: Mapping[str, float],
        highest: Mapping[str, float],
    ) -> Floats:
        """By how much g moves differently along a record under one and the other (q,), at most: (d,)."""
        found = np.zeros(len(self.model.eta_names))
        for name in last:
            apart = [
                np.abs(
                    self.means(one, {**last, name: end[name]})
                    - self.means(other, {**last, name: end[name]})
                    - self.means(one, last)
                    + self.means(other, last)
                )
                for end in (lowest, highest)
                if end[name] != last[name]
            ]
            found += np.max(apart, axis=0, initial=0.0) if apart else 0.0
        return found


@functools.lru_cache(maxsize=256)
def coefficients_of(model: Model) -> Coefficients:
    """Those of a model, in file order."""
    by_name, owners = {p.name: p for p in model.parameters}, movable(model)
    at = tuple(by_name[name].value for name in owners)
    effects = tuple((i, model.eta_names.index(owner)) for i, name in enumerate(owners) for owner in owners[name])
    return Coefficients(model, tuple(owners), at, tuple(abs(value) or 1.0 for value in at), effects)


@functools.lru_cache(maxsize=100_000)
def _g(model: Model, names: tuple[str, ...], values: tuple[float, ...], covariates: tuple[float, ...]) -> Floats:
    known = {p.name: p.value for p in model.parameters} | dict(zip(names, values, strict=True))
    known |= dict(zip((c.name for c in model.covariates), covariates, strict=True))
    owners = {owner for each in movable(model).values() for owner in each}
    found = np.zeros(len(model.eta_names))
    for p in model.parameters:
        if p.name in owners:
            try:
                found[model.eta_names.index(p.name)] = shift(p, known)
            except ArithmeticError as error:
                said = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, values, strict=True))
                raise ValueError(f"{p.name}: {error} with {said}; let a coefficient stay as published") from None
    found.flags.writeable = False
    return found
