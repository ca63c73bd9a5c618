"""Simulation-based calibration: over patients drawn from the population, the truth ranks evenly in the posterior.

Talts et al. 2018. Truth is drawn from the prior, values from the truth by the model's closed form (not by the twin),
and the rank of the truth within the posterior is uniform if, and only if, prior, likelihood and sampler fit together.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.twin import toys
from tests.twin.bedside import dose, level
from tests.twin.test_timeline import history_of
from twin.belief import generator, prior
from twin.events import InputEvent
from twin.kernel import compile_model
from twin.solve import pace_for
from twin.timeline import build
from twin.trunk import Trunk

pytestmark = pytest.mark.slow

KERNEL = compile_model(toys.bolus())
PACE = pace_for(KERNEL)
PATIENTS, PARTICLES, BINS = 200, 200, 10
DOSE, HOURS = 100.0, (1.0, 4.0, 9.0)

Floats = NDArray[np.float64]


def calibrate(believed_dose: float = DOSE, noise: float = 0.2) -> tuple[Floats, Floats]:
    """Ranks of the truth (patients, eta) in (0, 1), and the transform of every value before it was told."""
    rng = generator("calibration")
    ranks, transforms = [], []
    for number in range(PATIENTS):
        truth = rng.standard_normal(2) * np.sqrt(np.diag(KERNEL.model.omega))
        clearance, volume = 5 * np.exp(truth[0]), 20 * np.exp(truth[1])
        known = DOSE / volume * np.exp(-clearance / volume * np.array(HOURS))
        values = np.abs(known * (1 + noise * rng.standard_normal(len(HOURS))))
        events: list[InputEvent] = [dose(0, believed_dose)]
        events += [level(hours, float(value)) for hours, value in zip(HOURS, values, strict=True)]
        timeline = build(history_of(events), KERNEL)
        assert timeline is not None
        assert len(timeline.observations) == len(HOURS)
        patient = f"P-{number}"
        trunk = Trunk(KERNEL, PACE, patient)
        position = trunk.begin(timeline, prior(KERNEL.model, PARTICLES, patient))
        for observation in timeline.observations:
            position, learned = trunk.learn(position, timeline, observation)
            transforms.append(learned.expected.pit)
        belief = position.belief
        below = (belief.weight[:, None] * (belief.eta < truth)).sum(axis=0)
        ranks.append(below + (rng.random(2) - 0.5) / PARTICLES)
    return np.clip(ranks, 0.0, 1.0 - 1e-12), np.array(transforms)


def evenness(shares: Floats) -> float:
    """p-value of a chi-square test that shares (M,) in (0, 1) fall into all bins alike."""
    counts, _ = np.histogram(shares, bins=BINS, range=(0, 1))
    return float(stats.chisquare(counts).pvalue)


def test_the_truth_ranks_evenly_in_the_posterior() -> None:
    ranks, transforms = calibrate()
    assert [evenness(column) > 0.01 for column in ranks.T] == [True, True]
    # What was expected of each value before it was told is calibrated too.
    assert stats.kstest(transforms, "uniform").pvalue > 0.01
    assert ranks.mean() == pytest.approx(0.5, abs=0.04)


def test_a_dose_that_was_not_what_was_recorded_is_seen_in_the_ranks() -> None:
    ranks, transforms = calibrate(believed_dose=1.3 * DOSE)
    assert min(evenness(column) for column in ranks.T) < 1e-6
    assert stats.kstest(transforms, "uniform").pvalue < 1e-3


def test_a_noise_that_the_model_underrates_is_seen_in_the_ranks() -> None:
    ranks, transforms = calibrate(noise=0.5)
    assert min(evenness(column) for column in ranks.T) < 1e-3
    assert stats.kstest(transforms, "uniform").pvalue < 1e-3
