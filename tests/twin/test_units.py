"""Units: values of known conversions, and everything that must not convert."""

from __future__ import annotations

import contextlib
import doctest
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark.exceptions import VisitError
from ucumvert import PintUcumRegistry, UcumToPintTransformer, get_ucum_parser
from ucumvert.xml_util import get_metric_units, get_non_metric_units

from twin import units
from twin.events import Quantity
from twin.spellings import SPELLINGS, canonical_spelling
from twin.units import UnitError, convert, drug_amount, drug_rate, family, quantity_of


def test_the_registry_reads_codes_as_ucumverts_own_does() -> None:
    parser = get_ucum_parser()
    ours, theirs = (UcumToPintTransformer(ureg=one) for one in (quantity_of("mg")._REGISTRY, PintUcumRegistry()))

    def read(reader: UcumToPintTransformer, code: str) -> str:
        try:
            quantity = reader.transform(parser.parse(code))
            return f"{quantity} = {quantity.to_root_units()!r}"
        except VisitError as error:  # a few that UCUM has and pint has not
            return str(error)

    said = [(read(ours, code), read(theirs, code)) for code in (*get_metric_units(), *get_non_metric_units())]
    assert [one for one, other in said if one != other] == []
    assert sum("=" in one for one, _ in said) > 290


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(units).failed == 0


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (1, "mg/L", "mg/L", 1),
        (250, "ng/mL", "mg/L", 0.25),
        (1, "ug", "mg", 0.001),
        (2, "g", "mg", 2000),
        (1, "mg/min", "mg/h", 60),
        (1, "mg/h", "mg/d", 24),
        (1, "mg.h/L", "ug.min/mL", 60),
        (1, "wk", "d", 7),
        (4, "10*3/uL", "10*9/L", 4),
        (4000, "/uL", "10*9/L", 4),
        (4, "10^9/L", "10*9/L", 4),
        (98, "%", "1", 0.98),
        (60, "{beats}/min", "/min", 60),
        (12, "{steps}", "1", 12),
        (1, "mL/min/{1.73_m2}", "L/h/{1.73_m2}", 0.06),
        (3.9, "g/dL", "g/L", 39),
        (37, "Cel", "K", 310.15),
        (98.6, "[degF]", "Cel", 37),
        (16, "kPa", "mm[Hg]", 120.009852),
        (175, "cm", "m", 1.75),
        (1, "[lb_av]", "kg", 0.45359237),
        (0, "ug/mL", "mg/L", 0),
    ],
)
def test_known_conversions(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-8)


def test_factors_of_ten_are_exact() -> None:
    assert convert(1, "ug", "mg") == 0.001
    assert convert(3, "mg/L", "ng/mL") == 3000.0


def test_mass_and_substance_convert_by_the_molar_mass() -> None:
    assert convert(1, "umol/L", "mg/L", molar_mass=454.44) == pytest.approx(0.45444, rel=1e-15)
    assert convert(0.45444, "mg/L", "umol/L", molar_mass=454.44) == pytest.approx(1, rel=1e-14)
    with pytest.raises(UnitError, match="or give the molar mass"):
        convert(1, "umol/L", "mg/L")


@pytest.mark.parametrize(
    ("unit", "to"),
    [
        ("[iU]/L", "10*9/L"),
        ("[iU]/L", "/L"),
        ("U/L", "[iU]/L"),
        ("mg/kg", "%"),
        ("mg/kg", "1"),
        ("mg/kg/h", "/h"),
        ("mmol/mol", "%"),
        ("osm/L", "mol/L"),
        ("rad", "1"),
        ("mL/min/{1.73_m2}", "mL/min"),
        ("mL/min/1.73.m2", "mL/min"),
        ("MG/L", "mg/L"),
        ("G/L", "10*9/L"),
        ("K/uL", "10*9/L"),
        ("mg/h", "mg"),
        ("mg/m2", "mg"),
        ("mL/h", "mg/h"),
        ("dB", "1"),
    ],
)
def test_units_of_different_kinds_do_not_convert_though_dimensions_may_agree(unit: str, to: str) -> None:
    with pytest.raises(UnitError, match="is expected") as caught:
        convert(1, unit, to)
    assert f"unit '{unit}' is " in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "to", "text"),
    [
        (
            "umol/L",
            "mg/h",
            "unit 'umol/L' is a substance concentration (like umol/L), where a mass rate (like mg/h) is expected; "
            "send it in 'mg/h' or a unit of that kind",
        ),
        (
            "G/L",
            "10*9/L",
            "unit 'G/L' is [mass] ** 0.5 / [length] ** 3.5 / [time], where a count per volume (like 10*9/L) is "
            "expected; did you mean '10*9/L'?",
        ),
        ("10*999/L", "/L", "unit '10*999/L' has an exponent beyond 30; check it"),
        ("g%", "mg", "unit 'g%' multiplies percent by another unit; write it without '%'"),
        ("", "mg", "unit '' is not a UCUM code; write e.g. 'mg/L', or '1' for a plain number"),
        (
            "mg L",
            "mg",
            "unit 'mg L' is not a UCUM code; UCUM codes have no blanks and mind upper and lower case, "
            "e.g. 'mg/L', 'umol/L', '10*9/L'",
        ),
    ],
)
def test_messages_name_the_unit_the_expectation_and_the_mend(unit: str, to: str, text: str) -> None:
    with pytest.raises(UnitError) as caught:
        convert(1, unit, to)
    assert str(caught.value) == text


