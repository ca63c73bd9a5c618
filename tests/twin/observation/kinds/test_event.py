"""An event weighs its hazard and the time without, and happens when its hazard says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation.outcomes import EVENT, HAZARDS, look
from twin.filter.expectation import expectation
from twin.observation.kinds.event import KIND
from twin.observation.observation import MeasuredValue
from twin.randomness import generator


def test_an_event_weighs_its_hazard_and_the_time_without() -> None:
    np.testing.assert_allclose(KIND.log_likelihood(EVENT, look(0), HAZARDS), -HAZARDS[0])
    np.testing.assert_allclose(KIND.log_likelihood(EVENT, look(1), HAZARDS), np.log(HAZARDS[1]) - HAZARDS[0])
    again = look(1, earlier=(MeasuredValue(0.0),))
    np.testing.assert_allclose(KIND.log_likelihood(EVENT, again, HAZARDS), np.log(HAZARDS[1]))
    assert KIND.conditional(EVENT)


def test_transforms_of_events_are_even_whether_they_came_or_not() -> None:
    rng = generator("even", "event")
    rate, looked = 0.1, 8.0
    times = rng.exponential(1 / rate, 2000)
    pits = []
    for time, share in zip(times, rng.random(2000), strict=True):
        came = float(time <= looked)
        rows = np.array([[rate * min(time, looked)], [rate]])
        pits.append(expectation(EVENT, look(came), rows, np.ones(1), share).pit)
    assert stats.kstest(pits, "uniform").pvalue > 0.01


def test_an_event_happens_as_often_by_a_look_as_its_hazard_says() -> None:
    levels = generator("events").random((2, 20_000))
    found = KIND.at_levels(EVENT, HAZARDS, levels)
    np.testing.assert_allclose(found.mean(axis=1), -np.expm1(-HAZARDS[0]), atol=0.01)
    assert not KIND.at_levels(EVENT, HAZARDS, levels, (MeasuredValue(0.0),)).any()


def test_its_moment_is_where_the_integrated_hazard_is_used_up() -> None:
    moments = np.linspace(12.0, 40.0, 8)
    rows = np.column_stack([0.05 * (moments - 10.0), np.full(8, 0.05)])
    assert KIND.moment(float(np.exp(-0.5)), 10.0, moments, rows) == pytest.approx(20.0)
    assert KIND.moment(float(np.exp(-0.01)), 10.0, moments, rows) == pytest.approx(10.2)
    assert KIND.moment(float(np.exp(-1.6)), 10.0, moments, rows) is None


def test_its_information_is_that_of_the_integrated_hazard() -> None:
    place, weight = KIND.information(EVENT, HAZARDS)
    np.testing.assert_array_equal(place, HAZARDS[:1])
    np.testing.assert_allclose(weight, 1 / HAZARDS[:1])


def test_what_is_no_look_is_refused() -> None:
    assert KIND.refusal(EVENT, 2.0, limited=False) == "field 'value': 2 is no event of out; send one of 0 to 1"
    limited = KIND.refusal(EVENT, 1.0, limited=True)
    assert limited is not None
    assert "send 1 or 0 without a limit" in limited
    assert KIND.refusal(EVENT, 0.0, limited=False) is None


def test_a_hazard_below_zero_is_a_flaw() -> None:
    assert KIND.flaw(EVENT, (0.0,)) is None
    found = KIND.flaw(EVENT, (-0.1,))
    assert found is not None
    assert found[0] == "hazard"
    assert "is -0.1 at the start of the typical patient; a hazard is 0 or more" in found[1]
