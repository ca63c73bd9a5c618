"""Axes hold their values, and their ticks are numbers that people write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reports.fitted.scales import LEAST, Axis, spans_decades


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.booleans())
def test_values_lie_on_the_axis_and_it_has_ticks(values: list[float], log: bool) -> None:
    axis = Axis.over(np.array(values), "x", log=log)
    places = axis.place(np.array(values))
    known = places[np.isfinite(places)]
    assert ((known >= 0.0) & (known <= 1.0)).all()
    assert len(known) == (sum(v > LEAST for v in values) if log else len(values))
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 14
    assert all(axis.low - 1e-9 * abs(axis.low) <= value <= axis.high + 1e-9 * abs(axis.high) for value, _ in ticks)


def test_ticks_of_a_linear_axis_are_round() -> None:
    assert [text for _, text in Axis(0.0, 11.0, "").ticks()] == ["0", "2.5", "5", "7.5", "10"]


def test_ticks_of_a_logarithmic_axis_are_decades() -> None:
    assert [text for _, text in Axis(0.004, 40.0, "", log=True).ticks()] == ["0.01", "0.1", "1", "10"]


def test_an_axis_without_values_stands() -> None:
    assert (Axis.over(np.empty(0), "x").low, Axis.over(np.array([-1.0]), "x", log=True).low) == (0.0, 1.0)


@pytest.mark.parametrize(("values", "does"), [([1.0, 20.0], True), ([1.0, 9.0], False), ([0.0, 90.0], False)])
def test_decades(values: list[float], does: bool) -> None:
    assert spans_decades(np.array(values)) is does
