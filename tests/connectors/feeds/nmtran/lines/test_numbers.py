"""Numbers in cells of data files."""

from __future__ import annotations

import doctest

import pytest

from connectors.feeds.nmtran.lines import numbers
from connectors.feeds.nmtran.lines.numbers import as_number, is_number, whole_number


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(numbers).failed == 0


@pytest.mark.parametrize(
    ("cell", "value"), [("3", 3.0), ("-.5", -0.5), ("9.6D1", 96.0), ("9.6d+01", 96.0), ("1E-2", 0.01)]
)
def test_numbers_are_read_as_fortran_writes_them_too(cell: str, value: float) -> None:
    assert is_number(cell)
    assert as_number(cell) == value


@pytest.mark.parametrize("cell", ["", ".", "NA", "nan", "inf", "1_0", "1,5", "D1", "3D", "0x1"])
def test_what_python_alone_or_nobody_takes_for_a_number_is_none(cell: str) -> None:
    assert not is_number(cell)
    assert as_number(cell) != as_number(cell)


@pytest.mark.parametrize(
    ("cell", "plain"), [("101.0", "101"), ("1.01E+02", "101"), ("1.5", None), ("A1", None), ("1E300", None)]
)
def test_a_whole_number_is_written_in_its_plainest_form(cell: str, plain: str | None) -> None:
    assert whole_number(cell) == plain
