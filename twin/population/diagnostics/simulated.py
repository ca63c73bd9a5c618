"""Values that the population would have given in place of those that were measured.

Of every patient K others are drawn from the population, with the doses, times, covariates and occasions of that
patient, and measured with residual error. Each patient has a stream of random numbers of its own, which depends on its
id and a seed alone: nobody's values change with who else is there.

Values of outputs that were measured together, and replicates of one, have residuals that correlate where the model says
so; a look for an event is taken to have been made whether or not the event had happened. Of a mixture the class of each
is drawn too, and where sites differ the effects that patients of one share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from twin.arrays import Floats, Integers
from twin.observation.kinds import kind_of
from twin.observation.likelihood import output_of
from twin.observation.observation import Observation
from twin.population.cohort import Cohort
from twin.population.joint.drawn import levels_together
from twin.population.laplace.weighed import Values
from twin.population.values import Population
from twin.randomness import generator

LARGEST = 1e100

AT_ONCE = 2_000_000
"""Predictions that are held at once, but for those of a single patient."""


def simulated(cohort: Cohort, population: Population, seed: int, replicates: int) -> Floats:
    """Values (K, T) in place of all T of a cohort, in the outputs' units; NaN where a prediction overflowed, or would
    as soon as it is squared."""
    found = _of_members(cohort, population, seed, replicates)
    found[np.abs(found) > LARGEST] = np.nan
    if cohort.classes == 1:
        return found
    drawn = np.empty((replicates, cohort.values))
    for patient, (begin, places) in enumerate(_patients(cohort)):
        rng = generator(cohort.patients[patient].id, seed, "simulated class")
        of = rng.choice(cohort.classes, replicates, p=population.shares)
        drawn[:, begin : begin + places.shape[1]] = found[np.arange(replicates)[:, None], places[of]]
    return drawn


def averaged(cohort: Cohort, of_members: Floats, shares: Floats) -> Floats:
    """What is expected of each of a cohort's values (T,) whatever the class, of what it is in every class."""
    found = np.empty(cohort.values)
    for begin, places in _patients(cohort):
        found[begin : begin + places.shape[1]] = shares @ of_members[places]
    return found


def _patients(cohort: Cohort) -> Iterator[tuple[int, Integers]]:
    """Of each patient the first of its values among everybody's, and where its n values are in each class (K, n)."""
    for begin in range(0, len(cohort), cohort.classes):
        first = cohort.first[begin : begin + cohort.classes]
        yield int(first[0]) // cohort.classes, first[:, None] + np.arange(cohort.first[begin + 1] - first[0])


def _of_members(cohort: Cohort, population: Population, seed: int, replicates: int) -> Floats:
    values = Values(cohort)
    outputs = [replace(o, error=e) for o, e in zip(cohort.kernel.model.outputs, population.errors, strict=True)]
    covariance = population.prior(cohort.parts)[0]
    factor = np.linalg.cholesky(covariance) if cohort.effects else covariance
    site, of_sites = cohort.site_of_members, _of_sites(cohort, population, seed, replicates)
    found = np.empty((replicates, int(cohort.first[-1])))
    for which in _parts(cohort, replicates):
        rngs = [generator(cohort.subjects[i].key, seed, "simulated values") for i in which]
        z = np.zeros((len(which), replicates, cohort.size))
        for n, rng in enumerate(rngs):
            z[n, :, : cohort.effects] = rng.standard_normal((replicates, cohort.effects)) @ factor.T
            if site is not None:
                z[n, :, : cohort.effects] += of_sites[site[which[n]]]
        rows, offsets = values.rows(which, z, population.place), cohort.offsets(which)
        for n, (i, rng) in enumerate(zip(which.tolist(), rngs, strict=True)):
            observations = cohort.subjects[i].observations
            drawn_alone = rng.random((len(observations), replicates))
            levels = levels_together(observations, population.errors, drawn_alone)
            own = rows[offsets[n] : offsets[n + 1]]
            for number, places in _alike(observations):
                output = output_of(outputs, observations[places[0]])
                read = np.moveaxis(own[places, : len(cohort.kernel.rows[number])], 1, 0).reshape(
                    -1, len(places) * replicates
                )
                drawn = kind_of(output).at_levels(output, read, levels[places].reshape(-1, 1))
                found[:, cohort.first[i] + places] = drawn.reshape(len(places), replicates).T
    return found


def _of_sites(cohort: Cohort, population: Population, seed: int, replicates: int) -> Floats:
    """What each site adds to the effects of its patients, (n, K, D); a site's stream is called by its first patient."""
    if cohort.site is None:
        return np.zeros((0, replicates, cohort.effects))
    factor, first = np.linalg.cholesky(population.omega_isv), np.unique(cohort.site, return_index=True)[1]
    rngs = [generator(cohort.patients[i].id, seed, "simulated site") for i in first]
    drawn = np.array([rng.standard_normal((replicates, len(factor))) for rng in rngs])
    return np.asarray(drawn @ factor.T @ cohort.above.T)


def _parts(cohort: Cohort, replicates: int) -> Iterator[Integers]:
    """Patients that are solved together."""
    part: list[int] = []
    held = 0
    for i, subject in enumerate(cohort.subjects):
        size = max(1, len(subject.marks)) * cohort.kernel.height * replicates
        if part and held + size > AT_ONCE:
            yield np.array(part, dtype=np.int64)
            part, held = [], 0
        part.append(i)
        held += size
    yield np.array(part, dtype=np.int64)


def _alike(observations: tuple[Observation, ...]) -> list[tuple[int, Integers]]:
    """Outputs, each with the places of its values that have its error, and those of others one by one."""
    by_output: dict[int, list[int]] = {}
    alone: list[tuple[int, Integers]] = []
    for place, o in enumerate(observations):
        if o.readings is None:
            by_output.setdefault(o.output, []).append(place)
        else:
            alone.append((o.output, np.array([place], dtype=np.int64)))
    return [(number, np.array(places, dtype=np.int64)) for number, places in by_output.items()] + alone
