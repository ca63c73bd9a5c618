"""Further starts are the first one jittered, and their ends are held against standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.twin.population.test_objective import oral
from twin.arrays import Floats
from twin.population.starts import JITTER, WIDEST, End, compared, deepest, start
from twin.population.theta import Theta

THETA = Theta.of(oral())

FIRST = start(THETA, 0)

ERRORS = np.full(THETA.size, 0.1)


def moved(by: float, objective: float, why: str = "converged") -> End:
    """An end whose first number lies so many standard errors from that of the model's own values."""
    vector = FIRST.copy()
    vector[0] = math.log(math.exp(FIRST[0]) + by * ERRORS[0])
    return End(vector, objective, why)


def test_the_first_start_is_the_models_own_and_others_have_streams_of_their_own() -> None:
    np.testing.assert_array_equal(FIRST, THETA.pack(THETA.start))
    others: list[Floats] = [start(THETA, number) for number in (1, 2, 1)]
    np.testing.assert_array_equal(others[0], others[2])
    assert np.abs(others[0] - others[1]).min() > 0
    assert np.abs(others[0] - FIRST).max() <= WIDEST * JITTER
    assert np.linalg.eigvalsh(THETA.unpack(others[1]).omega).min() > 0


def test_ends_at_the_same_numbers_agree() -> None:
    found = compared(THETA, [moved(0.0, 10.0), moved(0.1, 10.001), moved(9.0, 17.0)], ERRORS)
    assert found.best == 0
    assert found.agree
    assert found.problems == []
    np.testing.assert_allclose(found.apart, [0.0, 0.1, 9.0], rtol=1e-6)
    assert found.farthest[2] == "ka"


def test_ends_as_deep_at_other_numbers_have_not_converged() -> None:
    found = compared(THETA, [moved(0.0, 10.0), moved(2.0, 10.1)], ERRORS)
    assert not found.agree
    assert "2 of 2 starts end as deep at other numbers, up to 2 standard errors apart (ka)" in found.problems[0]


def test_an_end_that_no_other_start_reached_is_told() -> None:
    found = compared(THETA, [moved(0.0, 14.0), moved(2.0, 10.0), moved(0.0, math.nan, "where it began")], ERRORS)
    assert found.best == 1
    assert found.problems == [
        "only one of 3 starts reached the lowest objective: there may be a lower one; try more starts, or begin nearer"
        " to what is known"
    ]


def test_what_converged_goes_before_what_is_deeper_and_did_not() -> None:
    assert deepest([moved(0.0, 5.0, "stuck"), moved(0.0, 6.0)]) == 1
    with pytest.raises(FloatingPointError, match="not finite at any of the starts"):
        deepest([moved(0.0, math.nan)])


def test_an_end_whose_classes_go_by_other_names_is_the_same_population() -> None:
    found = compared(THETA, [moved(0.0, 10.0), moved(2.0, 10.001)], ERRORS, [False, True])
    assert found.agree
    assert found.problems == []
