"""How likely a window is by few particles, when each stands for those around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from twin import load_model
from twin.arrays import Floats
from twin.dosing.outlook import Exposed
from twin.model.spec import TargetSpec

FACTORS = np.arange(0.5, 2.0, 0.025)


@pytest.fixture(scope="module")
def window() -> TargetSpec:
    (target,) = load_model("fluorouracil_yamada2025").targets
    assert (target.low, target.high) == (20.0, 30.0)
    return target


def even(count: int) -> Floats:
    return np.full(count, 1.0 / count)


def likely(factor: Floats, spread: float) -> Floats:
    """P(20 <= 25 factor exp(spread z) <= 30)."""
    return np.asarray(
        ndtr(np.log(30.0 / 25.0 / factor) / spread) - ndtr(np.log(20.0 / 25.0 / factor) / spread), dtype=np.float64
    )


def test_the_smoothed_share_finds_a_better_dose_than_the_share_does(window: TargetSpec) -> None:
    rng, spread, lost = np.random.default_rng(1), 0.3, {"share": 0.0, "smoothed": 0.0}
    truth = likely(FACTORS, spread)
    for _ in range(40):
        exposures = 25.0 * np.exp(spread * rng.standard_normal(200))
        by_factor = [Exposed(window, factor * exposures, 0) for factor in FACTORS.tolist()]
        share = [one.within().mean() for one in by_factor]
        smoothed = [one.smoothed(even(200)) @ even(200) for one in by_factor]
        lost["share"] += truth.max() - truth[int(np.argmax(share))]
        lost["smoothed"] += truth.max() - truth[int(np.argmax(smoothed))]
    assert lost["smoothed"] < 0.6 * lost["share"]


def test_the_smoothed_share_is_that_of_the_particles_but_for_their_chance(window: TargetSpec) -> None:
    spread = 0.3
    exposures = 25.0 * np.exp(spread * np.random.default_rng(2).standard_normal(20_000))
    for factor in (0.7, 1.0, 1.3):
        seen = Exposed(window, factor * exposures, 0)
        assert seen.smoothed(even(20_000)).mean() == pytest.approx(likely(np.array(factor), spread), abs=0.01)


def test_weights_count_as_so_many_particles(window: TargetSpec) -> None:
    exposures = 25.0 * np.exp(0.3 * np.random.default_rng(3).standard_normal(50))
    weight = np.random.default_rng(4).integers(1, 4, 50)
    many = np.repeat(exposures, weight)
    seen = Exposed(window, exposures, 0).smoothed(weight / weight.sum()) @ (weight / weight.sum())
    assert seen == pytest.approx(Exposed(window, many, 0).smoothed(even(len(many))).mean(), abs=0.03)


def test_exposures_that_are_all_alike_are_in_the_window_or_not(window: TargetSpec) -> None:
    for value, inside in ((0.0, 0.0), (25.0, 1.0), (31.0, 0.0)):
        assert Exposed(window, np.full(8, value), 0).smoothed(even(8)).tolist() == [inside] * 8


def test_a_window_may_have_one_limit_alone(window: TargetSpec) -> None:
    exposures = 25.0 * np.exp(0.3 * np.random.default_rng(5).standard_normal(400))
    least, most = replace(window, high=None), replace(window, low=None)
    for target in (least, most):
        seen = Exposed(target, exposures, 0)
        assert seen.smoothed(even(400)).mean() == pytest.approx(seen.within().mean(), abs=0.03)
