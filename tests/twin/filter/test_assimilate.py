"""Bayes' rule by particles: held against posteriors that are known in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin import toys
from twin.arrays import Floats, storable
from twin.filter.assimilate import DRAWN_AT_MOST, ESS_FLOOR, Diagnostics, assimilate
from twin.filter.belief import Belief, prior
from twin.filter.modes.peaks import Peaks
from twin.filter.stage import Weighed
from twin.model.spec import Model
from twin.randomness import even_normals, generator
from twin.solver.effects import Law, law
from twin.timeline.segments import Layout

MODEL = toys.bolus()  # two random effects, variances 0.16 and 0.09: all that Bayes' rule needs of a model
NOISE = 0.1
Likelihood = Callable[[Floats], Floats]


def reading(direction: Sequence[float], value: float, noise: float = NOISE) -> Likelihood:
    """log N(value; direction . eta, noise^2): a measurement whose posterior is normal."""

    def log_likelihood(eta: Floats) -> Floats:
        return np.asarray(stats.norm.logpdf(value, eta @ np.array(direction), noise))

    return log_likelihood


def learn(
    measurements: Sequence[Likelihood], patient: str, size: int = 1000, model: Model = MODEL
) -> tuple[Belief, list[Diagnostics], Weighed]:
    """The belief after all measurements, assimilated one at a time."""
    return learned(law(model), prior(model, size, patient), measurements, patient)


def learned(
    prior_law: Law, belief: Belief, measurements: Sequence[Likelihood], patient: str
) -> tuple[Belief, list[Diagnostics], Weighed]:
    """The belief after all measurements, what each took, and its particles' likelihoods."""
    found, size = [], len(belief.eta)
    weighed = Weighed(belief.eta, np.zeros(size), np.zeros(size))
    for count in range(1, len(measurements) + 1):
        seen = measurements[:count]

        def weigher(eta: Floats, seen: Sequence[Likelihood] = seen) -> Weighed:
            past = sum((likelihood(eta) for likelihood in seen[:-1]), np.zeros(len(eta)))
            return Weighed(eta, past, seen[-1](eta))

        weighed, key = weigher(belief.eta), (patient, f"event {count}")
        belief, weighed, took = assimilate(prior_law, belief, weighed, weigher, key)
        found.append(took)
    return belief, found, weighed


def conjugate(
    directions: Sequence[Sequence[float]], values: Sequence[float], noise: float = NOISE
) -> tuple[Floats, Floats, float]:
    """Mean (2,), covariance (2, 2) and log evidence of the normal posterior."""
    h, y = np.array(directions), np.array(values)
    covariance = np.linalg.inv(np.linalg.inv(MODEL.omega) + h.T @ h / noise**2)
    mean = covariance @ h.T @ y / noise**2
    marginal = stats.multivariate_normal(np.zeros(len(y)), h @ MODEL.omega @ h.T + noise**2 * np.eye(len(y)))
    return mean, covariance, float(marginal.logpdf(y))


def moments(belief: Belief) -> tuple[Floats, Floats]:
    mean = belief.weight @ belief.eta
    apart = belief.eta - mean
    return mean, (apart * belief.weight[:, None]).T @ apart


DIRECTIONS = [(1.0, 0.0), (0.6, -0.8), (1.0, 1.0), (0.2, 0.5), (1.0, 0.0)]
VALUES = [0.5, -0.1, 0.9, 0.35, 0.4]


@pytest.mark.slow
def test_a_normal_posterior_is_found_without_bias() -> None:
    mean, covariance, log_evidence = conjugate(DIRECTIONS, VALUES)
    sd = np.sqrt(np.diag(covariance))
    measurements = [reading(d, v) for d, v in zip(DIRECTIONS, VALUES, strict=True)]
    runs = [learn(measurements, f"P-{seed}")[0] for seed in range(12)]
    means, covariances = (np.array(column) for column in zip(*map(moments, runs), strict=True))
    bias = (means.mean(axis=0) - mean) / sd
    np.testing.assert_allclose(bias, 0.0, atol=0.05)
    np.testing.assert_allclose(np.sqrt([np.diag(c) for c in covariances]).mean(axis=0) / sd, 1.0, atol=0.05)
    correlation = covariance[0, 1] / np.prod(sd)
    found = covariances.mean(axis=0)
    assert found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]) == pytest.approx(correlation, abs=0.06)
    evidence = np.array([run.log_evidence for run in runs])
    assert np.log(np.exp(evidence - log_evidence).mean()) == pytest.approx(0.0, abs=0.08)
    assert np.abs(evidence - log_evidence).max() < 0.5
    assert all(run.observations == 5 for run in runs)


