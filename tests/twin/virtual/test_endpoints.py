"""Endpoints of one patient's course."""

from __future__ import annotations

import numpy as np
import pytest

from twin.clock import DAY_MS
from twin.virtual.endpoints import Endpoint

TIMES = np.arange(5) * DAY_MS
VALUES = np.array([2.0, 0.4, 0.3, 1.0, 3.0])


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (Endpoint("x", "below", "n", 0.5), 1.0),
        (Endpoint("x", "below", "n", 0.5, lasting_days=1.0), 1.0),
        (Endpoint("x", "below", "n", 0.5, lasting_days=1.5), 0.0),
        (Endpoint("x", "below", "n", 0.5, from_days=3.0), 0.0),
        (Endpoint("x", "above", "n", 2.5), 1.0),
        (Endpoint("x", "above", "n", 2.5, until_days=3.0), 0.0),
        (Endpoint("x", "within", "n", low=2.0), 1.0),
        (Endpoint("x", "within", "n", high=2.0), 0.0),
        (Endpoint("x", "lowest", "n"), 0.3),
        (Endpoint("x", "highest", "n", until_days=3.0), 2.0),
        (Endpoint("x", "at_end", "n"), 3.0),
        (Endpoint("x", "area", "n"), 1.6 / np.log(5.0) + 0.1 / np.log(4.0 / 3.0) + 0.65 + 2.0),
        (Endpoint("x", "mean", "n"), (1.6 / np.log(5.0) + 0.1 / np.log(4.0 / 3.0) + 0.65 + 2.0) / 4),
    ],
)
def test_what_a_course_comes_to(endpoint: Endpoint, expected: float) -> None:
    assert endpoint.of(TIMES, VALUES, 0, None) == pytest.approx(expected)


def test_who_left_counts_as_the_endpoint_says() -> None:
    left = 2 * DAY_MS
    assert Endpoint("x", "highest", "n", from_days=1.0).of(TIMES, VALUES, 0, left) == 0.4
    assert np.isnan(Endpoint("x", "highest", "n", leavers="left out").of(TIMES, VALUES, 0, left))
    assert Endpoint("x", "above", "n", 9.0, leavers="came").of(TIMES, VALUES, 0, left) == 1.0
    assert Endpoint("x", "above", "n", 9.0, leavers="came").of(TIMES, VALUES, 0, None) == 0.0


def test_who_left_after_an_endpoint_was_over_counts_as_everybody() -> None:
    over = Endpoint("x", "highest", "n", until_days=1.0, leavers="left out")
    assert over.of(TIMES, VALUES, 0, 2 * DAY_MS) == 2.0


def test_who_left_before_it_began_does_not_count() -> None:
    assert np.isnan(Endpoint("x", "lowest", "n", from_days=3.0).of(TIMES, VALUES, 0, DAY_MS))
