"""Dimension checks: what each reading of a bare number allows, and which mistakes are caught with which words."""

from __future__ import annotations

import pytest

from twin.model.formula import parse_expression
from twin.model.spec import ModelError
from twin.modelfile.dimensions import DimensionError, Measure, measure
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model
from twin.units import quantity_of

UNITS = {"CL": "L/h", "Q": "mL/h", "V": "L", "A": "mg", "MTT": "h", "gamma": "1", "t": "h", "AGE": "a", "BSA": "m2"}
COVARIATES = {"AGE", "BSA"}
ENV = {name: Measure(quantity_of(unit), covariate=name in COVARIATES) for name, unit in UNITS.items()} | {
    "input": Measure(quantity_of("mg/h")),
    "pulse": Measure(quantity_of("/h")),
}


def unit_of(text: str) -> object:
    return measure(parse_expression(text, list(UNITS), ["drug"]), ENV).unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("CL/V*A", "mg/h"),
        ("input(drug) - CL/V*A", "mg/h"),
        ("A*pulse(drug)", "mg/h"),
        ("4/MTT", "/h"),
        ("sqrt(V*V)", "L"),
        ("V**2/V", "L"),
        ("pow(V, 2)/V", "L"),
        ("min(A, 2*A, 0)", "mg"),
        ("where(AGE > 65, CL, 2*CL)", "L/h"),
        ("where(t > 3, 0, A)", "mg"),
        ("CL*(1 + 0.77*(BSA - 1.8))", "L/h"),
        ("CL*(1 + 0.5*(AGE - 60) + 0.1*(BSA - 1.8))", "L/h"),
        ("CL*(0.5*(AGE - 60) + 0.1*(BSA - 1.8))", "L/h"),
        ("CL*(BSA/1.73)**0.75", "L/h"),
        ("CL*(BSA/1.73)**gamma", "L/h"),
        ("CL*exp(-0.1*(AGE - 40))", "L/h"),
        ("exp(-t/MTT)", "1"),
        ("log(A/(2*A))", "1"),
        ("1 - t/MTT", "1"),
        ("A/2", "mg"),
        ("-A", "mg"),
        ("2**gamma", "1"),
        ("A + 0*CL", "mg"),
        ("A + CL*-0", "mg"),
    ],
)
def test_formulas_as_papers_write_them_have_the_unit_that_was_meant(text: str, unit: str) -> None:
    found = unit_of(text)
    assert found is not None
    ratio = (found / quantity_of(unit)).to_base_units()  # type: ignore[operator]
    assert ratio.dimensionless
    assert ratio.magnitude == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("text", ["0", "2*3 + 1", "-1", "2**0.5", "min(1, 2)"])
def test_a_formula_of_numbers_only_fits_any_unit(text: str) -> None:
    assert unit_of(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("CL + V", "'CL + V' puts L/h beside L; mend the formula or a unit"),
        ("CL + Q", "'CL + Q' puts L/h beside mL/h, 0.001 times as large; mend the formula or a unit"),
        ("min(A, V)", "puts mg beside L"),
        ("where(A > V, 1, 2)", "'A > V' puts mg beside L"),
        ("where(A > 1, A, V)", "puts mg beside L"),
        ("exp(A)", "the argument of exp, 'A', is in mg; divide it by a reference in that unit"),
        ("log(A/V)", "the argument of log, 'A / V', is in mg/L"),
        ("A**gamma", "the base of a power whose exponent is not a number, 'A', is in mg"),
        ("gamma**A", "an exponent, 'A', is in mg"),
        ("A**(0*A)", "the exponent '0 * A' reads 'A'; write the number"),
        ("gamma**(CL/Q)", "an exponent, 'CL / Q', is in L/mL"),
    ],
)
def test_parts_that_do_not_fit_are_quoted_with_their_units(text: str, problem: str) -> None:
    with pytest.raises(DimensionError) as caught:
        unit_of(text)
    assert problem in str(caught.value)


