"""Rows of estimates: relative errors, intervals, and what there is none of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from connectors.reports.fitted.estimates import estimates_of, heat_map, strong_pairs

FOUND: dict[str, Any] = {
    "standard_errors": "R",
    "estimates": [
        {"name": "CL", "value": 4.0, "se_R": 0.4},
        {"name": "omega.CL", "value": 0.04, "se_R": 0.03},
        {"name": "omega.CL.V", "value": 0.01, "se_R": 0.02},
    ],
    "correlation": [[1.0, 0.95, -0.2], [0.95, 1.0, 0.1], [-0.2, 0.1, 1.0]],
    "bootstrap": {"numbers": [{"name": "CL", "low": 3.1, "high": 4.9}]},
    "profile": [{"name": "CL", "low": 3.2, "high": None}],
}


def test_intervals_are_of_the_standard_error_and_of_sizes_on_their_logarithm() -> None:
    clearance, variance, covariance = estimates_of(FOUND)
    assert clearance.rse == pytest.approx(10.0)
    assert clearance.others == ((3.1, 4.9), (3.2, None))
    assert (clearance.low, clearance.high) == pytest.approx((3.216, 4.784), abs=1e-3)
    assert (variance.low, variance.high) == pytest.approx((0.04 * np.exp(-1.47), 0.04 * np.exp(1.47)), rel=1e-3)
    assert covariance.low is not None
    assert covariance.low < 0 < 0.04 < (covariance.high or 0.0)
    assert variance.others == ((None, None), (None, None))


def test_an_interval_of_a_number_of_an_error_is_of_the_scale_that_it_moves_on() -> None:
    numbers = [
        {"name": "error.plasma.proportional", "value": 0.2, "se_R": 0.02},
        {"name": "error.plasma.exponent", "value": 0.1, "se_R": 0.1},
        {"name": "error.plasma.df", "value": 4.0, "se_R": 1.0},
        {"name": "error.plasma.outlier_share", "value": 0.05, "se_R": 0.05},
    ]
    size, exponent, df, share = estimates_of(FOUND | {"estimates": numbers})
    assert (size.low, size.high) == pytest.approx((0.2 * np.exp(-0.196), 0.2 * np.exp(0.196)), rel=1e-4)
    assert (exponent.low, exponent.high) == pytest.approx((0.1 - 0.196, 0.1 + 0.196), rel=1e-4)
    assert (df.low, df.high) == pytest.approx((2 + 2 * np.exp(-0.98), 2 + 2 * np.exp(0.98)), rel=1e-4)
    assert share.low is not None
    assert share.high is not None
    assert 0.0 < share.low < 0.05 < share.high < 0.5


def test_a_variance_that_ran_to_0_has_no_upper_end() -> None:
    lost = {"name": "omega.CL", "value": 1.5e-8, "se_R": 0.03}
    (found,) = estimates_of(FOUND | {"standard_errors": "R", "estimates": [lost]})
    assert (found.low, found.high) == (0.0, None)


def test_without_standard_errors_there_are_no_intervals() -> None:
    found = estimates_of(FOUND | {"standard_errors": None, "bootstrap": None, "profile": None})
    assert {(one.error, one.low, one.rse, one.others) for one in found} == {(None, None, None, ())}


def test_strong_correlations_are_named_and_drawn() -> None:
    assert strong_pairs(FOUND) == ["CL and omega.CL: 0.95"]
    drawn = heat_map(FOUND)
    assert drawn.count("<rect") == 6
    assert ">-0.20<" in drawn
    assert heat_map(FOUND | {"correlation": None}) == ""