@pytest.mark.parametrize("peaks", [1, 2])
def test_where_the_cloud_is_thin_it_is_drawn_anew_only_if_there_are_several_peaks(peaks: int) -> None:
    """A datum that speaks sharply to one patient in thirty alone, and leaves next to none of those."""
    before = prior(MODEL, 1000, "thin")
    high = float(np.quantile(before.eta[:, 0], 0.97))

    def weigher(eta: Floats) -> Weighed:
        sharp = stats.norm.logpdf(eta[:, 1], 0.1, 1e-3) - stats.norm.logpdf(0.0, 0.0, 1e-3)
        return Weighed(eta, np.zeros(len(eta)), np.where(eta[:, 0] > high, sharp, 0.0))

    looked: list[int] = []

    def seek(eta: Floats, *_: object) -> Peaks:
        looked.append(len(eta))
        centre = np.array([[0.0, 0.0], [high, 0.1]])[:peaks]
        return Peaks(centre, np.repeat(np.linalg.cholesky(MODEL.omega)[None], peaks, axis=0), np.full(peaks, 1 / peaks))

    after, _, took = assimilate(law(MODEL), before, weigher(before.eta), weigher, ("thin",), seek)
    assert looked == [1000]
    assert took.ess_before > 0.9 * 1000
    assert took.stages == peaks - 1
    assert (after.eta is before.eta) == (peaks == 1)


@pytest.mark.slow
def test_twelve_effects_are_found_as_two_are() -> None:
    """As many as an anticancer drug with its metabolite has; each of ten values tells of some of them."""
    rng = np.random.default_rng(12)
    directions = rng.standard_normal((10, 12)) * (rng.random((10, 12)) < 0.5)
    values = directions @ (0.4 * rng.standard_normal(12)) + 0.2 * rng.standard_normal(10)
    prior_law = Law(0.4 * np.eye(12), 12)
    covariance = np.linalg.inv(np.eye(12) / 0.4**2 + directions.T @ directions / 0.2**2)
    mean, sd = covariance @ directions.T @ values / 0.2**2, np.sqrt(np.diag(covariance))
    measurements = [reading(d, v, noise=0.2) for d, v in zip(directions, values, strict=True)]
    for patient in ("P-1", "P-2", "P-3"):
        eta = storable(0.4 * even_normals(generator(patient, "prior"), 1000, 12))
        belief, _, _ = learned(prior_law, Belief(eta, np.full(1000, -np.log(1000))), measurements, patient)
        found, spread = moments(belief)
        np.testing.assert_allclose((found - mean) / sd, 0.0, atol=0.15)
        np.testing.assert_allclose(np.sqrt(np.diag(spread)) / sd, 1.0, atol=0.15)


def test_a_datum_that_tells_little_only_weighs() -> None:
    before = prior(MODEL, 500, "P-1")
    after, (took,), _ = learn([reading((1.0, 0.0), 0.1, noise=1.0)], "P-1", size=500)
    assert after.eta is not before.eta
    assert np.array_equal(after.eta, before.eta)
    assert (took.stages, took.draws, took.sweeps, took.moved) == (0, 0, 0, 0.0)
    assert ESS_FLOOR * 500 <= took.ess_before == pytest.approx(after.ess)
    mean, _, log_evidence = conjugate([(1.0, 0.0)], [0.1], noise=1.0)
    assert moments(after)[0] == pytest.approx(mean, abs=0.06)
    assert after.log_evidence == pytest.approx(log_evidence, abs=0.02)


def test_a_surprising_datum_is_taken_in_by_steps() -> None:
    """Five prior standard deviations off, fifty of its own: no particle of the prior is anywhere near."""
    surprise = [reading((1.0, 0.0), 2.0, noise=0.04)]
    mean, covariance, log_evidence = conjugate([(1.0, 0.0)], [2.0], noise=0.04)
    belief, (took,), _ = learn(surprise, "P-1")
    found, spread = moments(belief)
    assert took.ess_before < 5
    assert took.draws >= took.stages >= 3
    np.testing.assert_allclose((found - mean) / np.sqrt(np.diag(covariance)), 0.0, atol=0.15)
    np.testing.assert_allclose(np.sqrt(np.diag(spread) / np.diag(covariance)), 1.0, atol=0.15)
    assert belief.log_evidence == pytest.approx(log_evidence, abs=0.5)


