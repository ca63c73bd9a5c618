"""What is known after a dose, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twin.nca.profile import NcaError, profile_of


def test_what_is_below_the_limit_is_zero_at_both_ends_and_left_out_between() -> None:
    found = profile_of(
        [0, 1, 2, 3, 4, 5, 6], [0.1, 5, 0.1, 4, 1, 0.1, 0.1], 100, "extravascular",
        below=[True, False, True, False, False, True, True],
    )  # fmt: skip
    assert found.times.tolist() == [0, 1, 3, 4, 5, 6]
    assert found.values.tolist() == [0, 5, 4, 1, 0, 0]
    assert found.last == 3


def test_missing_values_are_left_out_and_the_rest_is_put_in_order() -> None:
    found = profile_of([4, 1, 2], [1.0, 3.0, math.nan], 100, "bolus")
    assert (found.times.tolist(), found.values.tolist()) == ([1, 4], [3, 1])


def test_a_bolus_is_followed_back_and_nothing_was_there_before_another_dose() -> None:
    times, values = profile_of([1, 2, 4], [8, 4, 1], 100, "bolus").from_the_dose()
    assert times[0] == 0.0
    assert values[0] == pytest.approx(16.0)
    assert profile_of([1, 2], [8, 4], 100, "extravascular").from_the_dose()[1][0] == 0.0
    assert profile_of([1, 2], [8, 4], 100, "infusion", duration=0.5).from_the_dose()[1][0] == 0.0


@pytest.mark.parametrize("values", [[4, 8, 2], [0, 8, 2]])
def test_a_bolus_that_does_not_fall_at_first_holds_its_first_value(values: list[float]) -> None:
    assert profile_of([1, 2, 4], values, 100, "bolus").from_the_dose()[1][0] == values[0]


def test_before_a_dose_at_steady_state_the_lowest_value_of_the_interval_was_there() -> None:
    found = profile_of([1, 6, 12, 20], [8, 4, 2, 0.5], 100, "extravascular", tau=12)
    assert found.from_the_dose()[1][0] == 2.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"times": [-1, 2]}, "time -1 is before the dose"),
        ({"times": [1, 1]}, "time 1 has two values"),
        ({"times": [1, math.inf]}, "time inf: give the time"),
        ({"values": [3, -1]}, "value -1 is negative"),
        ({"values": [0, 0]}, "no value is above 0"),
        ({"values": [1, 2, 3]}, "2 times, 3 values"),
        ({"dose": 0}, "dose 0: it has to be a positive number"),
        ({"duration": 1}, "duration 1 of a dose by bolus"),
        ({"route": "infusion"}, "duration 0 of a dose by infusion"),
        ({"route": "oral"}, "route 'oral': it is one of extravascular"),
        ({"tau": -3}, "tau -3"),
    ],
)
def test_what_cannot_be_analysed_is_refused_by_name(change: dict[str, object], said: str) -> None:
    given: dict[str, object] = {"times": [1, 2], "values": [3, 1], "dose": 10, "route": "bolus"}
    with pytest.raises(NcaError, match=said):
        profile_of(**{**given, **change})  # type: ignore[arg-type]


def test_a_profile_copies_what_it_was_given() -> None:
    values = np.array([3.0, 1.0])
    profile_of([1, 2], values, 10, "bolus", below=[False, True])
    assert values.tolist() == [3.0, 1.0]
