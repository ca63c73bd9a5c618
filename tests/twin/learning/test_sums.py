"""A site says sums over at least five patients, to the last bit, and what is no such file is named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.twin.learning.known import anchor, particles, ward
from twin.learning.sums import TooFew, as_json, for_others, from_json, joined, sums_of

HERE = anchor()
EACH = particles(*ward(8), count=50)
SUMS = sums_of(EACH, HERE.published)
TEXT = as_json(SUMS, "s", HERE.published, 7)


def test_a_file_keeps_every_bit() -> None:
    found, theta, reached = from_json(TEXT, HERE)
    assert (found.total == SUMS.total).all()
    assert (found.patients, reached) == (8, 7)
    assert np.array_equal(theta.covariance, HERE.correlation)
    assert (found.second == found.second.T).all()


def test_sums_over_few_patients_do_not_leave() -> None:
    with pytest.raises(TooFew, match="patients: 4, and a sum over fewer than 5 tells of one"):
        for_others(sums_of(EACH[:4], HERE.published))
    assert for_others(SUMS) is SUMS


def test_noise_has_the_size_that_was_asked_for() -> None:
    rng = np.random.default_rng(3)
    found = np.array([for_others(SUMS, 0.5, rng).first - SUMS.first for _ in range(400)])
    assert found.std() == pytest.approx(0.5, rel=0.1)
    with pytest.raises(ValueError, match="noise: -1 is no standard deviation"):
        for_others(SUMS, -1, rng)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": 1}, "format: is not 3"),
        ({"structure": "t"}, "structure: 't' is of another model"),
        ({"patients": 3}, "patients: 3; a site says sums over at least 5"),
        ({"reached": 9}, "reached: 9 is no number of these 8"),
        ({"total": ["1"]}, "total: must be 6 hexadecimal numbers"),
        ({"total": ["x"] * 6}, "total: invalid literal"),
        ({"theta": {}}, "theta: must have 'mean'"),
        (
            {"theta": {"mean": [0], "covariance": [[1]], "coefficients": [], "scatter": [], "shares": []}},
            "theta: is of 1 parameters, and the model has 2",
        ),
    ],
)
def test_what_is_no_sum_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        from_json(json.dumps(json.loads(TEXT) | changes), HERE)


def test_a_gathering_of_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="sums: name at least one"):
        joined([])
    with pytest.raises(ValueError, match="not JSON"):
        from_json("{", HERE)
