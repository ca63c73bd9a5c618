"""Which values were measured together, and what each is told beside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.observation.together import CORRELATION, model
from tests.twin.observation.together import SD as SIZES
from twin.observation.likelihood import output_of
from twin.observation.observation import (
    MeasuredValue,
    Observation,
    by_themselves,
    in_turn,
    measured_together,
)

OUTPUTS = model().outputs
ERRORS = [output.error for output in OUTPUTS]


def seen(millis: int, output: int, value: float = 1.0, number: int = 0, below: float | None = None) -> Observation:
    return Observation(millis, f"{millis} {output} {number}", output, value, below, number=number)


def test_values_of_one_instant_are_together_and_each_is_told_beside_those_before_it() -> None:
    values = [seen(5, 1, 7.0), seen(5, 0, 3.0), seen(5, 2, 4.0), seen(6, 0)]
    assert measured_together(values, ERRORS) == [[1, 0, 2]]
    first, second, third, alone = in_turn(values, ERRORS)
    assert (first.earlier, alone.earlier) == ((), ())
    assert second.earlier == (MeasuredValue(7.0, output=1),)
    assert third.earlier == (MeasuredValue(7.0, output=1), MeasuredValue(3.0, output=0))
    assert [o.reads for o in (first, second, third, alone)] == [(1,), (0, 1), (2, 1, 0), (0,)]


def test_replicates_pair_in_their_order_and_what_has_no_residual_counts_by_itself() -> None:
    values = [seen(5, 0), seen(5, 0, 2.0, 1), seen(5, 1, below=2.0), seen(5, 1, 8.0, 1), seen(5, 2)]
    assert measured_together(values, ERRORS) == [[0, 4], [1, 3]]
    moments = replace(seen(9, 1), moments=(8, 9, 10))
    assert measured_together([seen(9, 0), moments], ERRORS) == []
    logarithmic = replace(ERRORS[1], kind="log_additive")
    assert measured_together([seen(9, 0), seen(9, 1, 0.0)], [ERRORS[0], logarithmic, ERRORS[2]]) == []


def test_without_correlations_values_stay_the_objects_they_were() -> None:
    values = (seen(5, 0), seen(5, 1))
    apart = [replace(error, beside=()) for error in ERRORS]
    assert all(one is other for one, other in zip(values, in_turn(values, apart), strict=True))
    assert measured_together(values, apart) == []


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), unique=True, max_size=9))
def test_set_in_turn_again_nothing_changes_and_by_themselves_they_are_as_before(places: list[tuple[int, int]]) -> None:
    values = tuple(seen(millis, output) for millis, output in places)
    found = in_turn(values, ERRORS)
    assert in_turn(found, ERRORS) == found
    assert by_themselves(found) == values
    corrected = [replace(o, value=5.0) for o in found]
    assert all(other.value == 5.0 for o in in_turn(corrected, ERRORS) for other in o.earlier)


def test_a_value_beside_others_has_the_law_of_a_normal_given_them() -> None:
    """Of the marker given the others, in the order in which these came."""
    *_, third = in_turn([seen(5, 1), seen(5, 0), seen(5, 2)], ERRORS)
    law = output_of(OUTPUTS, third).error.given
    assert law is not None
    others = CORRELATION[np.ix_([1, 0], [1, 0])]
    slope = np.linalg.solve(others, CORRELATION[2, [1, 0]])
    np.testing.assert_allclose(law.slope, slope)
    np.testing.assert_allclose(law.sd**2, 1.0 - slope @ CORRELATION[2, [1, 0]])
    assert [error.additive for error in law.errors] == [SIZES[1], SIZES[0]]
    assert output_of(OUTPUTS, seen(5, 2)) is OUTPUTS[2]