def test_of_two_explanations_both_are_kept() -> None:
    def either(eta: Floats) -> Floats:
        return np.asarray(stats.norm.logpdf(0.25, eta[:, 0] ** 2, 0.03))

    shares, spreads = [], []
    for seed in range(6):
        belief, _, _ = learn([either, either], f"P-{seed}")
        right = belief.eta[:, 0] > 0
        shares.append(belief.weight[right].sum())
        spreads.append(np.sqrt(belief.weight @ (np.abs(belief.eta[:, 0]) - 0.5) ** 2))
    assert np.mean(shares) == pytest.approx(0.5, abs=0.08)
    assert all(0.3 < share < 0.7 for share in shares)
    grid = np.linspace(0.2, 0.9, 4001)
    density = np.exp(2 * stats.norm.logpdf(0.25, grid**2, 0.03) - 0.5 * grid**2 / 0.16)
    known = np.sqrt(np.average((grid - 0.5) ** 2, weights=density))
    assert np.mean(spreads) == pytest.approx(known, rel=0.1)


@pytest.mark.slow
def test_where_no_mixture_follows_the_posterior_particles_are_moved() -> None:
    """A ring, 0.4 across and 0.003 thick: in no way a few round clouds."""

    def ring(eta: Floats) -> Floats:
        return np.asarray(stats.norm.logpdf(0.2, np.hypot(eta[:, 0], eta[:, 1] + 0.1), 0.0015))

    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    on_it = 0.2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) - [0.0, 0.1]
    density = np.exp(-0.5 * (on_it**2 / np.diag(MODEL.omega)).sum(axis=1))
    known = np.average(on_it, axis=0, weights=density)
    sd = np.sqrt(np.average((on_it - known) ** 2, axis=0, weights=density))
    for seed in range(3):
        belief, (took,), _ = learn([ring], f"P-{seed}")
        assert took.moved > 1.0
        found, spread = moments(belief)
        np.testing.assert_allclose((found - known) / sd, 0.0, atol=0.15)
        np.testing.assert_allclose(np.sqrt(np.diag(spread)) / sd, 1.0, atol=0.15)
        assert len(np.unique(belief.eta, axis=0)) > 0.9 * len(belief.eta)


def test_evidence_is_that_of_all_data_however_often_the_cloud_was_renewed() -> None:
    measurements = [reading(d, v, noise=0.03) for d, v in zip(DIRECTIONS, VALUES, strict=True)]
    log_evidence = conjugate(DIRECTIONS, VALUES, noise=0.03)[2]
    for seed in range(5):
        belief, took, _ = learn(measurements, f"P-{seed}")
        assert sum(one.draws for one in took) >= 2
        assert belief.log_evidence == pytest.approx(log_evidence, abs=0.05)


def test_likelihoods_come_back_with_the_particles_they_belong_to() -> None:
    measurements = [reading(d, v) for d, v in zip(DIRECTIONS, VALUES, strict=True)]
    belief, _, weighed = learn(measurements, "P-1", size=200)
    assert np.array_equal(weighed.eta, belief.eta)
    np.testing.assert_allclose(weighed.past, sum(m(belief.eta) for m in measurements[:-1]), rtol=1e-12)
    np.testing.assert_allclose(weighed.last, measurements[-1](belief.eta), rtol=1e-12)


def test_the_same_key_gives_the_same_particles_and_another_gives_others() -> None:
    measurements = [reading((1.0, 0.0), 1.2)]
    first, again, other = (learn(measurements, patient, size=100)[0] for patient in ("P-1", "P-1", "P-2"))
    assert np.array_equal(first.eta, again.eta)
    assert np.array_equal(first.log_weight, again.log_weight)
    assert not np.isin(first.eta, other.eta).any()


def test_new_particles_are_distinct_and_storable() -> None:
    belief, (took,), _ = learn([reading((1.0, 0.0), 1.2, noise=0.05)], "P-1")
    assert took.stages > 0
    assert len(np.unique(belief.eta, axis=0)) > 0.8 * len(belief.eta)
    assert np.array_equal(belief.eta.astype(np.float32), belief.eta)


def test_what_went_in_is_left_as_it_was() -> None:
    belief = prior(MODEL, 100, "P-1")
    last = reading((1.0, 0.0), 1.5)
    weighed = Weighed(belief.eta, np.zeros(100), last(belief.eta))
    copies = [array.copy() for array in (belief.eta, belief.log_weight, weighed.past, weighed.last)]
    assimilate(law(MODEL), belief, weighed, lambda eta: Weighed(eta, np.zeros(len(eta)), last(eta)), ("P-1", "e"))
    for array, copy in zip((belief.eta, belief.log_weight, weighed.past, weighed.last), copies, strict=True):
        assert np.array_equal(array, copy)


