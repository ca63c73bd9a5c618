"""Toxicities in a model file: below or above, at all or lasting, and as the CTCAE grades them."""

from __future__ import annotations

import re

import pytest

from twin import load_model
from twin.model.spec import ModelError
from twin.modelfile.reader import content_of, read_model

TEXT = load_model("docetaxel_ozawa2007").text


def read(text: str) -> object:
    return read_model(content_of(text, "m.toml"), text, "m.toml")


def test_several_toxicities_are_read_with_their_grade_and_how_long_they_last() -> None:
    severe, prolonged = load_model("docetaxel_ozawa2007").toxicities
    assert (severe.side, severe.limit, severe.lasting, severe.grade, severe.ctcae) == ("below", 0.5, 0.0, 4, "5.0")
    assert (prolonged.side, prolonged.limit, prolonged.lasting, prolonged.grade) == ("below", 0.5, 168.0, None)
    (pressure,) = load_model("sunitinib_dbp_hansson2013").toxicities
    assert (pressure.side, pressure.limit, pressure.unit, pressure.grade) == ("above", 100.0, "mm[Hg]", 3)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("below = 0.5", "below = 0.5\nabove = 9.0", "toxicities.neutropenia_g4.above: is there beside 'below'"),
        ("below = 0.5", "below = 0.6", "is 0.6 10*9/L: CTCAE v5.0 has below 0.5 10*9/L"),
        ("grade = 4", "grade = 1", "is 1: CTCAE v5.0 has no limit for it in neutrophils"),
        ("lasting = 168", "lasting = 1000", "is 1000, more than 'horizon' 504"),
        ('criterion = "neutrophils"', 'criterion = "neutrophil"', "'neutrophil' is not known; write one of"),
        ("below = 0.5", "belov = 0.5", "unknown key; did you mean 'below'?"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_a_mend(old: str, new: str, says: str) -> None:
    with pytest.raises(ModelError, match=re.escape(says)):
        read(TEXT.replace(old, new, 1))
