"""Rules of rescue after methotrexate, by level, hour and creatinine."""

from __future__ import annotations

import pytest

from tests.twin.bedside import PATIENT, clock, covariate, dose, level
from twin import PatientTwin, load_model
from twin.dosing.rescue.methotrexate import rescue
from twin.events import InputEvent, Quantity


def said(*events: InputEvent) -> dict[str, str]:
    twin = PatientTwin(PATIENT, load_model("methotrexate_mao2022"), 60)
    known = [covariate(-1.0, "WT", 70.0, "kg"), covariate(-1.0, "creatinine", 70.0, "umol/L")]
    twin.observe([*known, *events])
    return {one.rule: one.said for one in rescue(twin)}


def given(infused: float = 4.0) -> InputEvent:
    return dose(0.0, 8000.0, infused, drug="methotrexate")


def measured(hours: float, value: float) -> InputEvent:
    found = level(hours, value, analyte="methotrexate_plasma")
    return found.model_copy(update={"value": Quantity(value=value, unit="umol/L")})


@pytest.mark.parametrize(
    ("levels", "leucovorin"),
    [
        ([(24.0, 10.0)], "15 mg every 6 h from 24 h on, 10 doses (no level says"),
        ([(24.0, 50.0)], "150 mg iv every 3 h until it is under 1, then 15 mg every 3 h, until it is under 0.05"),
        ([(24.0, 50.0), (60.0, 0.9)], "15 mg every 3 h, until the level is under 0.05 µmol/L (delayed early"),
        ([(48.0, 4.9), (72.0, 0.3)], "15 mg every 6 h until the level is under 0.05 µmol/L (delayed late"),
        ([(24.0, 50.0), (90.0, 0.04)], "none any more"),
    ],
)  # fmt: skip
def test_leucovorin_follows_the_schedule_of_the_label(levels: list[tuple[float, float]], leucovorin: str) -> None:
    found = said(given(), *(measured(*one) for one in levels))["leucovorin_label"]
    assert found.startswith(f"leucovorin {leucovorin}")


@pytest.mark.slow
def test_glucarpidase_needs_a_level_above_its_line_and_creatinine_that_rose() -> None:
    high = measured(42.0, 12.0)
    kidney = covariate(40.0, "creatinine", 140.0, "umol/L")
    assert "creatinine is not 1.5 times what it was" in said(given(), high)["glucarpidase_consensus"]
    found = said(given(), kidney, high)
    assert "may be indicated, 50 U/kg, 3500 U at 70 kg: above 10" in found["glucarpidase_consensus"]
    assert "best by 60 h, 18 h from now" in found["glucarpidase_consensus"]
    assert "150 mg iv every 3 h" in found["leucovorin_label"]  # creatinine has doubled
    # After an infusion over 36 h the line at 42 h does not count.
    assert "with probability" in said(given(36.0), kidney, high)["glucarpidase_consensus"]
    assert "which are over" in said(given(), kidney, high, clock(61.0))["glucarpidase_consensus"]


def test_nothing_is_said_without_methotrexate_or_a_week_after_it() -> None:
    assert said() == {}
    assert said(given(), clock(169.0)) == {}
