"""What a parameter means, for whoever reads its symbol."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.console.patient.parameter_words import BY_SYMBOL, rests_on, said_of
from twin import load_model

NAMED = {each.name: each for each in load_model("docetaxel_ozawa2007").parameters}


def test_the_note_of_the_model_file_comes_first() -> None:
    assert said_of(replace(NAMED["V1"], note="the\nblood")) == "the blood"


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [
        ("CL", "L/h", "clearance"),
        ("CL", "1/h", None),
        ("V1", "L", "volume of distribution"),
        ("Q", "L/h", "flow between"),
        ("Slope", "L/mg", "how strongly the drug acts"),
        ("KA", "1/h", "absorbed"),
        ("ktr", "1/d", "rate constant"),
        ("IC50_VEGF", "mg.h/L", "half of the effect"),
        ("A1_SBP", "mm[Hg]", None),
    ],
)
def test_a_symbol_is_read_where_its_unit_says_the_same(name: str, unit: str, words: str | None) -> None:
    said = said_of(replace(NAMED["V1"], name=name, unit=unit, note=None))
    if words is None:
        assert said is None
    else:
        assert said is not None
        assert words in said
        assert said.endswith(f"({BY_SYMBOL})")


def test_a_number_says_on_what_it_rests() -> None:
    assert (rests_on(NAMED["CL"]) or "").startswith("Ozawa 2007")
    assert rests_on(replace(NAMED["CL"], source=None, assumed="usual")) == "assumed: usual"
    assert rests_on(replace(NAMED["CL"], source=None, assumed=None)) is None
