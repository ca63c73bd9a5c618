"""What a measured value met is said before it moves the belief, and what no patient explains moves none."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.bedside import count, level, quantity
from tests.twin.filter.test_trunk import EVENTS, KERNEL, LINE, trunk
from tests.twin.timeline.test_timeline import history_of
from twin.filter.belief import prior
from twin.filter.learning import WIDEST, learn
from twin.filter.modes.objective import LEAST_LOG_LIKELIHOOD
from twin.filter.weighing import weigh
from twin.timeline.timeline import build


def test_learning_says_what_was_expected_and_what_the_population_would_have() -> None:
    grown = trunk()
    position = grown.begin(LINE, prior(KERNEL.model, 400, "P-1"))
    position, first = learn(grown, position, LINE, LINE.observations[0])
    # Before anything is known the twin expects what the population's typical patient has, about.
    assert first.expected.quantiles[2] == pytest.approx(first.population_median, rel=0.1)
    _, informed = learn(grown, position, LINE, LINE.observations[1])
    assert informed.observation is LINE.observations[1]
    without = build(history_of([event for event in EVENTS if event.event_id != "level 3"]), KERNEL)
    assert without is not None
    nothing_yet = grown.begin(without, prior(KERNEL.model, 400, "P-1"))
    _, uninformed = learn(grown, nothing_yet, without, without.observations[0])
    assert np.ptp(informed.expected.quantiles) < 0.9 * np.ptp(uninformed.expected.quantiles)
    assert informed.population_median == pytest.approx(uninformed.population_median)


def test_a_value_that_no_patient_explains_moves_nobody() -> None:
    """A level of a drug that was never recorded as given."""
    line = build(history_of([count(0, 4.0), level(2, 50.0)]), KERNEL)
    assert line is not None
    grown = trunk()
    position = grown.begin(line, prior(KERNEL.model, 40, "P-1"))
    position, _ = learn(grown, position, line, line.observations[0])
    told, learned = learn(grown, position, line, line.observations[1])
    assert np.array_equal(told.belief.eta, position.belief.eta)
    np.testing.assert_allclose(told.belief.log_weight, position.belief.log_weight, atol=1e-9)
    assert learned.expected.pit == pytest.approx(1.0)
    assert told.belief.log_evidence - position.belief.log_evidence == pytest.approx(LEAST_LOG_LIKELIHOOD)


def test_no_patient_is_looked_for_far_beyond_the_prior() -> None:
    """A value that only an absurd patient would have shown: particles go towards it, and not beyond the widest."""
    line = build(history_of([count(0, 4.0e5)]), KERNEL)
    assert line is not None
    grown = trunk()
    position, _ = learn(grown, grown.begin(line, prior(KERNEL.model, 40, "P-1")), line, line.observations[0])
    deviations = np.abs(position.belief.eta) / np.sqrt(np.diag(KERNEL.model.omega))
    assert deviations[position.belief.weight > 0].max() <= WIDEST * (1 + 1e-6)


@pytest.mark.parametrize("hours", [None, 1 / 3])
def test_what_was_drawn_is_weighed_as_if_by_itself(hours: float | None) -> None:
    """Whatever is drawn for a datum hands on its steps, unless a branch ends where another datum makes steps end."""
    rough = {} if hours is None else {"draw_time_sd": quantity(hours, "h")}
    # The branch of the first level ends at 7 h, where the second was taken.
    line = build(history_of([*EVENTS[:2], level(6, 2.4, **rough), level(7, 6.0), level(8, 2.5)]), KERNEL)
    assert line is not None
    assert hours is None or line.observations[0].moments[-1] == line.observations[1].millis
    grown = trunk()
    position = grown.begin(line, prior(KERNEL.model, 400, "P-1"))
    renewed = []
    for observation in line.observations:
        position, learned = learn(grown, position, line, observation)
        renewed.append(learned.diagnostics.stages > 0)
        solver, seen = grown.solver(position.belief), line.observations[: position.belief.observations]
        alone = weigh(solver, solver.initial(line), line, seen, grown.grid)
        assert position.past is not None
        np.testing.assert_allclose(position.past, alone.past + alone.last, rtol=1e-9)
    assert renewed == [True, True, True]


def test_a_position_that_was_forgotten_learns_nothing() -> None:
    grown = trunk()
    position = grown.begin(LINE, prior(KERNEL.model, 40, "P-1")).forgotten()
    with pytest.raises(ValueError, match=r"call Trunk\.remembered first"):
        learn(grown, position, LINE, LINE.observations[0])
