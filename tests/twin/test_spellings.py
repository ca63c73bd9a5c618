"""What was probably meant by a unit that is none: always a unit, whatever the upper and lower case."""

from __future__ import annotations

import doctest
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin import spellings
from twin.spellings import meant
from twin.units import UnitError, convert, quantity_of

WRONG = {
    "ng/mL": [
        "NG/ML",
        "Ng/mL",
        "ng/ML",
        "ng per mL",
        "ng / ml",
        "ng.ml-1",
        "ng mL-1",
        "ng ml^-1",
        "ng*ml**-1",
        "nanogram/ml",
    ],
    "ug/mL": ["UG/ML", "MCG/ML", "Mcg/mL", "ug per ml", "µG/ML", "microgram/mL", "ug ml-1", "ug/cc"],
    "mg/L": [
        "MG/L",
        "Mg/L",
        "mg per l",
        "mg L-1",
        "mg l^-1",
        "mg/litre",
        "milligram/L",
        "mg / L",
        "mg/ltr",
        "MG/LITER",
    ],
    "mg/dL": ["MG/DL", "Mg/Dl", "mg per dl", "mg dl-1", "mg/ DL"],
    "g/L": ["gm/L", "gram/L", "g per L", "grams/litre"],
    "g/dL": ["GM/DL", "gm/dl", "G/DL"],
    "pg/mL": ["PG/ML", "Pg/Ml", "pg per mL"],
    "umol/L": ["UMOL/L", "Umol/L", "umol per l", "µMOL/L", "micromol/L", "umol l-1", "uM"],
    "nmol/L": ["NMOL/L", "nMol/l", "nmol per L", "nM"],
    "mmol/L": ["MMOL/L", "mMol/L", "mmol l-1", "mmol per litre"],
    "10*9/L": [
        "10^9 / L",
        "10**9/L",
        "x 10^9/L",
        "X10E9/L",
        "x10e9/l",
        "10E9 / l",
        "Gpt/L",
        "giga/L",
        "10exp9/L",
        "G/L",
    ],
    "10*3/uL": ["K/uL", "K/UL", "k/ul", "10^3 / uL", "10**3/uL", "x10e3/ul", "thou/uL", "THOU/UL", "10*3 / uL"],
    "10*6/uL": ["M/uL", "M/UL", "mio/uL"],
    "/uL": ["cells / uL", "cells/UL", "CELLS/UL"],
    "mg.h/L": [
        "mg*h/L",
        "mg·h/L",
        "mg*hr/L",
        "MG*H/L",
        "mg x h/L",
        "mg-h/L",
        "mg h/L",
        "mg.hr/l",
        "mg hr L-1",
        "h*mg/L",
    ],
    "ng.h/mL": ["ng*h/mL", "NG*HR/ML", "ng hr/ml", "h*ng/ml", "ng·hr/mL"],
    "mg/m2": ["mg/m^2", "MG/M2", "mg per m2", "mg/m**2", "mg/sqm", "mg m-2"],
    "mL/min": ["ML/MIN", "Ml/Min", "ml per min", "cc/min", "mL/minute"],
    "mL/h": ["ML/H", "ML/HR", "ml per hour", "mL/hrs", "cc/hr"],
    "mg/h": ["MG/H", "MG/HR", "mg per hour", "mg h-1", "mg/hours"],
    "mL/min/{1.73_m2}": ["mL/min/1.73m2", "ml/min/1.73 m2", "ML/MIN/1.73M2", "mL/min/1.73m^2", "ml/min/1,73m2"],
    "[iU]/L": ["iu/l", "Iu/L", "IU / L", "ie/l"],
    "U/L": ["units/L", "u/l", "unit/L"],
    "meq/L": ["mEq/L", "MEQ/L"],
    "mm[Hg]": ["mmhg", "MMHG", "mm Hg", "mm[HG]"],
    "kg": ["KG", "Kg", "kgs"],
    "Cel": ["C", "degC", "deg C", "celsius"],
    "%": ["percent", "PCT"],
    "h": ["HR", "Hours", "hrs"],
}  # fmt: skip
SPELLINGS = [(spelling, code) for code, spelt in WRONG.items() for spelling in spelt]


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(spellings).failed == 0


def test_a_hundred_and_more_wrong_spellings_lead_to_the_unit() -> None:
    assert len(SPELLINGS) > 110
    lost = []
    for spelling, code in SPELLINGS:
        try:
            value = convert(1.0, spelling, code)
        except UnitError as error:
            hint = str(error).partition("did you mean '")[2].partition("'")[0]
            try:
                right = bool(hint) and convert(1.0, hint, code) == pytest.approx(1.0)
            except UnitError:
                right = False
        else:
            hint, right = "understood", value == pytest.approx(1.0)
        if not right:
            lost.append((spelling, code, hint))
    assert lost == []


PARTS = (
    "NG",
    "Ml",
    "UMOL",
    "l",
    "HR",
    "m2",
    "10^9",
    "x",
    "%",
    "K",
    "per",
    "1.73",
    "[iu]",
    "°",
    "{a}",
    "²",
    "-1",
    "blub",
    "MG",
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=12), st.lists(st.sampled_from(PARTS), max_size=4).map("/".join)))
def test_every_hint_is_a_unit(text: str) -> None:
    try:
        quantity_of(text)
    except UnitError as error:
        hint = str(error).partition("did you mean '")[2].partition("'")[0]
        if hint:
            quantity_of(hint)


def test_what_is_a_unit_only_by_a_wrong_upper_case_is_refused() -> None:
    with pytest.raises(UnitError, match="'ng/ML' counts in megaliters, which nobody measures; did you mean 'ng/mL'"):
        convert(1.0, "ng/ML", "mg/L")
    assert convert(1.0, "MBq", "kBq") == 1000


def test_upper_and_lower_case_never_matter_to_the_guess() -> None:
    for code in ("ng/mL", "umol/L", "mg.h/L"):
        for upper in product((False, True), repeat=4):
            letters = iter(upper + (True,) * len(code))
            assert next(meant("".join(c.upper() if next(letters) else c.lower() for c in code))) == code
