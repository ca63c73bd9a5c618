"""A protocol file says how far a dose may be moved; what is wrong in one is named with its mend."""

from __future__ import annotations

import pytest

from twin import load_model
from twin.clock import DAY_MS
from twin.dosing.protocol import ProtocolError, Window, parse_protocol, usual_protocol

WHOLE = """
id = "ward_docetaxel"
title = "Docetaxel every three weeks"
drug = "docetaxel"
assumed = "made up for a test"

[dose]
lowest = 0.5
highest = 1.2
step = "5 mg"
most = "0.2 g"

[pump]
rate_step = "0.1 mL/h"
concentration = "10 mg/mL"

[delay]
allowed = ["7 d"]

[limits]
neutropenia_g4 = 0.3
"""


def test_quantities_are_converted_once() -> None:
    found = parse_protocol(WHOLE, "ward.toml")
    assert (found.step, found.most, found.rate_step, found.delays) == (5.0, 200.0, 1.0, (7 * DAY_MS,))
    assert found.checked(load_model("docetaxel_ozawa2007")) is found


WINDOW = '[window]\noutput = "neutrophils"\nlow = 2.0\nhigh = 3.0\nahead = "10 d"\n'


def test_a_window_of_an_output_is_read() -> None:
    read = parse_protocol(WHOLE.replace("[limits]", WINDOW + "[limits]"), "ward.toml")
    assert read.window == Window("neutrophils", 2.0, 3.0, 10 * DAY_MS)


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ('step = "5 mg"', 'step = "5 mL"', "ward.toml: dose.step: unit 'mL' is a volume"),
        ('step = "5 mg"', 'step = "five"', "'five' is no quantity"),
        ('step = "5 mg"', 'step = "0 mg"', "must be greater than 0"),
        ("lowest = 0.5", "lowest = 1.5", "dose.lowest: is 1.5 of the planned dose; it is at most 1"),
        ("lowest = 0.5", "least = 0.5", "dose.least: unknown key"),
        ('concentration = "10 mg/mL"', "", "pump.concentration: is missing"),
        ("neutropenia_g4 = 0.3", "neutropenia_g4 = 30", "limits.neutropenia_g4: is 30; a probability"),
        ('assumed = "made up for a test"', "", "source: is missing"),
        ('drug = "docetaxel"', "drug =", "is no TOML"),
        ("[limits]", WINDOW.replace("3.0", "2.0") + "[limits]", "window.high: is 2; it must be greater than low, 2"),
        ("[limits]", WINDOW.replace("10 d", "ten days") + "[limits]", "window.ahead: 'ten days' is no quantity"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend(was: str, is_now: str, said: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(WHOLE.replace(was, is_now), "ward.toml")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ('drug = "docetaxel"', 'drug = "busulfan"', "'busulfan' is no drug of docetaxel_ozawa2007"),
        ("neutropenia_g4", "neutropenia_g5", "limits.neutropenia_g5: is no toxicity of docetaxel_ozawa2007"),
        ("neutropenia_g4 = 0.3", "", "nothing that a dose could be chosen for"),
        ("[limits]", '[target]\nname = "auc"\n[limits]', "'auc' is no target of docetaxel"),
    ],
)
def test_a_protocol_is_held_against_the_model(was: str, is_now: str, said: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(WHOLE.replace(was, is_now), "ward.toml").checked(load_model("docetaxel_ozawa2007"))
    assert said in str(refused.value)


def test_without_a_file_what_is_assumed_says_so() -> None:
    assert "Assumed" in usual_protocol(load_model("docetaxel_ozawa2007")).title
