"""Figures of warnings over all patients."""

from __future__ import annotations

import math

import pytest
from scipy import stats

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


def test_what_was_found_of_few_without_exception_is_not_certain() -> None:
    """All of 3 patients' events found: a share of 0.05**(1/3) = 0.368 would be met in all of 3 in one trial of 20."""
    found = worth("twin", [warned(name, (4.0,), 0, 2) for name in "ABC"])
    assert (found.sensitivity.value, found.sensitivity.high) == (1.0, 1.0)
    assert found.sensitivity.low == pytest.approx(stats.beta.ppf(0.05, 3, 1))
    assert (found.right.value, found.right.low) == (0.0, 0.0)
    assert found.right.high == pytest.approx(stats.beta.ppf(0.95, 1, 3))


def test_what_there_is_nothing_to_make_of_is_no_number() -> None:
    found = worth("twin", [warned("A", (), 0, 0)])
    assert math.isnan(found.sensitivity.value)
    assert math.isnan(found.right.value)
    assert math.isnan(found.lead_days.low)
    assert found.false_a_day.value == 0
