"""Lines of the consensus: which counts after which infusion, and the probability of a belief."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.bedside import PATIENT, clock, dose
from twin import PatientTwin, load_model
from twin.dosing.rescue.crossing import crossed, crossing_probability
from twin.patient.ahead.levels import Line


@pytest.mark.parametrize(("infused", "above"), [(4.0, [True, True, False]), (36.0, [False, True, False])])
def test_after_a_long_infusion_only_the_line_at_48_hours_counts(infused: float, above: list[bool]) -> None:
    lines = [Line(0, 0, hours, infused) for hours in (36.0, 42.0, 48.0)]
    levels = np.array([[31.0, 1.0, 30.0], [1.0, 1.0, 10.0], [1.0, 6.0, 5.0]])
    assert crossed(lines, levels).tolist() == above


@pytest.mark.slow
def test_the_probability_rises_with_the_dose_and_ends_with_the_lines() -> None:
    found = []
    for amount in (4000.0, 80_000.0):
        twin = PatientTwin(PATIENT, load_model("methotrexate_mao2022"), 200)
        twin.observe([dose(0.0, amount, 3.0, drug="methotrexate"), clock(24.0)])
        found.append(crossing_probability(twin.components()))
    assert 0.0 <= found[0] < 0.1 < found[1] <= 1.0
    twin.observe([clock(49.0)])
    with pytest.raises(ValueError, match="no line of the consensus lies ahead"):
        crossing_probability(twin.components())
