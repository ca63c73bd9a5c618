"""What of an input's coefficient is a bioavailability."""

from __future__ import annotations

import ast

import pytest

from tests.twin import toys
from twin.model.structure import analyse
from twin.modelfile.reader import parse_model

PARAMETERS = {"k": "0.1 1/h", "V": "10 L", "F": "0.8 1 0.09", "G": "0.5 1", "MW": "0.4 mg/umol", "U": "1000 ug/mg"}


def fraction(derivative: str, unit: str = "mg", extra: str = "") -> str | None:
    shown = {"mg": "mg/L", "ug": "ug/L", "umol": "umol/L"}[unit]
    model = toys.made(PARAMETERS, {"A": f"{unit}: {derivative} - k*A"}, {"plasma": f"{shown}: A/V"}, extra=extra)
    structure = analyse(model)
    (call,) = structure.inputs
    assert (call in structure.late) == (call in structure.fractions)
    return ast.unparse(structure.fractions[call]) if call in structure.fractions else None


@pytest.mark.parametrize(
    ("derivative", "unit", "found"),
    [
        ("input(toxin)", "mg", None),
        ("F*input(toxin)", "mg", "F"),
        ("(1 - F)*input(toxin)", "mg", "1 - F"),
        ("0.5*input(toxin)", "mg", "0.5"),
        ("G*input(toxin)", "mg", "0.5"),
        ("1000*input(toxin)", "ug", None),
        ("U*input(toxin)", "ug", None),
        ("F*1000*input(toxin)", "ug", "F * 1000 / 1000.0"),
        ("input(toxin)/MW", "umol", None),
        ("F*input(toxin)/MW", "umol", "F"),
        ("F*G*input(toxin)/MW", "umol", "F * G"),
    ],
)
def test_it_is_what_is_left_besides_the_conversion_of_the_unit(derivative: str, unit: str, found: str | None) -> None:
    assert fraction(derivative, unit) == found


def test_a_model_file_may_let_it_change_the_rate() -> None:
    extra = f'[inputs.toxin]\nbioavailability_changes = "rate"\n{toys.SOURCE}\n'
    assert fraction("F*input(toxin)", extra=extra) is None
    with pytest.raises(ValueError, match="bioavailability_changes"):
        parse_model(toys.ABSORPTION + extra.replace('"rate"', '"amount"'), "toy.toml")
