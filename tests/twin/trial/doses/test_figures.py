"""Figures of arms, of patients made by hand."""

from __future__ import annotations

import pytest

from twin.study.measures import Measure
from twin.trial.doses.figures import arm_figures
from twin.trial.doses.outcome import Cycle, Treated


def patient(number: int, arm: str, *within: bool, toxic: bool = False, intensity: float = 1.0) -> Treated:
    cycles = tuple(Cycle(intensity, 25.0, each, each, {"neutropenia_g4": toxic}) for each in within)
    return Treated(f"P-{number}", arm, cycles)


def value(measures: tuple[Measure, ...], name: str) -> float:
    return next(m.value for m in measures if m.name == name)


def test_shares_are_told_by_cycle_and_over_all_and_toxicities_beside_the_first_arm() -> None:
    treated = [
        patient(1, "protocol", True, False, toxic=True),
        patient(2, "protocol", False, False, toxic=True),
        patient(2, "twin", True, True, toxic=True, intensity=0.9),
        patient(1, "twin", True, False, intensity=1.1),
    ]
    protocol, twin = arm_figures(treated)
    assert (protocol.arm, twin.arm, twin.patients) == ("protocol", "twin", 2)
    assert [value(cycle, "in target") for cycle in protocol.cycles] == [0.5, 0.0]
    assert value(twin.all_cycles, "in target") == 0.75
    assert value(twin.all_cycles, "dose, of the planned") == pytest.approx(1.0)
    assert value(twin.all_cycles, "had neutropenia_g4, over that of protocol") == 0.5
    assert all(m.low <= m.value <= m.high for m in twin.all_cycles)


def test_a_course_that_only_some_patients_had_counts_of_those() -> None:
    (only,) = arm_figures([patient(1, "twin", True, True), patient(2, "twin", False)])
    assert [value(cycle, "in target") for cycle in only.cycles] == [0.5, 1.0]