@pytest.mark.parametrize("unit", ["bananas", "[pH]", "m" * 80, "mg/(((L", "5mg", "mg/L/", "Cel/h", "\x00", "🙂", "m-"])
def test_what_is_no_unit_is_refused(unit: str) -> None:
    with pytest.raises(UnitError):
        quantity_of(unit)


@given(st.text(max_size=32))
def test_any_text_is_either_a_unit_or_refused_as_one(unit: str) -> None:
    with contextlib.suppress(UnitError):
        quantity_of(unit)


@pytest.mark.parametrize("local", sorted(SPELLINGS))
def test_local_spellings_mean_their_ucum_code(local: str) -> None:
    ucum = canonical_spelling(local)
    assert convert(1, local, ucum) == convert(1, ucum, ucum) == 1
    assert canonical_spelling(ucum) == ucum


@pytest.mark.parametrize(
    ("local", "ucum"), [("mcg/kg/min", "ug/kg/min"), ("µmol/L", "umol/L"), ("μg", "ug"), (" mg ", "mg")]
)
def test_micro_is_understood_anywhere_in_a_code(local: str, ucum: str) -> None:
    assert canonical_spelling(local) == ucum


CODES = [
    "mg",
    "g",
    "ug",
    "mg/L",
    "ng/mL",
    "g/dL",
    "mg/h",
    "ug/min",
    "10*9/L",
    "/uL",
    "h",
    "d",
    "min",
    "mg.h/L",
    "Cel",
    "K",
]


@given(st.sampled_from(CODES), st.sampled_from(CODES), st.floats(-1e6, 1e6))
def test_converting_there_and_back_gives_the_value(unit: str, to: str, value: float) -> None:
    if family(unit) != family(to):
        with pytest.raises(UnitError):
            convert(value, unit, to)
        return
    assert convert(convert(value, unit, to), to, unit) == pytest.approx(value, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("value", [1e308, math.nan, math.inf])
def test_a_result_that_is_no_finite_number_is_refused(value: float) -> None:
    with pytest.raises(UnitError, match="is not a finite number of mg; check the value"):
        convert(value, "kg", "mg")


def test_a_volume_rate_needs_and_uses_the_concentration() -> None:
    flow, strength = Quantity(value=5, unit="mL/h"), Quantity(value=2, unit="g/L")
    assert drug_rate(flow, strength) == 10.0
    assert drug_rate(flow, strength, "mg/d") == 240.0
    with pytest.raises(UnitError, match="unit 'mL/h' counts volume; send 'concentration'"):
        drug_rate(flow, None)


def test_a_drug_rate_stands_for_itself() -> None:
    assert drug_rate(Quantity(value=100, unit="ug/min"), None) == 6.0
    assert drug_rate(Quantity(value=6, unit="mg/h"), Quantity(value=2, unit="mg/mL")) == 6.0


def test_a_volume_delivered_is_an_amount_by_its_concentration() -> None:
    assert drug_amount(Quantity(value=0.1, unit="L"), Quantity(value=10, unit="mg/mL")) == pytest.approx(1000)
    assert drug_amount(Quantity(value=1, unit="g"), None) == 1000
    with pytest.raises(UnitError, match="concentration"):
        drug_amount(Quantity(value=1, unit="mL"), None)
    with pytest.raises(UnitError, match="a mass concentration"):
        drug_amount(Quantity(value=1, unit="mL"), Quantity(value=1, unit="mg"))


def test_the_pinned_registry_reads_international_units() -> None:
    quantity_of("[iU]/L")


def test_importing_the_module_does_not_build_the_registry() -> None:
    script = "import twin.units; assert not twin.units._UCUM"
    subprocess.run([sys.executable, "-c", script], check=True)
