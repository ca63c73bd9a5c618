"""A window's median is a datum that never counts for more than its readings know, however many they are."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from twin.model.measured.error import ErrorSpec
from twin.model.measured.vital import VitalSpec
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model
from twin.observation.aggregate import DF, INDEPENDENT, Summary, error_of, in_unit, summary

ONE = ErrorSpec("additive", 10.0, 0.0, None, "a test", None)
CUFF = VitalSpec("systolic_bp", 1.0, 2.0, 4.0, None, "a test")


def declared(vital: str) -> VitalSpec:
    """What a model file with this table says."""
    found = parse_model(toys.PRESSURE.replace('{ channel = "systolic_bp" }', vital), "toy.toml").outputs[0].vital
    assert found is not None
    return found


def test_a_summary_is_median_and_robust_spread() -> None:
    assert summary([120.0]) == Summary(1, 120.0, 0.0)
    assert summary([118.0, 300.0, 122.0, 120.0]) == (4, 121.0, pytest.approx(1.4826 * 2.0))


def test_in_a_unit_with_another_zero_only_the_median_moves() -> None:
    found = in_unit(Summary(3, 37.0, 0.2), "Cel", "K")
    assert (found.median, found.spread) == (pytest.approx(310.15), pytest.approx(0.2))
    assert in_unit(found, "K", "K") is found


def test_many_readings_count_for_a_bounded_number_and_one_for_one() -> None:
    sizes = [error_of(ONE, CUFF, Summary(n, 120.0, 5.0)).additive for n in (1, 2, 4, 12, 1000)]
    assert sizes[0] == 10.0
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == pytest.approx(10.0 / np.sqrt(CUFF.independent), rel=0.01)
    assert error_of(ONE, CUFF, Summary(12, 120.0, 5.0)).df == 4.0


def test_the_median_of_readings_that_share_half_of_their_scatter_is_as_uncertain_as_is_said() -> None:
    rng = np.random.default_rng(1)
    for n in (1, 3, 12):
        shared, own = rng.standard_normal((20_000, 1)), rng.standard_normal((20_000, n))
        medians = np.median(120.0 + 10.0 * np.sqrt(0.5) * (shared + own), axis=1)
        assert error_of(ONE, CUFF, Summary(n, 120.0, 6.0)).additive == pytest.approx(medians.std(), rel=0.03)


def test_readings_that_scatter_more_than_the_model_says_count_for_less() -> None:
    usual, wild = (error_of(ONE, CUFF, Summary(12, 120.0, spread)).additive for spread in (7.0, 40.0))
    assert usual < 0.8 * 10.0 < 15.0 < wild
    relative = ErrorSpec("log_additive", 0.1, 0.0, None, "a test", None)
    assert error_of(relative, CUFF, Summary(12, 120.0, 48.0)).additive == pytest.approx(0.01 * wild, rel=0.02)


def test_what_a_file_leaves_out_is_usual_and_assumed_with_its_reason() -> None:
    found = declared('{ channel = "systolic_bp" }')
    assert (found.window_ms, found.independent, found.df) == (3_600_000, INDEPENDENT, DF)
    assert found.source is None
    assert found.assumed is not None
    assert found.assumed.startswith("an hour: ")
    assert "two readings at most: " in found.assumed
    told = declared('{ channel = "systolic_bp", window = 2, independent = 1, df = 5, source = "a paper" }')
    assert told == VitalSpec("systolic_bp", 2.0, 1.0, 5.0, "a paper", None)


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
