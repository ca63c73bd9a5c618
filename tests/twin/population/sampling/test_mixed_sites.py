"""Chains of patients in sites who are of classes that nobody sees have the law that a sum over all classes has."""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special, stats

from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.mixture.clinics import LAW, level_values, levels_in_clinics
from tests.twin.population.mixture.mixtures import own_levels
from tests.twin.population.sites.clinics import SITES, grouped
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.climbing import by_modes
from twin.population.importance.density import Density
from twin.population.laplace.methods import usual_objective
from twin.population.means.means import Means
from twin.population.results.classified import renamed
from twin.population.sampling.blocks import FREEDOM, WIDE
from twin.population.sampling.chains import Chains, believed
from twin.population.sampling.classes import begun
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.site_effects import SiteEffects
from twin.population.sampling.target import Target
from twin.population.values import Population

CLINICS = (1, 2, 1, 0, 2, 1, 2)
"""Of each patient; one is alone."""

OWN_ISV = np.array([[0.5, 0.2], [0.2, 0.4]])


class Law(NamedTuple):
    """Of levels in two classes: their centres and variances among patients (2,), how they hang on b (2, q), the
    covariance (q, q) of that between sites, and shares (2,)."""

    centres: Floats
    iiv: Floats
    above: Floats
    isv: Floats
    shares: Floats


SHARED = Law(np.array([2.0, 5.0]), np.full(2, 0.8), np.ones((2, 1)), np.array([[LAW.isv]]), np.array(LAW.shares))

OWN = Law(np.array([2.0, 5.0]), np.array([0.4, 0.8]), np.eye(2), OWN_ISV, np.array(LAW.shares))


@functools.cache
def own_levels_in_clinics() -> Model:
    """`own_levels`, whose means differ, and correlate, between sites."""
    text = own_levels().text.replace("iiv = 0.4\n", "iiv = 0.4\nisv = 0.5\n")
    text = text.replace("iiv = 0.8\n", "iiv = 0.8\nisv = 0.4\n")
    text += (
        '[[correlations]]\nbetween = ["low", "high"]\nlevel = "isv"\ncovariance = 0.2\nsource = "made up for a test"\n'
    )
    return parse_model(text + SITES, "made.toml")


def of_levels(
    model: Model, values: list[list[float]], clinics: tuple[int, ...], fixed: tuple[str, ...] = ("k",)
) -> Cohort:
    lines = ["ID,TIME,EVID,AMT,DV,SITE"]
    for n, (own, site) in enumerate(zip(values, clinics, strict=True), start=1):
        lines += [f"{n},{t},0,.,{y},{site}" for t, y in enumerate(own)]
    return cohort_of(model, lines, fixed=fixed)


class Known(NamedTuple):
    """Of a site and each of A ways to be of classes (A, n): its log density, and the mean (A, q) and covariance
    (A, q, q) of b."""

    ways: Floats
    log: Floats
    mean: Floats
    covariance: Floats


def by_ways(values: list[list[float]], law: Law) -> Known:
    """Of a site whose patients have these levels: their means are normal, given who is of which class."""
    y, error = np.array([np.mean(one) for one in values]), LAW.sd**2 / np.array([len(one) for one in values])
    ways = np.array(list(itertools.product((0, 1), repeat=len(y))))
    above, away = law.above[ways], y - law.centres[ways]
    gain = above @ law.isv
    covariance = gain @ above.swapaxes(1, 2) + np.eye(len(y)) * (law.iiv[ways] + error)[:, None]
    inverse = np.linalg.inv(covariance)
    log = -0.5 * (np.einsum("ai,aij,aj->a", away, inverse, away) + np.linalg.slogdet(covariance)[1])
    back = gain.swapaxes(1, 2) @ inverse
    of_b = np.einsum("aqi,ai->aq", back, away)
    return Known(ways, log + np.log(law.shares)[ways].sum(axis=1), of_b, law.isv - back @ gain)


def test_an_effect_that_a_class_does_not_read_tells_nothing_of_its_site() -> None:
    values = level_values(CLINICS)
    cohort = of_levels(own_levels_in_clinics(), values, CLINICS)
    assert cohort.site is not None
    means, population = Means(cohort), Population.of(own_levels_in_clinics())
    rng, of = np.random.default_rng(1), np.array([0, 1, 1, 0, 0, 1, 0])
    psi = np.where(means.active, rng.normal(0.0, 1.0, means.active.shape), 1e3)
    here = np.arange(2)[None, :] == of[:, None]
    psi[~here.reshape(-1)] = -1e3
    chains = np.repeat(psi[:, None], 20_000, axis=1)
    everywhere = np.repeat(here.reshape(-1, 1), 20_000, axis=1)
    drawn = SiteEffects(cohort, cohort.site, means.active, 1).drawn(chains, population, everywhere)
    squares = []
    for who in grouped(CLINICS):
        own = psi.reshape(-1, 2, 2)[who, of[who], of[who]]
        above = np.eye(2)[of[who]]
        among = above @ OWN_ISV @ above.T + np.diag(np.diag(population.omega)[of[who]])
        gain = OWN_ISV @ above.T @ np.linalg.inv(among)
        found, covariance = drawn.b[cohort.site[who[0]]], OWN_ISV - gain @ above @ OWN_ISV
        np.testing.assert_allclose(found.mean(axis=0), gain @ own, atol=0.02)
        np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.01)
        squares.append(covariance + np.outer(gain @ own, gain @ own))
        for member in (2 * who[-1], 2 * who[-1] + 1):
            np.testing.assert_array_equal(drawn.centres[member], found)
    np.testing.assert_allclose(drawn.square, np.mean(squares, axis=0), rtol=1e-9)


