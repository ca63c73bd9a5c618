"""A coefficient moves a parameter as its effect does, or it is left out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.toys import SOURCE, made
from twin.model.spec import Model, ParameterSpec
from twin.population.means.movable import movable, shift

COVARIATES = f"""
[covariates.WT]
unit = "kg"
reference = 70
{SOURCE}
"""


def model(expression: str, state: str = "mg: input(toxin) - CL/V*A", *, v_expression: str | None = None) -> Model:
    found = made({"CL": "5 L/h 0.1", "V": "30 L 0.1", "b": "0.5 1", "c": "2 L/h"}, {"A": state}, {"toxin": "mg/L: A/V"})
    text = found.text
    for name, formula in (("CL", expression), ("V", v_expression)):
        if formula is not None:
            text = text.replace(f"[parameters.{name}]\n", f"[parameters.{name}]\nexpression = '{formula}'\n")
    return read(text + COVARIATES)


def read(text: str) -> Model:
    from twin.modelfile.reader import parse_model

    return parse_model(text, "made.toml")


def parameter(of: Model, name: str) -> ParameterSpec:
    return next(p for p in of.parameters if p.name == name)


@pytest.mark.parametrize("expression", ["CL*(WT/70)**b", "CL*(1 + b*(WT - 70)/70)", "exp(b*(WT - 70)/70)*CL"])
def test_a_factor_that_covariates_make_is_one(expression: str) -> None:
    assert dict(movable(model(expression))) == {"b": ("CL",)}


def test_one_coefficient_may_be_in_two_parameters() -> None:
    found = model("CL*(WT/70)**b", v_expression="V*(WT/70)**b")
    assert dict(movable(found)) == {"b": ("CL", "V")}


@pytest.mark.parametrize("expression", ["CL + b*c*WT/70", "CL*(WT/70)**(b*CL/c)", "CL*(WT/70)**b*V/V"])
def test_what_does_not_leave_an_effect_what_it_is_is_none(expression: str) -> None:
    assert not movable(model(expression))


def test_what_is_read_elsewhere_too_is_none() -> None:
    assert not movable(model("CL*(WT/70)**b", "mg: input(toxin) - CL/V*b*A"))


def test_the_shift_is_what_covariates_add_to_the_effect() -> None:
    found = model("CL*(WT/70)**b")
    assert shift(parameter(found, "CL"), {"WT": 35.0, "b": 0.5}) == pytest.approx(0.5 * np.log(0.5))
    with pytest.raises(ArithmeticError, match="CL is -"):
        shift(parameter(model("CL*(1 + b*(WT - 70)/70)"), "CL"), {"WT": 7.0, "b": 3.0})
