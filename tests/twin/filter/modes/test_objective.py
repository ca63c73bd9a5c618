"""What the search for a mode hears of the data is what the fold hears, and its information is that of every datum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin import toys
from tests.twin.equations import infusion, timeline_of
from twin.clock import HOUR_MS
from twin.filter.belief import prior
from twin.filter.modes.objective import LEAST_LOG_LIKELIHOOD, Responder, bounded
from twin.kernel.kernel import compile_model
from twin.observation.observation import Observation
from twin.solver.step_control import step_sizes_for
from twin.study.prediction import Predictor
from twin.timeline.timeline import Timeline

KERNEL = compile_model(toys.absorption())
PACE = step_sizes_for(KERNEL)
ETA = prior(KERNEL.model, 7, "response").eta
TREATED = timeline_of(KERNEL, {"toxin": infusion([(0, 30.0), (2 * HOUR_MS, 0.0)])}, covariates=[(6 * HOUR_MS, [90.0])])


def seen(*rows: tuple[float, int, float, float | None]) -> Timeline:
    """Observations (hour, output, value, limit) of a treated patient."""
    found = tuple(
        Observation(round(hour * HOUR_MS), str(i), output, value, below)
        for i, (hour, output, value, below) in enumerate(rows)
    )
    return replace(TREATED, observations=found)


def responder(timeline: Timeline) -> Responder:
    return Responder(KERNEL, PACE, timeline, timeline.observations)


DATA = seen((1, 0, 1.2, None), (5, 0, 0.9, None), (8, 0, 0.0, 0.05), (24, 1, 2.5, None), (24, 1, 2.2, None))


def test_the_loss_is_what_is_gathered_along_a_record() -> None:
    loss = responder(DATA)(ETA).loss
    np.testing.assert_allclose(-loss, Predictor(KERNEL, "P").log_likelihood(ETA, DATA), rtol=1e-7)


def test_coordinates_are_those_of_every_datum() -> None:
    found = responder(DATA)(ETA)
    # Two levels with place and spread, one limit, two counts on the log scale.
    assert found.coordinates.shape == found.weights.shape == (2 * 2 + 1 + 2, len(ETA))
    assert np.isfinite(found.coordinates).all()
    assert (found.weights > 0).all()


def test_patients_are_solved_alike_in_any_company_and_again() -> None:
    together = responder(DATA)
    first = together(ETA)
    alone: list[NDArray[np.float64]] = [together(ETA[i : i + 1]).loss for i in range(len(ETA))]
    np.testing.assert_array_equal(first.loss, np.concatenate(alone))
    np.testing.assert_array_equal(first.loss, responder(DATA)(ETA).loss)


def test_a_datum_that_cannot_be_is_as_bad_as_can_be_and_says_nothing() -> None:
    impossible = seen((0, 0, 50.0, None), (5, 0, 0.9, None))
    with_it, without = responder(impossible)(ETA), responder(seen((5, 0, 0.9, None)))(ETA)
    np.testing.assert_allclose(with_it.loss - without.loss, -LEAST_LOG_LIKELIHOOD)
    assert (with_it.weights[[0, 2]] == 0).all()
    np.testing.assert_array_equal(with_it.weights[[1, 3]], without.weights)


def test_without_data_nothing_is_lost_and_nothing_is_said() -> None:
    found = responder(TREATED)(ETA)
    assert not found.loss.any()
    assert found.coordinates.shape == (0, len(ETA))


@pytest.mark.parametrize(
    ("value", "known"), [(-3.0, -3.0), (-1e9, LEAST_LOG_LIKELIHOOD), (np.nan, -1e30), (np.inf, -1e30)]
)
def test_likelihoods_are_kept_between_impossible_and_possible(value: float, known: float) -> None:
    assert bounded(np.array([value])) == pytest.approx([known])