def swept(cohort: Cohort, sweeps: int) -> tuple[Floats, Floats, Floats]:
    """Of each sweep: shares of visits by class (sweeps, n, K), effects of sites (sweeps, S, C, q), and what is expected
    of their squares (sweeps, q, q)."""
    vector, means, objective = cohort.theta.pack(cohort.theta.start), Means(cohort), usual_objective(cohort)
    known, classes = believed(objective, means, vector), begun(objective, vector, 4)
    assert classes is not None
    assert cohort.site is not None
    chains = Chains(cohort, means, np.repeat(known.eta[:, None], 4, axis=1), 4, 3, classes)
    sites, density = SiteEffects(cohort, cohort.site, means.active, 1), Density(cohort)
    population, found = cohort.theta.unpack(vector), list[tuple[Floats, Floats, Floats]]()
    for _ in range(sweeps):
        about = sites.drawn(chains.eta, population, chains.here)
        target = Target(density, vector, about.centres)
        chains.draw_unmet(target)
        share = chains.sweep(target, known).share.sum(axis=1)
        found.append((share.reshape(-1, cohort.classes), about.b, about.square))
    shares, b, square = (np.array(each) for each in zip(*found, strict=True))
    return shares, b, square


@pytest.mark.parametrize(("model", "law"), [(levels_in_clinics, SHARED), (own_levels_in_clinics, OWN)])
def test_classes_and_effects_of_sites_have_the_law_of_all_ways_to_be_of_classes(model: object, law: Law) -> None:
    values = level_values(CLINICS)
    cohort = of_levels(model(), values, CLINICS)  # type: ignore[operator]
    assert cohort.site is not None
    shares, b, square = swept(cohort, 1200)
    expected = []
    for who in grouped(CLINICS):
        known = by_ways([values[i] for i in who], law)
        weight = special.softmax(known.log)
        second = weight @ known.ways
        np.testing.assert_allclose(shares[:, who, 1].mean(axis=0), second, atol=0.025)
        assert len(who) == 1 or (np.minimum(second, 1.0 - second) > 0.1).any()
        mean = weight @ known.mean
        apart = known.mean - mean
        covariance = np.einsum("a,aqr->qr", weight, known.covariance + apart[:, :, None] * apart[:, None])
        found = b[:, cohort.site[who[0]]].reshape(-1, len(mean))
        np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.06)
        np.testing.assert_allclose(np.cov(found.T).reshape(covariance.shape), covariance, atol=0.06)
        expected.append(covariance + np.outer(mean, mean))
    np.testing.assert_allclose(square.mean(axis=0), np.mean(expected, axis=0), atol=0.04)


PAIRS = (1, 1, 2, 2, 3, 3, 4, 4)


def test_the_posterior_is_that_of_all_ways_to_be_of_classes() -> None:
    values = level_values(PAIRS, seed=6)
    fixed = ("k", "shift", "error.plasma.additive", "low", "high", "omega.shift")
    cohort = of_levels(levels_in_clinics(), values, PAIRS, fixed)
    density, start = Density(cohort), cohort.theta.pack(cohort.theta.start)
    found = sampled(density, start, warm=200, kept=1500, most=1500)
    assert set(found.names) == {"share.slow", "isv.shift"}
    reference = usual_objective(cohort)(by_modes(density, start)[0]).posterior
    assert reference is not None
    sd = np.geomspace(1e-3, 60.0, 300)
    prior = (1.0 + sd**2 / (FREEDOM * WIDE**2 * LAW.isv)) ** (-0.5 * (FREEDOM + 1.0)) * np.gradient(sd)
    even = [SHARED._replace(isv=np.array([[one**2]]), shares=np.ones(2)) for one in sd]
    tables = [np.array([by_ways([values[i] for i in who], law).log for law in even]) for who in grouped(PAIRS)]
    share, of_sd, below = np.linspace(0.0, 1.0, 41), np.zeros(len(sd)), np.zeros(41)
    for way in itertools.product((0, 1), repeat=len(values)):
        each = np.eye(2)[list(way)]
        if not each.any(axis=0).all() or renamed(reference, each):
            continue
        size = each.sum(axis=0)
        pairs = [2 * way[who[0]] + way[who[1]] for who in grouped(PAIRS)]
        log = sum(table[:, pair] for table, pair in zip(tables, pairs, strict=True))
        weight = prior * np.exp(log + special.betaln(1.0 + size[0], 1.0 + size[1]))
        of_sd += weight
        below += weight.sum() * stats.beta(1.0 + size[0], 1.0 + size[1]).cdf(share)
    law = {"share.slow": (share, below / of_sd.sum()), "isv.shift": (sd**2, np.cumsum(of_sd) / of_sd.sum())}
    draws = dict(zip(found.names, found.draws.reshape(-1, 2).T, strict=True))
    effective = dict(zip(found.names, found.effective.tolist(), strict=True))
    for name, (points, exact) in law.items():
        said = np.searchsorted(np.sort(draws[name]), points) / len(draws[name])
        assert effective[name] > 100, name
        assert np.abs(said - exact).max() < 1.36 / np.sqrt(effective[name]), name
