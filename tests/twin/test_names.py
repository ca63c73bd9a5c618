"""Names and texts from outside."""

from __future__ import annotations

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import names
from twin.names import is_alias, is_name, is_unit_text, shown, unprintable


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(names).failed == 0


@given(st.text(max_size=70))
def test_a_name_is_letters_digits_and_underscores(text: str) -> None:
    plain = text.isascii() and text.replace("_", "a").isalnum() and text[:1].isalpha() and len(text) <= 64
    assert is_name(text) == plain


@pytest.mark.parametrize(
    ("text", "alias"), [("IL-6", True), ("CA 125", False), ("-x", False), ("G-CSF", True), ("", False)]
)
def test_an_alias_is_what_laboratories_write(text: str, alias: bool) -> None:
    assert is_alias(text) == alias


@pytest.mark.parametrize(
    ("text", "unit"), [("10*9/L", True), ("mL/min/{1.73_m2}", True), ("mg/m²", True), ('mg"', False)]
)
def test_a_unit_has_only_characters_of_units(text: str, unit: bool) -> None:
    assert is_unit_text(text) == unit


@given(st.text())
def test_what_is_shown_cannot_move_a_terminal(text: str) -> None:
    said = shown(text, 50)
    assert unprintable(said) is None
    assert not {unicodedata.category(c) for c in said if c not in "\n\t"} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    if unprintable(text) is None and len(text) <= 50:
        assert said == text
