"""Values of one instant are drawn with the residuals that the model says they share, and covary by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from tests.twin.population.joint import pairs
from tests.twin.population.laws import simulated
from twin.model.measured.error import ErrorSpec
from twin.observation.observation import Observation, Summary
from twin.population.joint.drawn import correlating, covariance_of, levels_together

LOOKS = [Observation(0, "a", 0, 1.0), Observation(0, "b", 0, 2.0, number=1), Observation(5, "c", 0, 3.0)]


def replicated() -> list[ErrorSpec]:
    return [simulated.model("replicates").outputs[0].error]


def test_replicates_covary_and_what_stands_alone_does_not() -> None:
    found = covariance_of(LOOKS, replicated(), np.array([4.0, 9.0, 1.0]))
    np.testing.assert_allclose(found, [[4.0, 3.0, 0.0], [3.0, 9.0, 0.0], [0.0, 0.0, 1.0]])


def test_they_are_drawn_so_and_each_by_itself_as_before() -> None:
    alone = np.random.default_rng(1).random((3, 20_000))
    found = levels_together(LOOKS, replicated(), alone)
    np.testing.assert_array_equal(found[2], alone[2])
    z = special.ndtri(found)
    assert np.corrcoef(z) == pytest.approx(np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]), abs=0.03)
    assert z.std(axis=1) == pytest.approx(np.ones(3), rel=0.03)


def test_readings_that_were_summed_up_are_no_replicates() -> None:
    summed = [replace(one, readings=Summary(3, one.value, 0.1)) for one in LOOKS]
    assert list(correlating(summed, replicated())) == []


def test_of_two_outputs_the_first_of_each_go_together() -> None:
    errors = [output.error for output in pairs.model().outputs]
    ((places, correlation),) = correlating([*LOOKS, Observation(0, "d", 1, 1.0)], errors)
    assert places == [0, 3]
    np.testing.assert_allclose(correlation, [[1.0, pairs.CORRELATION], [pairs.CORRELATION, 1.0]])
