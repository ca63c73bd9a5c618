"""Simulation-based calibration passes a twin that is right and fails one that is not."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from scipy import stats

from tests.twin.toys import LEVELS, SOURCE
from twin.kernel.kernel import compile_model
from twin.model.measured.error import ErrorSpec
from twin.model.spec import Model, OutputSpec
from twin.modelfile.reader import parse_model
from twin.observation.observation import Observation
from twin.study.calibration import (
    DRAWS,
    FALSE_ALARM,
    LIKELIHOOD,
    Calibration,
    Followed,
    follow,
    ranked_probability_score,
    summarise,
)
from twin.study.design import design

TOY = parse_model(LEVELS, "toy.toml")
PATIENTS, PARTICLES = 50, 200
ENOUGH = 18
"""Patients that show a bias."""


def followed(model: Model, patients: int, truth: Model = TOY) -> list[Followed]:
    """Patients of ``truth``, followed by the twin of ``model``."""
    kernel, real = compile_model(model), compile_model(truth)
    plan = design(real)
    clock = count().__next__
    return [follow(kernel, real, plan, number, PARTICLES, lambda: float(clock())) for number in range(patients)]


def calibrated(model: Model, patients: int, truth: Model = TOY) -> Calibration:
    return summarise(model, followed(model, patients, truth), PARTICLES)


def changed(old: str, new: str) -> Model:
    assert old in LEVELS
    return parse_model(LEVELS.replace(old, new), "toy.toml")


@pytest.mark.slow
def test_a_right_twin_passes() -> None:
    found = calibrated(TOY, PATIENTS)
    assert found.passed, {one.name: one.p_value for one in (*found.ranks, *found.pit)}
    assert [one.name for one in found.ranks] == ["CL", "V", "Base", LIKELIHOOD]
    assert [one.name for one in found.pit] == ["toxin_plasma", "marker"]
    assert found.alpha == pytest.approx(FALSE_ALARM / 6)
    for output in found.foreseen:
        for counted in output.coverage:
            assert counted.low <= counted.share <= counted.high
            assert abs(counted.share - counted.level) < 0.08
        assert output.gain_low < output.gain < output.gain_high
        assert output.gain > -0.01, "the posterior predicts at least as well as the mode alone"
    assert found.milliseconds == (1000.0, 1000.0), "the clock that was handed in"
    assert 0.25 < found.ess[0] <= found.ess[1] <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("proportional = 0.2", "proportional = 0.1", id="residual of half the size"),
        pytest.param("value = 6", "value = 8", id="a prior that is shifted"),
        pytest.param("iiv = 0.09", "iiv = 0.01", id="a prior that is too narrow"),
        pytest.param("log_additive = 0.2", "log_additive = 0.4", id="a residual that is too wide"),
    ],
)
def test_a_planted_bias_fails(old: str, new: str) -> None:
    assert not calibrated(changed(old, new), ENOUGH).passed


def test_a_patient_is_the_same_whoever_follows_it_and_however_often() -> None:
    first, again = (followed(TOY, patients=2) for _ in range(2))
    assert first == again
    assert first[0].pit != first[1].pit


def output_with(error: ErrorSpec) -> OutputSpec:
    return replace(TOY.outputs[0], error=error)


def test_the_score_of_a_normal_prediction_is_the_known_one() -> None:
    output = output_with(ErrorSpec("additive", 2.0, 0.0, None, "a test", None))
    rows, weight = np.full((1, 200), 1.0), np.full(200, 1 / 200)
    for value in (-3.0, 1.0, 2.5):
        z = (value - 1.0) / 2.0
        known = 2.0 * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
        observation = Observation(0, "a", 0, value)
        assert ranked_probability_score(output, observation, rows, weight) == pytest.approx(known, rel=2e-3)
        alone = ranked_probability_score(output, observation, rows[:, :1], np.ones(1))
        assert alone == pytest.approx(known, rel=5e-3), "one particle, as the mode is"


@pytest.mark.slow
def test_the_score_of_a_mixture_is_that_of_its_sample() -> None:
    output = output_with(ErrorSpec("log_additive", 0.3, 0.0, None, "a test", None))
    rng = np.random.default_rng(5)
    predicted, weight = np.exp(rng.standard_normal(40)), rng.random(40)
    weight /= weight.sum()
    sample = np.log(rng.choice(predicted, 6000, p=weight)) + 0.3 * rng.standard_normal(6000)
    known = np.abs(sample - np.log(2.0)).mean() - 0.5 * np.abs(sample[:, None] - sample[None, :]).mean()
    found = ranked_probability_score(output, Observation(0, "a", 0, 2.0), predicted[None], weight)
    assert found == pytest.approx(known, abs=0.02)


def test_ranks_are_among_the_draws() -> None:
    for one in followed(TOY, patients=3):
        assert all(0 <= rank <= DRAWS for rank in one.ranks)
        assert len(one.pit) == len(one.outputs) == len(one.crps) == len(one.plug_in) == len(one.ess)


def test_nobody_followed_is_refused() -> None:
    with pytest.raises(ValueError, match="none was followed"):
        summarise(TOY, [], PARTICLES)


@pytest.mark.slow
def test_effects_of_occasions_are_calibrated_and_missed_where_the_twin_has_none() -> None:
    text = LEVELS.replace("iiv = 0.09", "iiv = 0.09\niov = 0.16").replace(
        "[cadence]", f'[occasions]\ndrug = "toxin"\ngap = 24\n{SOURCE}\n\n[cadence]'
    )
    truth = parse_model(text.replace('id = "toy_levels"', 'id = "toy_occasions"'), "toy.toml")
    assert calibrated(truth, ENOUGH, truth).passed
    assert not calibrated(TOY, ENOUGH, truth).passed
