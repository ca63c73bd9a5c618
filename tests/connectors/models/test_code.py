"""Formulas of other languages as trees of the model language."""

from __future__ import annotations

import pytest

from connectors.models.code import formula
from connectors.models.formulas import text
from connectors.models.source import SourceError


@pytest.mark.parametrize(
    ("written", "dialect", "meant"),
    [
        ("0.0377*X + 007*Y", "fortran", "0.0377 * X + 7 * Y"),
        ("DEXP(-1.5D-3*T)", "fortran", "exp(-0.0015 * T)"),
        ("A(1)/S2 + THETA(3)**.75", "fortran", "A_1 / S2 + THETA_3 ** 0.75"),
        ("pow(WT/70, 0.75)*(x > 1 ? 2 : 3)", "c", "(WT / 70) ** 0.75 * where(x > 1, 2, 3)"),
        ("ifelse(x > 1 & y < 2, 3, 4)", "r", "where(x > 1, where(y < 2, 3, 4), 4)"),
        ("expit(a) + log10(b)", "r", "1 / (1 + exp(-a)) + log(b) / log(10)"),
        ("a^2 - -b", "r", "a ** 2 - -b"),
    ],
)
def test_a_formula_keeps_its_meaning(written: str, dialect: str, meant: str) -> None:
    assert text(formula(written, dialect, "x", 1)) == meant


def test_what_is_no_formula_is_named() -> None:
    with pytest.raises(SourceError, match="x:7: 'a b'"):
        formula("a b", "c", "x", 7)
    with pytest.raises(SourceError, match="cannot be read"):
        formula("a[1]", "c", "x", 7)
    with pytest.raises(SourceError, match="nested over"):
        formula("(-" * 150 + "a" + ")" * 150, "c", "x", 7)
