"""Which stretch is taken for the terminal slope."""

from __future__ import annotations

import numpy as np
import pytest

from twin.nca.profile import NcaError, Profile, profile_of
from twin.nca.terminal import best_terminal, terminal_between


def two_phases(route: str = "extravascular") -> Profile:
    times = np.array([0.5, 1, 2, 4, 8, 12, 24, 36])
    return profile_of(times, 50 * np.exp(-1.5 * times) + 5 * np.exp(-0.1 * times), 10, route)  # type: ignore[arg-type]


def test_the_slow_phase_is_found() -> None:
    line = best_terminal(two_phases())
    assert line is not None
    assert line.rate == pytest.approx(0.1, rel=1e-3)
    assert line.lower == 8.0, "within 1e-4 of the best the longest stretch is taken, and no point of the fast phase"
    assert line.points == 4


def test_the_peak_is_on_the_line_of_a_bolus_alone() -> None:
    times = [1.0, 2.0, 3.0, 4.0]
    values = [8.0, 4.0, 2.0, 1.0]
    bolus, oral = (best_terminal(profile_of(times, values, 10, route)) for route in ("bolus", "extravascular"))
    assert bolus is not None
    assert oral is not None
    assert (bolus.points, oral.points) == (4, 3)


def test_values_before_the_end_of_an_infusion_are_on_no_line() -> None:
    found = best_terminal(profile_of([1, 2, 3, 4, 5, 6], [9, 8, 7, 6, 3, 1.5], 10, "infusion", duration=4))
    assert found is not None
    assert found.lower == 4.0


@pytest.mark.parametrize("values", [[1, 5, 4, 3], [9, 1, 2, 3, 4], [9, 2, 2, 2]])
def test_without_three_values_that_fall_there_is_no_line(values: list[float]) -> None:
    assert best_terminal(profile_of(list(range(len(values))), values, 10, "extravascular")) is None


def test_a_stretch_may_be_named() -> None:
    assert terminal_between(two_phases(), 12, 36).points == 3
    with pytest.raises(NcaError, match="terminal 24 to 36 holds 2 measurable values"):
        terminal_between(two_phases(), 24, 36)
    rising = profile_of([1, 2, 3, 4], [1, 2, 3, 4], 10, "extravascular")
    with pytest.raises(NcaError, match="do not fall there"):
        terminal_between(rising, 1, 4)
