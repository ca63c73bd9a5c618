"""The plan for one million patients: every value is what its formula gives, and every figure is a measured one."""

from __future__ import annotations

import re

import pytest

from connectors.kafka.topics import _KEPT_DAYS_OTHERWISE
from streams.worker.barrier import BARRIER_EVENTS
from tests.enrolled import growth
from tests.places import ROOT

PAGE = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
INPUTS = {name: float(value) for name, value in re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)}
FORMULAS = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)


def test_every_value_is_what_its_formula_gives() -> None:
    known: dict[str, float] = dict(INPUTS)
    assert len(FORMULAS) > 10
    for name, formula, shown in FORMULAS:
        assert re.fullmatch(r"[\w\s.+*/(),]+", formula), formula
        known[name] = float(eval(formula, {"__builtins__": {}, "max": max}, known))  # of our own page
        assert known[name] == pytest.approx(float(shown), rel=0.01), name


def test_figures_of_the_program_are_those_it_has() -> None:
    figures = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert f"{INPUTS['row_bytes']:,.0f}" in figures, "state_row_bytes of `make bench`"
    assert (INPUTS["kept_days"], INPUTS["barrier_events"]) == (_KEPT_DAYS_OTHERWISE, BARRIER_EVENTS)


@pytest.mark.parametrize(("many", "power"), [(10.0, 1.0), (1.0, 0.0), (100.0, 2.0)])
def test_growth_is_the_power_of_the_number_of_patients(many: float, power: float) -> None:
    assert growth(1.0, many, 10.0) == pytest.approx(power)
