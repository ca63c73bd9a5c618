"""Figures of warnings over all patients."""

from __future__ import annotations

import math

import pytest

from twin.trial.figures import worth
from twin.trial.warnings import Claim, Warned


def warned(name: str, leads: tuple[float | None, ...], right: int, wrong: int) -> Warned:
    claims = tuple(Claim(k, 0.6, k < right) for k in range(right + wrong))
    return Warned(name, leads, claims, 10.0)


def test_figures_are_of_all_patients_together_with_intervals_about_them() -> None:
    found = worth("twin", [warned("A", (4.0, None), 1, 0), warned("B", (6.0,), 1, 2), warned("C", (), 0, 0)])
    assert (found.events, found.claims, found.patient_days) == (3, 4, 30.0)
    assert [m.value for m in found.measures] == pytest.approx([2 / 3, 5.0, 0.5, 2 / 30])
    assert all(m.low <= m.value <= m.high for m in found.measures)
    assert found == worth("twin", [warned("A", (4.0, None), 1, 0), warned("B", (6.0,), 1, 2), warned("C", (), 0, 0)])


def test_what_there_is_nothing_to_make_of_is_no_number() -> None:
    found = worth("twin", [warned("A", (), 0, 0)])
    assert math.isnan(found.sensitivity.value)
    assert math.isnan(found.right.value)
    assert math.isnan(found.lead_days.low)
    assert found.false_a_day.value == 0
