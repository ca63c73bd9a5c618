"""What was expected of a value: held against values that the model itself draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation.test_residual import NAMES, SPECS
from tests.twin.weights import evenly
from twin.arrays import Floats
from twin.filter.expectation import Expectation, pooled_expectation
from twin.filter.expectation import expectation as of_output
from twin.filter.quantiles import QUANTILES
from twin.model.measured.error import ErrorSpec
from twin.modelfile.library import load_model
from twin.observation.observation import Observation
from twin.observation.residual import at_levels, cdf
from twin.randomness import generator

DOCETAXEL = load_model("docetaxel_ozawa2007")


def expectation(
    error: ErrorSpec, value: float, predicted: Floats, weight: Floats, below: float | None = None
) -> Expectation:
    """What is expected of a value of an output with this error."""
    output = replace(DOCETAXEL.outputs[0], error=error)
    return of_output(output, Observation(0, "a test", 0, value, below), predicted[None], weight)


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
@pytest.mark.slow
def test_values_from_the_model_itself_fall_anywhere_in_its_expectation_evenly(error: ErrorSpec) -> None:
    """The probability integral transform is uniform, whatever the weights, when the twin is right."""
    rng = generator("pit", error.kind, error.df, error.combination)
    predicted = np.exp(rng.normal(1.0, 0.5, 300))
    weight = rng.dirichlet(np.full(300, 0.5))
    truth = rng.choice(300, size=1500, p=weight)
    values = at_levels(error, predicted[truth], rng.random((len(truth), 1)))[:, 0]
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


def test_a_value_may_be_expected_below_0_where_it_can_be_measured_there() -> None:
    additive, proportional = (SPECS[NAMES.index(f"{kind}-normal")] for kind in ("additive", "proportional"))
    nothing, weight = np.zeros(200), evenly(200)
    found = expectation(additive, -0.1, nothing, weight).quantiles
    np.testing.assert_allclose(found[[0, 4]], additive.additive * np.array([-1.645, 1.645]), rtol=0.02)
    assert expectation(replace(proportional, proportional=3.0), 0.1, nothing + 1.0, weight).quantiles[0] == 0.0


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


def test_clouds_that_overflowed_expect_nothing_together() -> None:
    nothing = Expectation(np.zeros(len(QUANTILES)), 0.5, 0.0, 0.0, np.zeros(1), np.ones(1))
    together = pooled_expectation(
        DOCETAXEL.outputs[0], Observation(0, "", 0, 2.0), (0.2, 0.3, 0.5), (nothing, nothing, nothing)
    )
    assert (together.pit, together.score, together.innovation) == (0.5, 0.0, 0.0)


def test_a_count_of_nothing_is_expected_at_the_bottom() -> None:
    error = SPECS[NAMES.index("log_additive-normal")]
    found = expectation(error, 0.0, np.array([1.0, 2.0]), evenly(2))
    assert found.pit == 0.0
    assert found.innovation < -1


def test_a_value_too_low_to_measure_takes_the_middle_of_its_probabilities() -> None:
    error = ErrorSpec("log_additive", 0.3, 0.0, None, "a test", None)
    predicted = np.full(200, 1.0)
    limit = expectation(error, 0.1, predicted, evenly(200))
    censored = expectation(error, 0.0, predicted, evenly(200), below=0.1)
    assert censored.pit == 0.5 * limit.pit
    assert censored.innovation == limit.innovation
    np.testing.assert_array_equal(censored.quantiles, limit.quantiles)
