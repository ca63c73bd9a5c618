"""Every way to write a residual error is read as it is meant, and what has no sense is refused with its mend."""

from __future__ import annotations

import tomllib

import pytest

from twin.model.measured.error import ErrorSpec, OutlierSpec
from twin.model.spec import ModelError
from twin.model.table import Table
from twin.observation.residual_error import read_error


def read(text: str) -> ErrorSpec:
    content = tomllib.loads(f'error = {{ {text}, source = "a test" }}')
    return read_error(Table("mine.toml", "outputs.plasma.error", content["error"]))


def error(kind: str, additive: float = 0.0, proportional: float = 0.0, **more: object) -> ErrorSpec:
    return ErrorSpec(kind, additive, proportional, more.pop("df", None), "a test", None, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("additive = 0.1", error("additive", 0.1)),
        ("proportional = 0.2", error("proportional", 0.0, 0.2)),
        ("additive = 0.1, proportional = 0.2", error("combined", 0.1, 0.2)),
        ('additive = 0.1, proportional = 0.2, combination = "sd"', error("combined", 0.1, 0.2, combination="sd")),
        ("power = { coefficient = 0.3, exponent = 0.5 }", error("power", 0.0, 0.3, exponent=0.5)),
        ("power = { coefficient = 0.3, exponent = -0.5 }", error("power", 0.0, 0.3, exponent=-0.5)),
        (
            'additive = 1, power = { coefficient = 0.3, exponent = 2 }, combination = "sd"',
            error("power", 1.0, 0.3, exponent=2.0, combination="sd"),
        ),
        (
            'additive = 1, deviation = { coefficient = 0.3, formula = "f/(f+5)" }, combination = "sd"',
            error("deviation", 1.0, 0.3, formula="f / (f + 5)", combination="sd"),
        ),
        ("log_additive = 0.3, df = 5", error("log_additive", 0.3, df=5.0)),
        ("log_additive = 0.12, additive = 583", error("log_combined", 583.0, 0.12)),
        ("additive = 0.3, box_cox = 0.2", error("box_cox", 0.3, box_cox=0.2)),
        ("additive = 0.3, box_cox = -0.5", error("box_cox", 0.3, box_cox=-0.5)),
        (
            "proportional = 0.2, outliers = { share = 0.05, widening = 5 }",
            error("proportional", 0.0, 0.2, outliers=OutlierSpec(0.05, 5.0)),
        ),
        ("additive = 0.1, replicate_correlation = 0.4", error("additive", 0.1, replicate_correlation=0.4)),
    ],
)
def test_an_error_is_read_as_it_is_written(text: str, expected: ErrorSpec) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("df = 5", "", "gives no size; write proportional, additive, power, deviation or log_additive"),
        ("additive = 0", ".additive", "is 0; it must be greater than 0"),
        ("log_additive = 0.3, power = { coefficient = 1, exponent = 1 }", ".log_additive", "cannot be combined"),
        ("log_additive = 0.3, proportional = 0.1", ".log_additive", "cannot be combined"),
        ('log_additive = 0.3, additive = 1, combination = "sd"', ".combination", "has nothing to combine"),
        ("proportional = 1, power = { coefficient = 1, exponent = 1 }", ".power", "keep 'power' or 'proportional'"),
        ("power = { coefficient = 1 }", ".power.exponent", "is missing; write a number"),
        ("power = { coefficient = 1, exponent = 1, offset = 2 }", ".power.offset", "unknown key"),
        ('proportional = 1, deviation = { coefficient = 1, formula = "f" }', ".deviation", "with 'proportional'"),
        ('deviation = { coefficient = 0, formula = "f" }', ".deviation.coefficient", "is 0; it must be greater than 0"),
        ('deviation = { coefficient = 1, formula = "f + V" }', ".deviation.formula", "unknown name 'V'"),
        ('deviation = { coefficient = 1, formula = "f - 1" }', ".deviation.formula", "is -0.999999 at"),
        ('deviation = { coefficient = 1, formula = "1/" }', ".deviation.formula", "is not a formula"),
        ("proportional = 0.1, box_cox = 0.5", ".box_cox", "needs 'additive' alone"),
        ('additive = 0.1, combination = "sd"', ".combination", "has nothing to combine"),
        ('additive = 1, proportional = 1, combination = "var"', ".combination", "write one of variance, sd"),
        ("additive = 1, outliers = { share = 0.6, widening = 5 }", ".outliers.share", "at most 0.5"),
        ("additive = 1, outliers = { share = 0.1, widening = 1 }", ".outliers.widening", "must be greater than 1"),
        ("additive = 1, replicate_correlation = 1", ".replicate_correlation", "must be less than 1"),
        ("additive = 1, df = 4, replicate_correlation = 0.5", ".replicate_correlation", "needs a normal error"),
        ("additive = 1, sd = 4", ".sd", "unknown key"),
    ],
)
def test_an_error_without_sense_is_refused(text: str, key: str, problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        read(text)
    assert caught.value.key == f"outputs.plasma.error{key}"
    assert problem in caught.value.problem
