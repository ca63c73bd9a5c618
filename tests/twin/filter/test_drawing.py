"""Particles that are kept of more, and copied: without bias, and enough of those that stand for a light peak."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.filter.belief import effective_size
from twin.filter.drawing import KEPT, parts_along, resampled, systematic, thinned
from twin.filter.stage import least_ess
from twin.randomness import generator

shares = st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda w: sum(w) > 1e-6)


@given(shares, st.floats(0, 1, exclude_max=True))
def test_a_particle_is_copied_as_often_as_its_weight_says_up_to_one(raw: list[float], offset: float) -> None:
    weight = np.array(raw) / sum(raw)
    chosen = systematic(weight, len(weight), offset)
    copies = np.bincount(chosen, minlength=len(weight))
    assert copies.sum() == len(weight)
    assert (np.abs(copies - len(weight) * weight) < 1 + 1e-6).all()
    assert (np.diff(chosen) >= 0).all()


@pytest.mark.slow
@given(shares)
def test_over_all_offsets_resampling_has_no_bias(raw: list[float]) -> None:
    weight = np.array(raw) / sum(raw)
    offsets = (np.arange(2000) + 0.5) / 2000
    mean = np.mean(
        [np.bincount(systematic(weight, len(weight), float(u)), minlength=len(weight)) for u in offsets[::10]], axis=0
    )
    np.testing.assert_allclose(mean, len(weight) * weight, atol=0.02)


def test_resampling_a_point_mass_copies_it() -> None:
    assert systematic(np.array([0.0, 1.0, 0.0]), 3, 0.999).tolist() == [1, 1, 1]
    assert effective_size(np.log(np.array([1e-300, 1.0]))) == pytest.approx(1.0)


@given(st.lists(st.floats(1e-6, 1), min_size=12, max_size=40), st.floats(0.001, 0.999))
def test_thinning_keeps_so_many_distinct_particles_with_weights_that_sum_to_one(
    raw: list[float], offset: float
) -> None:
    weight = np.array(raw) / sum(raw)
    kept, log_weight = thinned(np.log(weight), 10, np.arange(len(raw))[:, None] * 1.0, offset)
    assert len(kept) == len(set(kept.tolist())) == 10
    assert np.exp(log_weight).sum() == pytest.approx(1.0)


def test_over_all_offsets_thinning_has_no_bias() -> None:
    rng = np.random.default_rng(1)
    eta = rng.standard_normal((60, 2))
    weight = rng.exponential(size=60)
    weight[7] = 20.0
    weight /= weight.sum()
    means = np.zeros(2)
    offsets = (np.arange(400) + 0.5) / 400
    for offset in offsets:
        kept, log_weight = thinned(np.log(weight), 30, eta, float(offset))
        assert 7 in kept
        means += np.exp(log_weight) @ eta[kept] / len(offsets)
    np.testing.assert_allclose(means, weight @ eta, atol=0.02)


def test_a_particle_that_holds_everything_is_kept_among_others() -> None:
    """A datum that nearly all contradict: the weights of the rest are too small for a number, or nothing at all."""
    log_weight = np.array([-7000.0, 0.0, -np.inf, *np.linspace(-9000.0, -8000.0, 37)])
    kept, weight = thinned(log_weight, 10, np.arange(40)[:, None] * 1.0, 0.7)
    assert len(kept) == len(set(kept.tolist())) == 10
    assert weight[kept.tolist().index(1)] == pytest.approx(0.0)
    assert np.exp(weight).sum() == pytest.approx(1.0)


def test_what_is_not_too_many_is_not_thinned() -> None:
    log_weight = np.log(np.array([0.2, 0.3, 0.5]))
    kept, same = thinned(log_weight, 3, np.zeros((3, 1)), 0.5)
    assert kept.tolist() == [0, 1, 2]
    assert np.array_equal(same, log_weight)


# --- peaks that weigh little -----------------------------------------------------------------------------------------


def two_peaks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws (2000, 2), a third of them in a peak of a hundredth of the weight: log weights and labels."""
    label = (np.arange(2000) % 3 == 0).astype(np.int64)
    eta = generator("two peaks").standard_normal((2000, 2)) + 10.0 * label[:, None]
    weight = generator("weights").exponential(size=2000)
    for k, mass in enumerate((0.99, 0.01)):
        weight[label == k] *= mass / weight[label == k].sum()
    return eta, np.log(weight), label


def test_a_light_peak_keeps_particles_enough_and_its_weight() -> None:
    eta, log_weight, label = two_peaks()
    kept, log_kept = thinned(log_weight, 1000, eta, 0.3, label)
    light = label[kept] == 1
    assert light.sum() == pytest.approx(KEPT * 1000, rel=0.25)
    assert np.exp(log_kept[light]).sum() == pytest.approx(0.01, rel=0.03)
    without, _ = thinned(log_weight, 1000, eta, 0.3)
    assert (label[without] == 1).sum() < 0.6 * KEPT * 1000
    # Where the cloud is to be moved instead, copies of the light peak are many and weigh little too.
    index, log_copy = resampled(log_weight, 0.3, label)
    light = label[index] == 1
    assert light.mean() == pytest.approx(KEPT, rel=0.25)
    assert np.exp(log_copy[light]).sum() == pytest.approx(0.01, rel=0.1)


def test_copies_of_a_cloud_with_one_peak_weigh_the_same_each() -> None:
    _, log_weight, _ = two_peaks()
    index, log_copy = resampled(log_weight, 0.3)
    assert np.array_equal(index, systematic(np.exp(log_weight), 2000, 0.3))
    np.testing.assert_allclose(log_copy, -np.log(2000))


def test_a_part_of_the_cloud_that_rests_on_few_particles_is_seen_where_the_whole_looks_well() -> None:
    eta = generator("cloud").standard_normal((900, 2)) * [3.0, 1.0]
    before = np.full(900, -np.log(900))
    part = parts_along(eta, np.exp(before), 30)
    assert (np.bincount(part) == 30).all()
    assert eta[part == 0, 0].max() < eta[part == 29, 0].min() or eta[part == 0, 0].min() > eta[part == 29, 0].max()
    assert least_ess(before, part) == pytest.approx(30.0)
    # A value that only one particle of those far out explains: the whole hardly notices.
    after = before.copy()
    far = np.flatnonzero(part == 29)
    after[far[1:]] -= 6.0
    after -= np.log(np.exp(after).sum())
    assert effective_size(after) > 860
    assert least_ess(after, part, before) < 2.0
    # What had no weight before is no part that could be lost.
    assert least_ess(after, part, np.where(part == 29, -20.0, before)) == pytest.approx(30.0, rel=0.01)
