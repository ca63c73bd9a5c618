"""The smallest change of a value that alters a verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.reasons.change import CLOSE, FACTORS, smallest_factor


@given(st.floats(min_value=1.001, max_value=19.0), st.booleans())
def test_it_is_found_on_either_side_to_within_what_is_close(turns: float, up: bool) -> None:
    bound = turns if up else 1.0 / turns
    found = smallest_factor((lambda factor: factor < bound) if up else (lambda factor: factor > bound))
    assert found is not None
    assert found == pytest.approx(bound, rel=1.1 * CLOSE)
    assert (found >= bound) if up else (found <= bound), "at what is found it has turned"


def test_of_two_the_nearer_is_found() -> None:
    assert smallest_factor(lambda factor: 0.8 < factor < 1.28) == pytest.approx(0.8, rel=1.1 * CLOSE)


def test_what_no_change_alters_is_not_found() -> None:
    asked: list[float] = []
    assert smallest_factor(lambda factor: not asked.append(factor)) is None
    assert sorted(asked) == sorted([*FACTORS, *(1.0 / factor for factor in FACTORS)])
