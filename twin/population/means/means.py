"""Where each patient's effects lie around: typical values and covariates, so that draws can stay while these move.

An individual parameter on its scale h, covariate effects in it, is a sum

    psi_i = mu_i(theta) + eta_i,      mu_i(theta) = h(E(typical value, coefficients, covariates of i)),

wherever a formula E leaves an effect what it is on that scale, as CL*(WT/70)**b does with a logarithmic one: typical
values always do, coefficients where this is so, every parameter that they are in has an effect of its own, and the
covariates beside them do not change in time. Then psi stays where it is while theta moves (effects take up what mu
loses: ``held``), the values' likelihood does not change, and the best theta is that of a regression of psi on mu. What
is no such number (*apart*) moves predictions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.arrays import Floats
from twin.kernel.free import scale_of
from twin.model.formula import names_in
from twin.model.spec import ParameterSpec
from twin.population.cohort import Cohort
from twin.population.means.met import met
from twin.population.means.movable import SAME, TRIED, movable

STEP = 1e-4
"""Displacement of a number for the slope of a mean."""

ELSEWHERE = 0.3
"""How far from the start slopes of means are looked at again."""

STRAIGHT = 1e-6
"""What slopes may differ by there and be the same."""


class Means:
    """The means mu of a cohort.

    Attributes:
        moved: places in the vector of what moves means.
        apart: of typical values and coefficients that move predictions.
        straight: whether mu is linear in all of them.
        parts: which columns are of eta, of each kappa and of each step of a drift (`Cohort`).
        active: (N, D) effects that the data of a patient have met (`twin.population.means.met`).
    """

    def __init__(self, cohort: Cohort) -> None:
        self._cohort, theta = cohort, cohort.theta
        model, d = cohort.kernel.model, cohort.effects
        self._direct = cohort.directions[:, :d].copy()
        places = [at for at, element in enumerate(theta.elements) if element.kind == "place"]
        self.parts, self.active = cohort.parts, met(cohort)
        self.sites = 0 if cohort.site is None else int(cohort.site.max()) + 1
        self._covariates = np.array([subject.timeline.covariates[-1] for subject in cohort.subjects])
        owners: dict[int, list[ParameterSpec]] = {}
        for at in places:
            i = theta.elements[at].i
            typical = i < len(model.parameters) and not self._direct[at].any()
            if typical and (found := self._owners(model.parameters[i])):
                owners[at] = found
        self._columns = sorted({(model.eta_names.index(p.name), p.name) for some in owners.values() for p in some})
        self.moved = tuple(at for at in places if self._direct[at].any() or at in owners)
        self.apart = tuple(at for at in places if at not in self.moved)
        self.straight = False
        start = theta.pack(theta.start)
        self._slopes = self._differences(start, places)
        there = self._differences(start + ELSEWHERE, places)
        if np.abs(there - self._slopes).max(initial=0.0) <= STRAIGHT:
            self._places = np.array(places, dtype=np.int64)
            self._base = self.at(start) - self._slopes @ start[self._places]
            self.straight = True

    def at(self, vector: Floats) -> Floats:
        """mu (N, D) of a vector (K,), but for what does not move."""
        if self.straight:
            return np.asarray(self._base + self._slopes @ vector[self._places])
        found = np.repeat((vector @ self._direct)[None], len(self._cohort), axis=0)
        if self._columns:
            place = self._cohort.theta.unpack(vector).place[: len(self._cohort.kernel.model.parameters)]
            phi = np.repeat(place[None], len(found), axis=0)
            for column, name in self._columns:
                found[:, column] = self._psi(phi, name)
        return found

    def design(self, vector: Floats) -> Floats:
        """(N, D, J) slopes of mu by the numbers that are `moved`."""
        if self.straight:
            return np.asarray(self._slopes[:, :, np.searchsorted(self._places, self.moved)])
        return self._differences(vector, self.moved)

    def _differences(self, vector: Floats, numbers: Sequence[int]) -> Floats:
        slopes = np.empty((*self.active.shape, len(numbers)))
        for n, at in enumerate(numbers):
            step = np.zeros(len(vector))
            step[at] = STEP
            slopes[:, :, n] = (self.at(vector + step) - self.at(vector - step)) / (2.0 * STEP)
        return slopes

    def held(self, eta: Floats, before: Floats, after: Floats) -> Floats:
        """Effects (N, S, D) of individuals that stay while a vector moves."""
        return np.asarray(eta + (self.at(before) - self.at(after))[:, None])

    def _owners(self, coefficient: ParameterSpec) -> list[ParameterSpec]:
        """The parameters that a coefficient moves as their effects do; none where it does anything else."""
        model = self._cohort.kernel.model
        names = movable(model).get(coefficient.name, ())
        found = [p for p in model.parameters if p.name in names]
        return found if all(self._stays(p) and self._adds_up(p, coefficient.name) for p in found) else []

    def _stays(self, owner: ParameterSpec) -> bool:
        """Whether the covariates of a parameter change in nobody."""
        assert owner.expression is not None
        covariates = [c.name for c in self._cohort.kernel.model.covariates]
        columns = [covariates.index(one) for one in names_in(owner.expression) if one in covariates]
        rows = [subject.timeline.covariates[:, columns] for subject in self._cohort.subjects]
        return all((one == one[-1]).all() for one in rows)

    def _adds_up(self, owner: ParameterSpec, coefficient: str) -> bool:
        """Whether an effect moves the individual value, on its scale, by itself, wherever the numbers are."""
        cohort, names = self._cohort, [p.name for p in self._cohort.kernel.model.parameters]
        phi = np.repeat(cohort.theta.start.place[None, : len(names)], len(cohort), axis=0)
        for move in TRIED:
            phi[:, names.index(coefficient)] += 0.1 * move
            here = self._psi(phi, owner.name)
            moved = phi.copy()
            moved[:, names.index(owner.name)] += move
            there = self._psi(moved, owner.name)
            if not (np.abs(there - here - move) <= SAME).all():
                return False
        return True

    def _psi(self, phi: Floats, name: str) -> Floats:
        """(N,) of a parameter, covariate effects in it, on its scale; placed parameters are ``phi`` (N, P)."""
        model = self._cohort.kernel.model
        value = self._cohort.individuals(phi, self._covariates)[:, model.individual_names.index(name)]
        scale = scale_of(next(p for p in model.parameters if p.name == name))
        with np.errstate(invalid="ignore", divide="ignore"):
            if scale == "log":
                return np.asarray(np.log(value))
            return np.asarray(np.log(value / (1.0 - value))) if scale == "logit" else value
