"""Weighted particles: the prior is the population, storage is exact, chance is keyed by what it is for."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin import toys
from twin.arrays import storable
from twin.filter.belief import Belief, effective_size, normalised, prior
from twin.modelfile.library import load_model
from twin.resting_arrays import rest
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


def test_a_model_without_random_effects_has_one_patient() -> None:
    sure = toys.BOLUS.replace("iiv = 0.16\n", "").replace("iiv = 0.09\n", "")
    model = toys.parse_model(sure, "toy.toml")
    belief = prior(model, 7, "P-1")
    assert belief.eta.shape == (7, 0)
    assert law(model).log_density(belief.eta).tolist() == [0.0] * 7


def test_a_belief_that_rests_comes_back_to_the_last_bit() -> None:
    first = prior(SIX_MP, 50, "P-1")
    weighed = replace(first, log_weight=storable(first.log_weight - 0.5), observations=1)
    eta = first.eta.copy()
    rest([first, weighed])
    held = [vars(belief) for belief in (first, weighed)]
    assert not any("eta" in each or "log_weight" in each for each in held)
    assert held[0]["_packed"]["eta"] is held[1]["_packed"]["eta"], "what they share is kept once"
    assert len(held[0]["_packed"]["eta"].packed) < eta.nbytes / 2
    rest([first])
    for belief in (pickle.loads(pickle.dumps(first)), weighed, replace(first, observations=2), first):
        assert np.array_equal(belief.eta, eta)
        assert belief.eta.dtype == np.float64
        assert belief.eta is belief.eta


def test_a_belief_has_nothing_but_what_it_says() -> None:
    belief = prior(SIX_MP, 5, "P-1")
    rest([belief])
    with pytest.raises(AttributeError, match="theta"):
        _ = belief.theta  # type: ignore[attr-defined]
