"""A trace holds what a search passed, on the scale that people read."""

from __future__ import annotations

import math

import numpy as np

from tests.twin import toys
from twin.population.theta import Theta
from twin.population.trace import Trace, steepest

THETA = Theta.of(
    toys.made({"k": "0.3 1/h 0.1", "V": "12 L 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg/L: A/V"})
)


def test_a_point_has_the_numbers_as_they_are_called() -> None:
    trace = Trace(THETA)
    vector = THETA.pack(THETA.start)
    trace.add(3, vector, 12.5)
    (point,) = trace.points
    assert (point.step, point.objective) == (3, 12.5)
    assert math.isnan(point.slope)
    assert dict(zip(THETA.names, np.round(point.values, 12), strict=True))["V"] == 12.0


def test_what_moved_most_is_named_first() -> None:
    trace = Trace(THETA)
    vector = THETA.pack(THETA.start)
    trace.add(0, vector, 12.5, 1.0)
    vector[THETA.names.index("V")] += 0.5
    trace.add(1, vector, 11.0, steepest(np.array([0.1, -0.7])))
    assert trace.moving(1) == "V 19.785"
    assert trace.points[-1].slope == 0.7


def test_where_a_search_stands_still_is_one_point() -> None:
    trace = Trace(THETA)
    vector = THETA.pack(THETA.start)
    assert trace.add(4, vector, 12.5, 1.0)
    assert not trace.add(4, vector, 12.4999, 0.5)
    assert [(point.step, point.objective, point.slope) for point in trace.points] == [(4, 12.4999, 0.5)]
    assert trace.add(5, vector, 12.4999)
    vector[0] += 0.1
    assert trace.add(5, vector, 12.0)
    assert len(trace.points) == 3
