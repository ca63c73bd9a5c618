"""The trunk is a function of the history: looks leave it alone, and a forgotten cloud grows again to the same bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import count, dose, level, ms, start, stop, weight
from tests.twin.timeline.records import history_of
from twin.events import InputEvent
from twin.filter.belief import prior
from twin.filter.objective import LEAST_LOG_LIKELIHOOD
from twin.filter.trunk import Trunk, TrunkPosition
from twin.kernel.kernel import compile_model
from twin.solver.step_control import step_sizes_for
from twin.timeline.timeline import build

KERNEL = compile_model(toys.absorption())
EVENTS: list[InputEvent] = [
    start(0.3, 40.0), stop(6), level(3, 2.0), level(7.7, 2.4), count(13, 2.5), weight(-1, 70.0), weight(9, 85.0),
    dose(20, 50.0, route="oral"), count(26.1, 1.9),
]  # fmt: skip
TIMELINE = build(history_of(EVENTS), KERNEL)
assert TIMELINE is not None
LINE = TIMELINE


def trunk() -> Trunk:
    return Trunk(KERNEL, step_sizes_for(KERNEL), "P-1")


def after(observations: int, hours: float) -> TrunkPosition:
    """Where a trunk stands after so many values, brought on to an hour."""
    grown = trunk()
    position = grown.begin(LINE, prior(KERNEL.model, 40, "P-1"))
    for observation in LINE.observations[:observations]:
        position, _ = grown.learn(position, LINE, observation)
    return grown.advance_to_grid(grown.forward(position, LINE, ms(hours)), LINE, ms(hours))


def assert_same_cloud(one: TrunkPosition, other: TrunkPosition) -> None:
    for first, second in ((one.cloud, other.cloud), (one.typical, other.typical)):
        assert first is not None
        assert second is not None
        assert (first.millis, first.epoch) == (second.millis, second.epoch)
        assert np.array_equal(first.z, second.z)
        assert np.array_equal(first.y, second.y)
    assert np.array_equal(one.past, other.past)


@pytest.mark.parametrize(("observations", "hours"), [(0, 2.0), (1, 5.5), (2, 12.0), (3, 25.9), (4, 26.1), (4, 47.0)])
def test_a_forgotten_cloud_is_solved_again_to_the_same_bits(observations: int, hours: float) -> None:
    known = after(observations, hours)
    forgotten = replace(known, cloud=None, typical=None, past=None, grid_cloud=None)
    grown = trunk()
    again = grown.advance_to_grid(grown.remembered(forgotten, LINE, ms(hours)), LINE, ms(hours))
    assert_same_cloud(known, again)
    marks = np.array([ms(hours), ms(hours) + 1, ms(60)], dtype=np.int64)
    assert np.array_equal(grown.look(known, LINE, marks), grown.look(again, LINE, marks))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(8.0, 60.0), min_size=1, max_size=5, unique=True))
def test_looking_ahead_and_growing_by_small_steps_change_nothing(hours: list[float]) -> None:
    grown, position = trunk(), after(2, 7.7)
    for hour in sorted(hours):
        position = grown.advance_to_grid(grown.forward(position, LINE, ms(hour)), LINE, ms(hour))
        grown.look(position, LINE, np.array([ms(hour) + 5, ms(70)], dtype=np.int64))
    assert_same_cloud(position, after(2, max(hours)))


def test_a_position_whose_cloud_was_forgotten_says_so() -> None:
    forgotten = replace(after(1, 5.0), cloud=None)
    with pytest.raises(ValueError, match=r"call Trunk\.remembered first"):
        trunk().forward(forgotten, LINE, ms(20))


def test_learning_says_what_was_expected_and_what_the_population_would_have() -> None:
    grown = trunk()
    position = grown.begin(LINE, prior(KERNEL.model, 400, "P-1"))
    position, first = grown.learn(position, LINE, LINE.observations[0])
    # Before anything is known the twin expects what the population's typical patient has, about.
    assert first.expected.quantiles[2] == pytest.approx(first.population_median, rel=0.1)
    _, informed = grown.learn(position, LINE, LINE.observations[1])
    assert informed.observation is LINE.observations[1]
    without = build(history_of([event for event in EVENTS if event.event_id != "level 3"]), KERNEL)
    assert without is not None
    nothing_yet = grown.begin(without, prior(KERNEL.model, 400, "P-1"))
    _, uninformed = grown.learn(nothing_yet, without, without.observations[0])
    assert np.ptp(informed.expected.quantiles) < 0.9 * np.ptp(uninformed.expected.quantiles)
    assert informed.population_median == pytest.approx(uninformed.population_median)


def test_a_value_that_no_patient_explains_moves_nobody() -> None:
    """A level of a drug that was never recorded as given."""
    line = build(history_of([count(0, 4.0), level(2, 50.0)]), KERNEL)
    assert line is not None
    grown = trunk()
    position = grown.begin(line, prior(KERNEL.model, 40, "P-1"))
    position, _ = grown.learn(position, line, line.observations[0])
    told, learned = grown.learn(position, line, line.observations[1])
    assert np.array_equal(told.belief.eta, position.belief.eta)
    np.testing.assert_allclose(told.belief.log_weight, position.belief.log_weight, atol=1e-9)
    assert learned.expected.pit == pytest.approx(1.0)
    assert told.belief.log_evidence - position.belief.log_evidence == pytest.approx(LEAST_LOG_LIKELIHOOD)


def test_the_mode_is_the_best_of_all_particles() -> None:
    position = after(4, 26.1)
    mode = trunk().mode(position.belief, LINE)
    assert mode.converged
    grown = trunk()
    at_mode = grown.mode(replace(position.belief, eta=np.tile(mode.eta, (40, 1))), LINE)
    assert at_mode.eta == pytest.approx(mode.eta, abs=2e-3)
    assert at_mode.objective == pytest.approx(mode.objective, abs=1e-5)
    weighted = position.belief.weight @ position.belief.eta
    deviations = np.abs(weighted - mode.eta) / np.sqrt(np.diag(mode.covariance))
    assert deviations.max() < 1.0
