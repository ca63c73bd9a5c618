"""Numbers of an error go to the scale that they move on and back, and an error has those of its kind."""

from __future__ import annotations

import math

import pytest

from twin.model.measured.error import ErrorSpec, OutlierSpec, ReadingsSpec
from twin.model.measured.error_numbers import NUMBERS, number_called, number_of, numbers_of, renumbered

VALUES = {
    "additive": 0.3, "proportional": 0.2, "dispersion": 0.7, "exponent": -0.4, "box_cox": -0.3, "df": 4.5,
    "outlier_share": 0.07, "outlier_widening": 6.0, "replicate_correlation": 0.35, "independent": 2.5, "vital_df": 4.0,
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_there_and_back_is_where_it_began_and_slopes_are_what_differences_say(name: str) -> None:
    number, value, h = number_of(name), VALUES[name], 1e-6
    place = number.placed(value)
    assert number.natural(place) == pytest.approx(value, rel=1e-14)
    assert number.moved(value, 0.3) == pytest.approx(number.natural(place + 0.3), rel=1e-13)
    between = (number.natural(place + h) - number.natural(place - h)) / (2 * h)
    assert number.slope(value) == pytest.approx(between, rel=1e-7)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("place", [-30.0, 30.0])
def test_wherever_it_goes_it_stays_between_its_ends(name: str, place: float) -> None:
    number = number_of(name)
    assert number.low <= number.natural(place) <= number.high
    assert number.holds(VALUES[name])
    assert not number.holds(number.low)


def test_an_error_has_the_numbers_of_its_kind() -> None:
    def names(error: ErrorSpec) -> list[str]:
        return [NUMBERS[n].name for n in numbers_of(error)]

    assert names(ErrorSpec("proportional", 0.0, 0.2, None, None, None)) == ["proportional"]
    power = ErrorSpec("power", 0.1, 0.2, 5.0, None, None, exponent=0.5, outliers=OutlierSpec(0.1, 5.0))
    assert names(power) == ["additive", "proportional", "exponent", "df", "outlier_share", "outlier_widening"]
    transformed = ErrorSpec("box_cox", 0.1, 0.0, None, None, None, box_cox=0.0)
    assert names(transformed) == ["additive", "box_cox"]
    counted = ErrorSpec("negative_binomial", 0.0, 0.0, None, None, None, dispersion=0.4)
    assert names(counted) == ["dispersion"]


def test_others_stay_as_they_are() -> None:
    power = ErrorSpec("power", 0.0, 0.2, None, None, None, exponent=0.5, outliers=OutlierSpec(0.1, 5.0))
    moved = renumbered(power, {"exponent": 0.0, "outlier_share": 0.2})
    assert (moved.exponent, moved.proportional, moved.outliers) == (0.0, 0.2, OutlierSpec(0.2, 5.0))
    assert renumbered(power, {"df": 7.0}).outliers == power.outliers
    assert math.isinf(number_of("exponent").low)


def test_what_readings_scatter_by_is_a_number_of_a_section_of_its_own() -> None:
    error = ErrorSpec("additive", 5.0, 0.0, None, None, None, readings=ReadingsSpec(2.0, 4.0))
    called = [NUMBERS[n].called("pressure") for n in numbers_of(error)]
    assert called == ["error.pressure.additive", "vital.pressure.independent", "vital.pressure.df"]
    assert [number_called(name) for name in called] == [NUMBERS[n] for n in numbers_of(error)]
    assert number_called("vital.pressure.additive") is number_called("omega.pressure") is number_called("V") is None
    moved = renumbered(error, {"independent": 3.0, "additive": 4.0})
    assert (moved.additive, moved.readings) == (4.0, ReadingsSpec(3.0, 4.0))
    one = ErrorSpec("additive", 5.0, 0.0, None, None, None, readings=ReadingsSpec(1.0, 4.0))
    assert [NUMBERS[n].name for n in numbers_of(one)] == ["additive", "vital_df"]