@pytest.mark.filterwarnings("error")
def test_particles_without_a_solution_are_given_up() -> None:
    def half_broken(eta: Floats) -> Floats:
        return np.where(eta[:, 1] > 0, -1e30, reading((1.0, 0.0), 0.6)(eta))

    belief, _, _ = learn([half_broken], "P-1", size=400)
    assert belief.weight[belief.eta[:, 1] > 0].sum() == 0.0
    assert np.isfinite(belief.log_evidence)


# --- more effects than a mixture follows -----------------------------------------------------------------------------


STEPS, SPREAD = 10, 0.1


def test_the_many_steps_of_a_drift_are_moved_to_their_normal_posterior() -> None:
    """A level that is eta and the sum of its increments so far, measured at every second step."""
    model = toys.restless()
    layout = Layout(None, (), tuple(range(STEPS)))
    prior_law = law(model, layout)
    assert prior_law.size > DRAWN_AT_MOST
    size, deviations, ratios = 1000, [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        belief = Belief(storable(rng.standard_normal((size, prior_law.size)) @ prior_law.factor.T), np.zeros(size))
        belief = replace(belief, log_weight=np.full(size, -np.log(size)), layout=layout)
        truth = prior_law.factor @ rng.standard_normal(prior_law.size)
        columns = np.arange(prior_law.size)
        directions = [(columns % 4 == 0) & (columns < 4 * step) for step in range(2, STEPS + 2, 2)]
        values = [direction @ truth + SPREAD * rng.standard_normal() for direction in directions]
        moved = 0
        for number in range(1, len(values) + 1):
            seen = list(zip(directions[:number], values, strict=False))

            def weigher(eta: Floats, seen: list[tuple[Floats, float]] = seen) -> Weighed:
                each = [stats.norm.logpdf(value, eta @ direction, SPREAD) for direction, value in seen]
                return Weighed(eta, np.sum(each[:-1], axis=0) + np.zeros(len(eta)), np.asarray(each[-1]))

            belief, _, took = assimilate(prior_law, belief, weigher(belief.eta), weigher, (seed, number))
            moved += took.stages
            assert took.draws == 0
        assert moved > 1
        h = np.array(directions, dtype=np.float64)
        covariance = np.linalg.inv(np.linalg.inv(prior_law.covariance) + h.T @ h / SPREAD**2)
        mean = covariance @ h.T @ np.array(values) / SPREAD**2
        # The level now, at the beginning, and half way.
        for direction in (h[-1], h[0], h[2]):
            level = belief.eta @ direction
            found = belief.weight @ level
            known = np.sqrt(direction @ covariance @ direction)
            deviations.append((found - direction @ mean) / known)
            ratios.append(np.sqrt(belief.weight @ (level - found) ** 2) / known)
    assert np.abs(deviations).max() < 0.3
    assert abs(np.mean(deviations)) < 0.1
    assert np.abs(np.array(ratios) - 1).max() < 0.2


def test_what_a_particle_carries_goes_with_it_and_is_not_moved() -> None:
    model = toys.restless()
    layout = Layout(0, (), (0, 1), -1)
    prior_law = law(model, layout)
    rng = np.random.default_rng(1)
    size = 400
    carried = np.arange(size, dtype=np.float64)[:, None] * np.ones(3)
    eta = storable(np.hstack([rng.standard_normal((size, prior_law.size)) @ prior_law.factor.T, carried]))
    belief = Belief(eta, np.full(size, -np.log(size)), layout=layout)

    def weigher(eta: Floats) -> Weighed:
        return Weighed(eta, np.zeros(len(eta)), stats.norm.logpdf(0.1, eta[:, 0] + 1e-4 * eta[:, -1], 0.02))

    after, weighed, took = assimilate(prior_law, belief, weigher(belief.eta), weigher, ("P-1", "carried"))
    assert took.stages > 0
    assert np.array_equal(after.eta, weighed.eta)
    assert np.isin(after.eta[:, -1], carried).all()
    assert np.array_equal(after.eta[:, -1], after.eta[:, -2])
    assert len(np.unique(after.eta[:, 0])) > 0.7 * size
    np.testing.assert_allclose(weighed.last, weigher(after.eta).last, rtol=1e-12)
