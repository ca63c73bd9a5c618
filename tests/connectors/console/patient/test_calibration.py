"""What a twin's own predictions were worth so far."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from connectors.console.patient.calibration import BY_CHANCE, COVERS, by_chance, calibrations
from connectors.console.views import MeasuredPoint


def value(t: int, pit: float, observed: float = 2.0, output: str = "neutrophils", median: float = 2.0) -> MeasuredPoint:
    inside = 0.05 <= pit <= 0.95
    low, high = (1.0, 3.0) if inside else (observed + 1, observed + 2)
    return MeasuredPoint(t, output, "10*9/L", observed, median, low, high, 4.0, pit)


def test_each_output_is_counted_for_itself() -> None:
    count, level = calibrations([value(3, 0.99), value(1, 0.5), value(2, 0.1), value(4, 1.0, output="zz")])
    assert (count.output, count.values, count.within, count.parts, count.last) == (
        "neutrophils",
        3,
        2,
        (1, 0, 1, 0, 1),
        3,
    )
    assert (level.output, level.values, level.within, level.parts) == ("zz", 1, 0, (0, 0, 0, 0, 1))


def test_errors_are_factors_of_the_twin_and_of_the_population() -> None:
    (found,) = calibrations([value(1, 0.5, observed=2.2), value(2, 0.5, observed=1.0), value(3, 0.5, observed=2.0)])
    assert (found.error, found.population_error) == (1.1, 2.0)
    (none,) = calibrations([value(1, 0.5, observed=0.0)])
    assert (none.error, none.population_error) == (None, None)


def test_nothing_is_said_where_nothing_was_measured() -> None:
    assert calibrations([]) == ()


@pytest.mark.parametrize("values", [1, 7, 20, 1000])
def test_by_chance_is_the_range_of_a_binomial(values: int) -> None:
    least, most = by_chance(values)
    tail = (1 - BY_CHANCE) / 2
    assert binom.cdf(least - 1, values, COVERS) <= tail < binom.cdf(least, values, COVERS)
    assert binom.sf(most, values, COVERS) <= tail < binom.sf(most - 1, values, COVERS)


def test_a_calibrated_twin_is_hardly_ever_out_of_that_range() -> None:
    drawn = np.random.default_rng(1).binomial(30, COVERS, size=2000)
    least, most = by_chance(30)
    assert np.mean((drawn < least) | (drawn > most)) < 0.02
