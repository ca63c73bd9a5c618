"""Trends of the ward."""

from __future__ import annotations

from connectors.console.ward.trend import POINTS_SHOWN, Seen, followed, trend_of
from tests import factories as make
from twin.clock import HOUR_MS


def test_the_count_is_followed_or_the_first_output_of_a_model_without_counts() -> None:
    assert followed(make.estimate(), 5) == Seen(5, "neutrophils", "10*9/L", 4.2)
    drug = make.estimate(outputs=(make.band("docetaxel_plasma", "mg/L", 1.83456),))
    assert followed(drug, 5) == Seen(5, "docetaxel_plasma", "mg/L", 1.83)
    assert followed(make.estimate(outputs=()), 5) is None


def test_a_long_trend_is_thinned_and_ends_with_the_newest_value() -> None:
    seen = [Seen(hour * HOUR_MS, "neutrophils", "10*9/L", float(hour)) for hour in range(168)]
    trend = trend_of(seen)
    assert trend is not None
    assert len(trend.values) == POINTS_SHOWN
    assert (trend.values[-1], trend.ends) == (167.0, 167 * HOUR_MS)
    assert trend.begins == round(trend.values[0]) * HOUR_MS


def test_a_trend_is_of_one_output_and_needs_two_values() -> None:
    other = [Seen(0, "platelets", "10*9/L", 200.0), Seen(HOUR_MS, "platelets", "10*9/L", 190.0)]
    assert trend_of([]) is None
    assert trend_of([*other, Seen(2 * HOUR_MS, "neutrophils", "10*9/L", 4.0)]) is None
