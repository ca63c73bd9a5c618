"""A window's median is a datum that never counts for more than its readings know, however many they are."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy import stats

from tests.twin import toys
from twin.model.measured.error import ErrorSpec, ReadingsSpec
from twin.model.measured.vital import VitalSpec
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model
from twin.observation.aggregate import DF, INDEPENDENT, Windows, error_of, in_unit, stretches, summary
from twin.observation.observation import Observation, Summary
from twin.observation.residual import log_likelihood

CUFF = ReadingsSpec(2.0, 4.0)
ONE = ErrorSpec("additive", 10.0, 0.0, None, "a test", None, readings=CUFF)


def declared(vital: str) -> tuple[VitalSpec, ReadingsSpec]:
    """What a model file with this table says."""
    (found,) = parse_model(toys.PRESSURE.replace('{ channel = "systolic_bp" }', vital), "toy.toml").outputs
    assert found.vital is not None
    assert found.error.readings is not None
    return found.vital, found.error.readings


def test_a_summary_is_median_and_robust_spread() -> None:
    assert summary([120.0]) == Summary(1, 120.0, 0.0)
    assert summary([118.0, 300.0, 122.0, 120.0]) == (4, 121.0, pytest.approx(1.4826 * 2.0))


def test_in_a_unit_with_another_zero_only_the_median_moves() -> None:
    found = in_unit(Summary(3, 37.0, 0.2), "Cel", "K")
    assert (found.median, found.spread) == (pytest.approx(310.15), pytest.approx(0.2))
    assert in_unit(found, "K", "K") is found


def test_many_readings_count_for_a_bounded_number_and_one_for_one() -> None:
    sizes = [error_of(ONE, Summary(n, 120.0, 5.0)).additive for n in (1, 2, 4, 12, 1000)]
    assert sizes[0] == 10.0
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == pytest.approx(10.0 / np.sqrt(CUFF.independent), rel=0.01)
    assert error_of(ONE, Summary(12, 120.0, 5.0)).df == 4.0


def test_the_median_of_readings_that_share_half_of_their_scatter_is_as_uncertain_as_is_said() -> None:
    rng = np.random.default_rng(1)
    for n in (1, 3, 12):
        shared, own = rng.standard_normal((20_000, 1)), rng.standard_normal((20_000, n))
        medians = np.median(120.0 + 10.0 * np.sqrt(0.5) * (shared + own), axis=1)
        assert error_of(ONE, Summary(n, 120.0, 6.0)).additive == pytest.approx(medians.std(), rel=0.03)


def test_readings_that_scatter_more_than_the_model_says_count_for_less() -> None:
    usual, wild = (error_of(ONE, Summary(12, 120.0, spread)).additive for spread in (7.0, 40.0))
    assert usual < 0.8 * 10.0 < 15.0 < wild
    relative = ErrorSpec("log_additive", 0.1, 0.0, None, "a test", None, readings=CUFF)
    assert error_of(relative, Summary(12, 120.0, 48.0)).additive == pytest.approx(0.01 * wild, rel=0.02)


@pytest.mark.parametrize("kind", ["additive", "log_additive", "box_cox"])
def test_windows_together_weigh_as_the_law_says_and_as_a_twin_weighs_each_to_two_digits(kind: str) -> None:
    size = {"additive": 10.0, "log_additive": 0.1, "box_cox": 0.5}[kind]
    error = replace(ONE, kind=kind, additive=size, df=9.0, box_cox=0.4 if kind == "box_cox" else None)
    seen = [Summary(1, 118.0, 0.0), Summary(12, 131.0, 2.0), Summary(5, 120.0, 90.0)]
    windows, predicted = Windows.of(seen), np.array([[120.0, 125.0]] * 3)
    factor = windows.factor(error)[:, 0]
    assert factor[:2].tolist() == pytest.approx([1.0, np.sqrt(0.5 + 0.5 * np.pi / (22 + np.pi))])
    assert factor[2] > 1.0
    found = windows.log_likelihood(error, predicted)
    for one, row, k in zip(seen, found, factor, strict=True):
        if kind == "additive":
            law = stats.t(CUFF.df, predicted[0], k * size)
            np.testing.assert_allclose(row, law.logpdf(one.median), rtol=1e-12)
        np.testing.assert_allclose(row, log_likelihood(error_of(error, one), one.median, predicted[0]), atol=0.02)
    observations = [Observation(0, "a", 0, one.median, readings=one) for one in seen]
    assert stretches([error], [*observations, Observation(0, "b", 0, 1.0)]).tolist() == [*factor, 1.0]


def test_what_a_file_leaves_out_is_usual_and_assumed_with_its_reason() -> None:
    found, readings = declared('{ channel = "systolic_bp" }')
    assert (found.window_ms, *astuple(readings)) == (3_600_000, INDEPENDENT, DF)
    assert found.source is None
    assert found.assumed is not None
    assert found.assumed.startswith("an hour: ")
    assert "two readings at most: " in found.assumed
    told = declared('{ channel = "systolic_bp", window = 2, independent = 1, df = 5, source = "a paper" }')
    assert told == (VitalSpec("systolic_bp", 2.0, "a paper", None), ReadingsSpec(1.0, 5.0))


@pytest.mark.parametrize(
    ("vital", "problem"),
    [
        ('{ channel = "pulse" }', "outputs.pressure.vital.channel: "),
        ('{ channel = "steps" }', "outputs.pressure.vital.channel: "),
        ('{ channel = "heart_rate" }', "do not fit the output"),
        ('{ channel = "systolic_bp", window = 2 }', "outputs.pressure.vital.source: is missing"),
        ('{ channel = "systolic_bp", window = 0.001, assumed = "x" }', "outputs.pressure.vital.window: is 0.001"),
        ('{ channel = "systolic_bp", window = 400, assumed = "x" }', "outputs.pressure.vital.window: is 400"),
        ('{ channel = "systolic_bp", independent = 0.5, assumed = "x" }', "must be at least 1"),
        ('{ channel = "systolic_bp", df = 2, assumed = "x" }', "must be greater than 2"),
        ('{ channel = "systolic_bp", hours = 2 }', "hours"),
    ],
)
def test_what_cannot_be_meant_is_refused(vital: str, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        declared(vital)


def test_a_channel_observes_one_output() -> None:
    again = toys.PRESSURE.replace("[outputs.pressure]", "[outputs.same]")
    begin, end = again.index("[outputs.same]"), again.index("[toxicities")
    twice = toys.PRESSURE.replace("[cadence]", f"{again[begin:end]}[cadence]")
    with pytest.raises(ModelError, match=r"outputs\.same\.vital: names a channel that observes 'pressure' already"):
        parse_model(twice, "toy.toml")
