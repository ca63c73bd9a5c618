"""Readings of a belief: what is expected of a value, quantiles, exposure against its window, and the nadir."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation.test_residual import NAMES, SPECS
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.filter.belief import Belief
from twin.filter.expectation import Expectation
from twin.filter.expectation import expectation as of_output
from twin.filter.quantiles import QUANTILES
from twin.filter.trunk import rhythm_of
from twin.model.spec import ErrorSpec
from twin.modelfile.library import load_model
from twin.observation.observation import Observation
from twin.observation.residual import cdf, drawn
from twin.patient.bands import (
    FORECAST_POINTS,
    band,
    exposure_reading,
    forecast_bands,
    forecast_times,
    lowest_ahead,
    nadir_reading,
    output_bands,
    parameter_bands,
)
from twin.randomness import generator

DOCETAXEL = load_model("docetaxel_ozawa2007")
HORIZON = rhythm_of(DOCETAXEL).horizon
FLUOROURACIL = load_model("fluorouracil_yamada2025")


def evenly(size: int) -> Floats:
    return np.full(size, 1.0 / size)


# --- what is expected of a value -------------------------------------------------------------------------------------


def expectation(
    error: ErrorSpec, value: float, predicted: Floats, weight: Floats, below: float | None = None
) -> Expectation:
    """What is expected of a value of an output with this error."""
    output = replace(DOCETAXEL.outputs[0], error=error)
    return of_output(output, Observation(0, "a test", 0, value, below), predicted[None], weight)


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_values_from_the_model_itself_fall_anywhere_in_its_expectation_evenly(error: ErrorSpec) -> None:
    """The probability integral transform is uniform, whatever the weights, when the twin is right."""
    rng = generator("pit", error.kind, error.df, error.combination)
    predicted = np.exp(rng.normal(1.0, 0.5, 300))
    weight = rng.dirichlet(np.full(300, 0.5))
    truth = rng.choice(300, size=1500, p=weight)
    values = drawn(error, predicted[truth], rng)
    found = [expectation(error, float(value), predicted, weight) for value in values]
    assert stats.kstest([e.pit for e in found], "uniform").pvalue > 0.01
    covered = np.mean([e.quantiles[0] <= value <= e.quantiles[4] for e, value in zip(found, values, strict=True)])
    assert covered == pytest.approx(0.9, abs=0.025)
    assert np.median([e.innovation for e in found]) == pytest.approx(0.0, abs=0.1)


def test_an_expectation_that_is_too_narrow_is_seen_in_its_transforms() -> None:
    rng = generator("too narrow")
    error = SPECS[NAMES.index("log_additive-normal")]
    predicted = np.exp(rng.normal(1.0, 0.1, 200))
    values = np.exp(rng.normal(1.0, 0.8, 400))
    pits = [expectation(error, float(value), predicted, evenly(200)).pit for value in values]
    assert stats.kstest(pits, "uniform").pvalue < 1e-6


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_of_one_sure_patient_only_the_residual_is_left(error: ErrorSpec) -> None:
    found = expectation(error, 3.0, np.full(100, 3.0), evenly(100))
    assert found.pit == pytest.approx(0.5)
    assert found.innovation == pytest.approx(0.0, abs=0.01)
    at = [float(cdf(error, value, np.array([3.0]))[0]) for value in found.quantiles]
    np.testing.assert_allclose(at, QUANTILES, atol=0.001)


def test_the_innovation_counts_standard_deviations_from_the_median() -> None:
    error = ErrorSpec("additive", 1.0, 0.0, None, "a test", None)
    rng = generator("innovation")
    predicted = rng.normal(10.0, 2.0, 5000)
    found = expectation(error, 10.0 + 3 * np.sqrt(5.0), predicted, evenly(5000))
    assert found.innovation == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("lost", [[1, 4], [0, 1, 2, 3, 4]])
def test_a_particle_that_overflowed_expects_nothing(lost: list[int]) -> None:
    error = SPECS[NAMES.index("log_additive-normal")]
    predicted = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    predicted[lost] = [np.nan, np.inf, -np.inf, np.nan, np.nan][: len(lost)]
    found = expectation(error, 2.5, predicted, evenly(5))
    left = np.delete(np.arange(1.0, 6.0), lost)
    if len(left):
        known = expectation(error, 2.5, left, evenly(len(left)))
        assert (found.pit, found.innovation) == pytest.approx((known.pit, known.innovation))
        assert found.quantiles == pytest.approx(known.quantiles)
    else:
        assert (found.pit, found.innovation, found.quantiles.tolist()) == (0.5, 0.0, [0.0] * 5)


def test_a_count_of_nothing_is_expected_at_the_bottom() -> None:
    error = SPECS[NAMES.index("log_additive-normal")]
    found = expectation(error, 0.0, np.array([1.0, 2.0]), evenly(2))
    assert found.pit == 0.0
    assert found.innovation < -1


# --- bands -----------------------------------------------------------------------------------------------------------


def test_a_band_holds_the_weighted_quantiles_with_name_and_unit() -> None:
    values = np.linspace(0, 10, 1001)
    found = band("CL", "L/h", values, evenly(1001))
    assert (found.name, found.unit) == ("CL", "L/h")
    levels = (found.q05, found.q25, found.median, found.q75, found.q95)
    assert levels == pytest.approx((0.5, 2.5, 5.0, 7.5, 9.5), abs=0.01)


def test_every_output_has_a_band_now_and_one_along_the_forecast() -> None:
    out = generator("bands").random((7, 2, 50)) + 1.0
    now = output_bands(DOCETAXEL, out[0], evenly(50))
    assert [(b.name, b.unit) for b in now] == [("docetaxel_plasma", "mg/L"), ("neutrophils", "10*9/L")]
    along = forecast_bands(DOCETAXEL, out, evenly(50))
    assert [len(b.median) for b in along] == [7, 7]
    for i in range(2):
        first = (along[i].q05[0], along[i].q25[0], along[i].median[0], along[i].q75[0], along[i].q95[0])
        assert first == (now[i].q05, now[i].q25, now[i].median, now[i].q75, now[i].q95)


def test_parameters_that_vary_between_patients_are_told_in_their_units() -> None:
    par = np.tile(np.arange(12.0), (20, 1))
    names = (*(p.name for p in DOCETAXEL.parameters), "ktr")
    found = parameter_bands(DOCETAXEL, names, par, Belief(np.zeros((20, 5)), np.log(evenly(20))))
    assert [(b.name, b.unit) for b in found] == [
        ("CL", "L/h"), ("V1", "L"), ("MTT", "h"), ("Slope", "L/mg"), ("IP0", "10*9/L"),
    ]  # fmt: skip
    assert [b.median for b in found] == [names.index(b.name) for b in found]


# --- what lies ahead -------------------------------------------------------------------------------------------------


def test_a_forecast_covers_its_horizon_evenly_from_now() -> None:
    times = forecast_times(1_000, HORIZON)
    assert len(times) == FORECAST_POINTS + 1
    assert times[0] == 1_000
    assert times[-1] == 1_000 + 504 * HOUR_MS
    assert len(set(np.diff(times).tolist())) == 1


def test_the_nadir_is_the_lowest_count_of_each_particle_and_its_day() -> None:
    (toxicity,) = DOCETAXEL.toxicities
    times = forecast_times(0, HORIZON)
    days = times / (24 * HOUR_MS)
    low_day, lowest = np.array([5.0, 9.0, 11.0, 14.0]), np.array([0.3, 0.4, 0.9, 2.0])
    counts = lowest + 0.05 * (days[:, None] - low_day) ** 2
    out = np.stack([np.ones_like(counts), counts], axis=1)
    weight = np.array([0.1, 0.3, 0.4, 0.2])
    found = nadir_reading(toxicity, *lowest_ahead(toxicity, DOCETAXEL, times, out), weight)
    assert found.output == "neutrophils"
    assert found.p_grade4 == pytest.approx(0.4)
    expected = band("neutrophils", "10*9/L", counts.min(axis=0), weight)
    assert found.value == expected
    assert found.day.median == pytest.approx(band("nadir_day", "d", low_day, weight).median, abs=0.25)


def test_only_the_horizon_of_the_toxicity_counts() -> None:
    (toxicity,) = FLUOROURACIL.toxicities
    times = np.array([0, 100, 336, 337], dtype=np.int64) * HOUR_MS
    out = np.ones((4, 2, 3)) * np.array([5.0, 4.0, 3.0, 0.1])[:, None, None]
    found = nadir_reading(toxicity, *lowest_ahead(toxicity, FLUOROURACIL, times, out), evenly(3))
    assert found.p_grade4 == 0.0
    assert found.value.median == 3.0
    assert found.day.median == pytest.approx(14.0)


def test_exposure_is_held_against_its_window_at_the_end_of_the_course() -> None:
    (target,) = FLUOROURACIL.targets
    at_end = np.array([10.0, 19.999, 20.0, 25.0, 30.0, 30.001, 50.0, np.nan])
    weight = np.array([0.1, 0.1, 0.2, 0.1, 0.1, 0.3, 0.1, 0.0])
    found = exposure_reading(target, at_end / 2, at_end, weight)
    assert (found.target_low, found.target_high) == (20.0, 30.0)
    assert found.p_below == pytest.approx(0.2)
    assert found.p_above == pytest.approx(0.4)
    assert found.so_far.median == pytest.approx(found.at_end.median / 2)
    assert (found.at_end.name, found.at_end.unit) == ("fluorouracil_auc", "mg.h/L")


def test_probabilities_never_exceed_one_by_rounding() -> None:
    (target,) = FLUOROURACIL.targets
    weight = np.full(10, 0.1) * (1 + 1e-15)
    assert exposure_reading(target, np.ones(10), np.full(10, 99.0), weight).p_above == 1.0


def test_a_value_too_low_to_measure_takes_the_middle_of_its_probabilities() -> None:
    error = ErrorSpec("log_additive", 0.3, 0.0, None, "a test", None)
    predicted = np.full(200, 1.0)
    limit = expectation(error, 0.1, predicted, evenly(200))
    censored = expectation(error, 0.0, predicted, evenly(200), below=0.1)
    assert censored.pit == 0.5 * limit.pit
    assert censored.innovation == limit.innovation
    np.testing.assert_array_equal(censored.quantiles, limit.quantiles)
