"""Which unit a source means: what it says or its profile does, never a guess."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import NotAFact
from connectors.facts.units_of_sources import quantity


def count(value: float, text: str | None, **changes: Any) -> Any:
    return quantity(value, text, "10*9/L", **({"means": {}, "low": 0.0, "high": 500.0} | changes))


@pytest.mark.parametrize("text", ["10*9/L", "10*3/uL", "10^9/L", "x10E3/uL", "{cells}/uL"])
def test_spellings_that_can_mean_one_thing_only_are_read(text: str) -> None:
    found = count(3.0, text)
    assert (found.value, found.unit) == (3.0, text)


@pytest.mark.parametrize("text", ["K/uL", "Thousand/uL", "giga.l-1", "g/l-1", "F", "C", "%", "mg/L", "Geheimnis"])
def test_a_text_that_is_no_unit_of_it_is_refused_until_the_profile_says_what_it_means(text: str) -> None:
    with pytest.raises(NotAFact, match="unknown_unit"):
        count(3.0, text)
    assert count(3.0, text, means={text: "10*3/uL"}).unit == "10*3/uL"


@pytest.mark.parametrize("text", ["", None])
def test_a_number_alone_is_none(text: str | None) -> None:
    with pytest.raises(NotAFact, match="no_unit"):
        count(3.0, text)


def test_what_cannot_be_is_out_of_range() -> None:
    for value, text in ((-1.0, "10*9/L"), (501.0, "10*9/L"), (3e6, "/uL")):
        with pytest.raises(NotAFact, match="out_of_range"):
            count(value, text)
    with pytest.raises(NotAFact, match="out_of_range"):
        quantity(12.5, "g/mL", "g/L", means={}, low=5.0, high=300.0)
    with pytest.raises(NotAFact, match="out_of_range"):
        quantity(97.0, "1", "%", means={}, low=20.0, high=100.0)


def test_masses_become_amounts_by_the_molar_mass_alone() -> None:
    assert quantity(1.0, "mg/dL", "umol/L", means={}, low=5.0, high=5000.0, molar_mass=113.12).value == 1.0
    with pytest.raises(NotAFact, match="unknown_unit"):
        quantity(1.0, "mg/dL", "umol/L", means={})


@given(st.floats(), st.text(max_size=30) | st.sampled_from(["10*9/L", "/uL", "10*3/uL"]))
def test_whatever_the_text_the_answer_is_a_quantity_or_a_reason_that_shows_nobody(value: float, text: str) -> None:
    unit, reason, detail = text, "no_unit", ""
    try:
        unit = count(value, text).unit
    except NotAFact as error:
        reason, detail = error.reason, error.detail
    assert unit == text
    assert reason in ("no_unit", "unknown_unit", "out_of_range")
    assert len(detail) < 400
