"""Sums are the same to the last bit in any order and cut into any parts, and right to the last bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.learning.exact_sums import as_text, exact, from_text, rounded

ANY = st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300), max_size=30)


@given(ANY, st.randoms(use_true_random=False), st.integers(0, 30))
def test_any_order_and_any_parts_give_the_same_bits(values: list[float], chance: object, cut: int) -> None:
    whole = exact(np.array(values)).sum(initial=0)
    shuffled = list(values)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = exact(np.array(shuffled[:cut])).sum(initial=0) + exact(np.array(shuffled[cut:])).sum(initial=0)
    assert whole == parts
    found = rounded(np.array([whole], dtype=object))[0]
    assert found == math.fsum(values)


def test_a_file_keeps_every_bit() -> None:
    sums = exact(np.array([5e-324, -1.7e308, 0.1, -0.0]))
    assert (from_text(as_text(sums)) == sums).all()
    assert rounded(sums).tolist() == [5e-324, -1.7e308, 0.1, 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="values: one is not finite"):
        exact(np.array([1.0, value]))
