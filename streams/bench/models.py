"""Two textbook models on which the generated kernel and the update are measured; round numbers, nobody's patient."""

from __future__ import annotations

from collections.abc import Sequence

from twin.model.spec import Model
from twin.modelfile.reader import parse_model

_HEAD = """
id = "{id}"
drug = "drug"
title = "{title}"
time_unit = "h"

[[sources]]
citation = "round numbers, for measuring speed"
"""

_TAIL = """
[outputs.plasma]
unit = "mg/L"
expression = "A1/V1"
error = {{ proportional = 0.2, assumed = "round number" }}

[cadence]
estimate = 1
forecast = 24
horizon = 24
"""

_PARAMETER = """
[parameters.{name}]
value = {value}
unit = "{unit}"
iiv = 0.09
assumed = "round number"
"""


def two_compartments() -> Model:
    """Two compartments, linear, given by vein; four random effects."""
    parameters = [("CL", 4, "L/h"), ("V1", 20, "L"), ("Q", 2, "L/h"), ("V2", 30, "L")]
    states = """
[states.A1]
unit = "mg"
derivative = "input(drug) - (CL + Q)/V1*A1 + Q/V2*A2"

[states.A2]
unit = "mg"
derivative = "Q/V1*A1 - Q/V2*A2"
"""
    return _model("two_compartments", "two compartments", parameters, states)


def saturable() -> Model:
    """One compartment with Michaelis-Menten elimination; three random effects."""
    parameters = [("VM", 30, "mg/h"), ("KM", 2, "mg/L"), ("V1", 20, "L")]
    states = """
[states.A1]
unit = "mg"
derivative = "input(drug) - VM*(A1/V1)/(KM + A1/V1)"
"""
    return _model("saturable", "one compartment, saturable", parameters, states)


def _model(name: str, title: str, parameters: Sequence[tuple[str, float, str]], states: str) -> Model:
    body = "".join(_PARAMETER.format(name=n, value=value, unit=unit) for n, value, unit in parameters)
    return parse_model(_HEAD.format(id=name, title=title) + body + states + _TAIL.format(), f"{name}.toml")
