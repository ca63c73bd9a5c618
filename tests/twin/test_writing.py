"""How numbers, units and lengths of time are written for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.writing import duration, number, unit


@given(st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-12))
def test_a_number_is_read_back_to_three_digits_and_has_no_exponent_of_a_programmer(value: float) -> None:
    text = number(value)
    assert "e" not in text
    powers = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    assert float(text.replace("×10", "e").translate(powers)) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_a_dash(value: float) -> None:
    assert number(value) == "–"


def test_ends_of_an_interval_are_written_alike() -> None:
    assert (number(171234.0), number(1.0)) == ("171000", "1")


@pytest.mark.parametrize(
    ("ucum", "written"),
    [("10*9/L", "×10⁹/L"), ("10*3/uL", "×10³/µL"), ("nmol/10*9", "nmol/10⁹"), ("mL/min/{1.73_m2}", "mL/min/1.73 m²")],
)
def test_a_unit_is_written_as_people_do(ucum: str, written: str) -> None:
    assert unit(ucum) == written


def test_long_times_are_days_and_short_ones_minutes() -> None:
    lengths = ((504.0, "h"), (47.0, "h"), (0.5, "h"), (3.0, "d"))
    assert [duration(*each) for each in lengths] == ["21 d", "47 h", "30 min", "3 d"]