DOCETAXEL = load_model("docetaxel_ozawa2007").text


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            '"4 / MTT"',
            '"MTT / 4"',
            "mine.toml: derived.ktr.expression: 'MTT / 4' is in h, not in 1/h; mend the formula or a unit",
        ),
        (
            "(CL + Q2 + Q3)/V1*A1",
            "(CL + Q2 + V3)/V1*A1",
            "mine.toml: states.A1.derivative: 'CL + Q2 + V3' puts L/h beside L; mend the formula or a unit",
        ),
        (
            'expression = "A1/V1"',
            'expression = "A1"',
            "mine.toml: outputs.docetaxel_plasma.expression: 'A1' is in mg, not in mg/L; mend the formula or a unit",
        ),
        (
            'unit = "mg/L"\nexpression = "A1/V1"',
            'unit = "ug/L"\nexpression = "A1/V1"',
            "mine.toml: outputs.docetaxel_plasma.expression: 'A1 / V1' is in mg/L, 1000 times the declared ug/L; "
            "mend a unit, or multiply by a parameter that converts one to the other",
        ),
        (
            'derivative = "A1/V1"',
            'derivative = "A1"',
            "mine.toml: states.AUC.derivative: 'A1' is in mg, not in mg.h/L per h; mend the formula or a unit",
        ),
        (
            "IP0*pulse(dexamethasone, 96)",
            "IP0*input(dexamethasone)",
            "mine.toml: states.In.derivative: 'IP0 * input(dexamethasone) - In / MIT' puts",
        ),
        (
            'initial = "ANC0"',
            'initial = "ANC0*MTT"',
            "mine.toml: states.Prol.initial: 'ANC0 * MTT' is in 10*9.h/L, not in 10*9/L; mend the formula or a unit",
        ),
        (
            'expression = "Slope * (AAG / 0.94)**(-1.38)"',
            'expression = "Slope * AAG"',
            "mine.toml: parameters.Slope.expression: 'Slope * AAG' is in",
        ),
        (
            'unit = "10*9/L"\nlasting',
            'unit = "/uL"\nlasting',
            "mine.toml: toxicities.neutropenia_prolonged.unit: is '/uL', but output neutrophils is in '10*9/L'; "
            "write the limits in '10*9/L'",
        ),
        (
            'unit = "L/h"',
            'unit = "L per h"',
            "mine.toml: parameters.CL.unit: unit 'L per h' is not a UCUM code",
        ),
        (
            'unit = "m2"',
            'unit = "cm2"',
            "mine.toml: covariates.BSA.unit: is 'cm2'; doses in mg/m2 need it in 'm2'",
        ),
        (
            'unit = "L/mg"',
            'unit = "L/mcg"',
            "mine.toml: parameters.Slope.unit: 'L/mcg' is not a UCUM code; write 'L/ug'",
        ),
        (
            'unit = "L/mg"',
            'unit = "Cel"',
            "mine.toml: parameters.Slope.unit: 'Cel' has its zero elsewhere and cannot be multiplied; use 'K'",
        ),
        ('unit = "L/mg"', 'unit = "L/ug"', "mine.toml: states.Prol.derivative: "),
    ],
)
def test_a_wrong_unit_in_a_model_file_is_refused_with_its_key(good: str, bad: str, message: str) -> None:
    assert good in DOCETAXEL
    with pytest.raises(ModelError) as caught:
        parse_model(DOCETAXEL.replace(good, bad, 1), "mine.toml")
    assert message in str(caught.value)


def test_a_volume_in_millilitres_is_a_wrong_scale_not_a_wrong_dimension() -> None:
    text = DOCETAXEL.replace('value = 6.94\nunit = "L"', 'value = 6940\nunit = "mL"')
    assert text != DOCETAXEL
    with pytest.raises(ModelError, match=r"states\.A1\.derivative: .* beside L\.mg/h/mL, 1000 times as large"):
        parse_model(text, "mine.toml")


def test_a_parameter_that_converts_mends_a_scale() -> None:
    text = DOCETAXEL.replace(
        'unit = "mg/L"\nexpression = "A1/V1"', 'unit = "ug/L"\nexpression = "micro*A1/V1"'
    ).replace(
        "[parameters.CL]",
        '[parameters.micro]\nvalue = 1000\nunit = "ug/mg"\nassumed = "by definition"\n\n[parameters.CL]',
    )
    assert parse_model(text, "mine.toml").outputs[0].unit == "ug/L"
