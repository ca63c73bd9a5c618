"""What another coefficient moves of a patient's mean, and what of it a message does not count."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.learning.test_coefficients_and_errors import PUBLISHED
from twin.learning.messages.coefficients import coefficients_of

KNOWN = coefficients_of(PUBLISHED)
HEAVY = {"WT": 105.0, "AGE": 65.0}


def test_they_are_counted_in_their_published_size() -> None:
    assert KNOWN.names == ("WT_BOTH", "AGE_CL")
    assert KNOWN.unit == (0.8, 1.0)
    assert KNOWN.natural(np.array([0.5, -0.2])) == pytest.approx((1.2, -0.2))
    assert KNOWN.moved((1.2, -0.2)) == pytest.approx([0.5, -0.2])


def test_means_move_by_the_models_own_formulas() -> None:
    moved = np.array([0.5, -0.2])
    size = 0.4 * np.log(1.5)
    assert KNOWN.means(moved, HEAVY) == pytest.approx([size + np.log(1 - 0.2 * 0.3), size])
    assert KNOWN.effects == ((0, 0), (0, 1), (1, 0))
    slopes = [0.8 * np.log(1.5), 0.8 * np.log(1.5), 0.3 / (1 - 0.2 * 0.3)]
    assert KNOWN.slopes(moved, HEAVY) == pytest.approx(slopes, rel=1e-6)


def test_what_moved_along_the_record_is_told_by_no_message() -> None:
    moved = np.array([0.5, 0.0])
    light = HEAVY | {"WT": 70.0}
    assert KNOWN.untold(moved, np.zeros(2), HEAVY, light, HEAVY) == pytest.approx([0.4 * np.log(1.5)] * 2)
    assert not KNOWN.untold(moved, moved, HEAVY, light, HEAVY).any(), "nothing is, where it was weighed under the same"
    assert not KNOWN.untold(moved, np.zeros(2), HEAVY, HEAVY, HEAVY).any()


def test_a_formula_without_a_value_is_named() -> None:
    with pytest.raises(ValueError, match=r"CL: .* has no place on its scale with WT_BOTH 0.8, AGE_CL 5; let"):
        KNOWN.means(np.array([0.0, 5.0]), HEAVY | {"AGE": 20.0})
