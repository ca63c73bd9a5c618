"""Weighted particles: the prior is the population, storage is exact, chance is keyed by what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.twin import toys
from twin.arrays import storable
from twin.filter.belief import Belief, effective_size, normalised, prior
from twin.filter.quantiles import QUANTILES, quantiles
from twin.modelfile.library import load_model
from twin.randomness import generator
from twin.solver.effects import law

SIX_MP = load_model("mercaptopurine_jost2020")
finite = st.floats(-700, 700)


def test_the_prior_is_the_population_with_its_correlations() -> None:
    belief = prior(SIX_MP, 40_000, "a ward")
    assert belief.eta.shape == (40_000, 4)
    np.testing.assert_allclose(np.cov(belief.eta.T), SIX_MP.omega, atol=0.02 * SIX_MP.omega.max())
    np.testing.assert_allclose(belief.eta.mean(axis=0), 0.0, atol=0.02 * np.sqrt(SIX_MP.omega.max()))
    assert belief.weight.sum() == pytest.approx(1.0)
    assert belief.ess == pytest.approx(40_000)
    assert (belief.log_evidence, belief.observations) == (0.0, 0)


def test_the_prior_of_a_patient_is_always_the_same_and_of_another_is_another() -> None:
    assert np.array_equal(prior(SIX_MP, 50, "P-1").eta, prior(SIX_MP, 50, "P-1").eta)
    assert not np.isclose(prior(SIX_MP, 50, "P-1").eta, prior(SIX_MP, 50, "P-2").eta).any()


def test_chance_is_keyed_by_every_part_of_its_purpose() -> None:
    same = generator("P-1", "event", "move", 1).random(4)
    assert np.array_equal(same, generator("P-1", "event", "move", 1).random(4))
    for other in [("P-1", "event", "move", 2), ("P-1", "eventm", "ove", 1), ("P-1event", "move", 1)]:
        assert not np.array_equal(same, generator(*other).random(4))


def test_particles_are_stored_as_they_are_computed_with() -> None:
    eta = prior(SIX_MP, 100, "P-1").eta
    assert np.array_equal(eta.astype(np.float32).astype(np.float64), eta)
    assert np.array_equal(storable(eta), eta)


@given(st.lists(finite, min_size=1, max_size=30))
def test_normalised_weights_sum_to_one_and_keep_their_ratios(raw: list[float]) -> None:
    log_weight = np.array(raw)
    scaled, total = normalised(log_weight)
    assert np.exp(scaled).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(scaled + total, log_weight, atol=1e-9)
    assert total == pytest.approx(float(np.logaddexp.reduce(log_weight)), abs=1e-9)


def test_when_no_particle_is_possible_all_weigh_the_same() -> None:
    scaled, total = normalised(np.full(4, -np.inf))
    assert np.exp(scaled) == pytest.approx([0.25] * 4)
    assert total == -np.inf


@given(st.lists(finite, min_size=1, max_size=30))
def test_effective_size_lies_between_one_and_the_number_of_particles(raw: list[float]) -> None:
    ess = effective_size(normalised(np.array(raw))[0])
    assert 1.0 - 1e-9 <= ess <= len(raw) + 1e-9


def test_effective_size_of_a_few_equal_particles_is_their_number() -> None:
    log_weight = np.log([0.25, 0.25, 0.25, 0.25, 1e-300])
    assert effective_size(log_weight) == pytest.approx(4.0)
    assert Belief(np.zeros((5, 1)), log_weight).ess == pytest.approx(4.0)


# --- quantiles -------------------------------------------------------------------------------------------------------


def test_quantiles_of_a_large_sample_are_those_of_its_distribution() -> None:
    values = generator("quantiles").standard_normal(100_000)
    found = quantiles(values, np.full(100_000, 1e-5))
    np.testing.assert_allclose(found, stats.norm.ppf(QUANTILES), atol=0.02)


def test_weights_shift_quantiles_as_importance_sampling_does() -> None:
    values = generator("weighted").standard_normal(200_000)
    weight = np.exp(values - 0.5)  # a normal around 1
    np.testing.assert_allclose(quantiles(values, weight / weight.sum()), 1 + stats.norm.ppf(QUANTILES), atol=0.04)


samples = st.lists(
    st.tuples(st.integers(-1000, 1000), st.floats(1e-3, 1.0)), min_size=1, max_size=25, unique_by=lambda s: s[0]
)


@given(samples, st.randoms(use_true_random=False))
def test_quantiles_are_ordered_within_the_sample_and_blind_to_its_order(
    sample: list[tuple[int, float]], random: object
) -> None:
    values, weight = (np.array(column, dtype=np.float64) for column in zip(*sample, strict=True))
    weight = weight / weight.sum()
    found = quantiles(values, weight)
    assert (np.diff(found) >= 0).all()
    assert values.min() <= found[0]
    assert found[-1] <= values.max()
    order = np.array(random.sample(range(len(values)), len(values)))  # type: ignore[attr-defined]
    np.testing.assert_allclose(quantiles(values[order], weight[order]), found, rtol=1e-9, atol=1e-6)


def test_a_particle_that_overflowed_is_left_out() -> None:
    values, weight = np.array([1.0, np.nan, 2.0, np.inf, 3.0]), np.full(5, 0.2)
    assert np.array_equal(quantiles(values, weight), quantiles(np.array([1.0, 2.0, 3.0]), np.full(3, 1 / 3)))
    assert quantiles(np.full(3, np.nan), np.full(3, 1 / 3)).tolist() == [0.0] * 5


def test_a_model_without_random_effects_has_one_patient() -> None:
    sure = toys.BOLUS.replace("iiv = 0.16\n", "").replace("iiv = 0.09\n", "")
    model = toys.parse_model(sure, "toy.toml")
    belief = prior(model, 7, "P-1")
    assert belief.eta.shape == (7, 0)
    assert law(model).log_density(belief.eta).tolist() == [0.0] * 7
