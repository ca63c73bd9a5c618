"""Whatever numbers stand in L, the correlation of residuals is one, and pairs that are not listed stay at 0."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.model.measured.error import ErrorSpec
from twin.observation.residual_correlation import correlated, correlation_of, entries_of, pattern_of, with_entries

ADDITIVE = ErrorSpec("additive", 1.0, 0.0, None, None, None)

CORRELATION = np.array([[1.0, 0.5, 0.0, 0.3], [0.5, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.3, 0.0, 0.0, 1.0]])


def errors() -> tuple[ErrorSpec, ...]:
    """Of four outputs, of which the third stands alone."""
    beside = [(), (0.5,), (), (0.3, 0.0, 0.0)]
    return tuple(ErrorSpec("additive", 1.0, 0.0, None, None, None, beside=each) for each in beside)


def test_the_correlation_is_that_of_all_errors() -> None:
    np.testing.assert_array_equal(correlation_of(errors()), CORRELATION)
    np.testing.assert_array_equal(correlation_of((ADDITIVE, ADDITIVE)), np.eye(2))
    assert correlated(errors(), CORRELATION) == errors()


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=2))
def test_any_entries_make_a_correlation_and_are_found_in_it(entries: list[float]) -> None:
    pattern = pattern_of(errors())
    found = with_entries(entries_of(CORRELATION), pattern, {(1, 0): entries[0], (3, 0): entries[1]})
    np.testing.assert_array_equal(found == 0.0, ~pattern | (found == 0.0))
    np.testing.assert_allclose(np.diag(found), 1.0)
    assert np.linalg.eigvalsh(found).min() > 0.0
    np.testing.assert_allclose(entries_of(found)[[1, 3], 0], entries, rtol=1e-6, atol=1e-9)
