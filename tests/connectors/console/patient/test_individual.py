"""A patient's parameters against the population."""

from __future__ import annotations

import pytest

from connectors.console.patient.individual import place_among


@pytest.mark.parametrize(("value", "place"), [(0.0, 0.05), (1.5, 0.15), (3.0, 0.5), (4.0, 0.75), (9.0, 0.95)])
def test_a_value_has_its_place_in_the_population(value: float, place: float) -> None:
    assert place_among(value, (1.0, 2.0, 3.0, 4.0, 5.0)) == pytest.approx(place)
