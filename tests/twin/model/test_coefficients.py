"""What of an input's coefficient is a bioavailability, and what is known of a dose when it is given."""

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


def parts(derivative: str, unit: str = "mg", **changed: str) -> tuple[str, str | None, str | None]:
    """Value, weight and bioavailability of what multiplies the input."""
    shown = {"mg": "mg/L", "umol": "umol/L"}[unit]
    extra = (
        '[derived.falling]\nunit = "1"\nexpression = "exp(-k*span(toxin))"\n'
        '[derived.rF]\nunit = "1"\nexpression = "F*falling/2"\n'
    )
    parameters = PARAMETERS | {"half": "300 mg", "tire": "0.01 1/h 0.04"} | changed
    model = toys.made(parameters, {"A": f"{unit}: {derivative} - k*A"}, {"plasma": f"{shown}: A/V"}, extra=extra)
    structure = analyse(model)
    (call,) = structure.inputs
    of = {name: getattr(structure, name).get(call) for name in ("weights", "fractions")}
    value = ast.unparse(structure.equations["A"].inputs[call])
    for name, formula in structure.unweighed.items():
        value = value.replace(name, f"[{ast.unparse(formula)}]")
    weight, fraction = (None if each is None else ast.unparse(each) for each in of.values())
    return value, weight, fraction


@pytest.mark.parametrize(
    ("derivative", "value", "weight"),
    [
        ("exp(-k*span(toxin))*input(toxin)", "1.0", "exp(-k * span(toxin))"),
        ("F*half/(half + dose(toxin))*input(toxin)", "F * half", "1.0 / (half + dose(toxin))"),
        ("0.4*rF*input(toxin)", "0.4 * F * (1.0 / 2)", "exp(-k * span(toxin))"),
        ("input(toxin)*falling", "1.0", "exp(-k * span(toxin))"),
    ],
)
def test_factors_that_ask_the_record_weigh_a_dose(derivative: str, value: str, weight: str) -> None:
    assert parts(derivative)[:2] == (value, weight)


def test_a_covariate_effect_that_asks_the_record_weighs_a_dose_too() -> None:
    effect = "0.8 1 0.09 | F*G*where(count(toxin) > 1, 0.5, 1)"
    assert parts("F*input(toxin)", F=effect)[:2] == ("[F * G]", "where(count(toxin) > 1, 0.5, 1)")


@pytest.mark.parametrize(
    "derivative",
    [
        "F*input(toxin)",
        "(F + 0.1*count(toxin))*input(toxin)",
        "F**(1 + count(toxin))*input(toxin)",
        "exp(-tire*span(toxin))*input(toxin)",
    ],
)
def test_what_differs_between_patients_is_no_weight(derivative: str) -> None:
    value, weight, fraction = parts(derivative)
    assert weight is None
    assert value == fraction == ast.unparse(ast.parse(derivative.removesuffix("*input(toxin)")))


def test_a_weight_is_a_part_of_the_bioavailability_into_a_mass_alone() -> None:
    assert parts("falling*input(toxin)")[2] == "1.0"
    assert parts("F*falling*input(toxin)")[2] == "F"
    # Into a substance only some factors are one: there the equations keep them all.
    assert parts("F*falling*input(toxin)/MW", "umol")[1:] == (None, "F * falling")
