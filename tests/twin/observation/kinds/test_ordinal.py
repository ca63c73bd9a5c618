"""Grades weigh their probabilities, whose information is that of their score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.twin.observation.outcomes import GRADES, SHARES, look
from twin.observation.kinds.ordinal import KIND


def test_a_grade_weighs_its_probability() -> None:
    for grade in range(3):
        np.testing.assert_allclose(np.exp(KIND.log_likelihood(GRADES, look(grade), SHARES)), SHARES[grade], rtol=1e-12)
    low, high = KIND.levels(GRADES, look(1), SHARES)
    np.testing.assert_allclose((low + high) / 2, SHARES[0] + SHARES[1] / 2)


def test_a_grade_that_a_patient_cannot_have_is_impossible_and_no_warning() -> None:
    assert KIND.log_likelihood(GRADES, look(0), np.array([[0.0], [1.0], [0.0]]))[0] < -600


def test_the_information_of_a_grade_is_that_of_its_score() -> None:
    rows, slope, step = np.array([[0.2], [0.5], [0.3]]), np.array([[0.7], [0.1], [-0.8]]), 1e-6
    _, weight = KIND.information(GRADES, rows)
    found = 0.0
    for grade in range(3):
        here, there = (float(KIND.log_likelihood(GRADES, look(grade), at)[0]) for at in (rows, rows + step * slope))
        found += math.exp(here) * ((there - here) / step) ** 2
    assert float((weight * slope**2).sum()) == pytest.approx(found, rel=1e-4)


def test_grades_at_levels_are_those_whose_share_of_probability_holds_them() -> None:
    found = KIND.at_levels(GRADES, SHARES, np.array([[0.1, 0.7, 0.95], [0.05, 0.15, 0.25]]))
    np.testing.assert_array_equal(found, [[0, 1, 2], [0, 1, 2]])


@pytest.mark.parametrize("value", [3.0, 0.5])
def test_what_is_no_grade_is_refused(value: float) -> None:
    assert (
        KIND.refusal(GRADES, value, limited=False)
        == f"field 'value': {value:g} is no ordinal of out; send one of 0 to 2"
    )
    assert KIND.refusal(GRADES, 2.0, limited=False) is None


@pytest.mark.parametrize(
    ("values", "flaw"),
    [
        ((0.5, 0.3, 0.2), None),
        (
            (0.5, -0.3, 0.8),
            ("categories[1]", "is -0.3 at the start of the typical patient; a probability lies between"),
        ),
        ((0.5, 0.3, 0.3), ("categories", "have probabilities that sum to 1.1")),
    ],
)
def test_probabilities_of_the_typical_patient_must_sum_to_one(
    values: tuple[float, ...], flaw: tuple[str, str] | None
) -> None:
    found = KIND.flaw(GRADES, values)
    if flaw is None:
        assert found is None
    else:
        assert found is not None
        assert found[0] == flaw[0]
        assert found[1].startswith(flaw[1])
