"""Levels: many are weighed as each alone, replicates depend on each other, and a 0 has a place on some scales only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.observation import together
from tests.twin.observation.outcomes import LEVEL, look
from twin.model.measured.error import ErrorKind, ErrorSpec
from twin.observation.information import censored_coordinates
from twin.observation.kinds.continuous import KIND
from twin.observation.likelihood import output_of
from twin.observation.observation import MeasuredValue, Observation, in_turn

PREDICTED = np.array([0.5, 1.0, 3.0])

VALUES = st.builds(
    Observation,
    st.integers(0, 5),
    st.uuids().map(str),
    st.just(0),
    st.floats(0.1, 9.0),
    st.one_of(st.none(), st.floats(0.1, 2.0)),
)


@given(st.lists(VALUES, max_size=8))
def test_values_weighed_together_are_all_that_stand_alone_each_as_by_itself(observations: list[Observation]) -> None:
    batches = KIND.batches(LEVEL, observations)
    assert sorted(o.event_id for batch in batches for o in batch.observations) == sorted(
        o.event_id for o in observations
    )
    for batch in batches:
        rows = np.repeat(PREDICTED[None, None], len(batch.observations), axis=0)
        likely, place, weight = batch.weigh(rows)
        for i, observation in enumerate(batch.observations):
            np.testing.assert_allclose(likely[i], KIND.log_likelihood(LEVEL, observation, PREDICTED[None]), rtol=1e-12)
            if observation.below is None:
                alone = KIND.information(LEVEL, PREDICTED[None])
            else:
                alone = censored_coordinates(LEVEL.error, observation.below, PREDICTED)
            np.testing.assert_allclose(place[:, i], alone[0])
            np.testing.assert_allclose(weight[:, i], alone[1])


def test_values_beside_the_same_others_are_weighed_together_each_as_by_itself() -> None:
    model = together.model()
    errors = [one.error for one in model.outputs]
    seen = in_turn([Observation(t, f"{t} {i}", i, 4.0 + 8.0 * i + t) for t in range(3) for i in (1, 0, 2)], errors)
    thirds = [o for o in seen if o.output == 2]
    output, rng = output_of(model.outputs, thirds[0]), np.random.default_rng(3)
    rows = np.array([26.0, 20.0, 5.0])[None, :, None] + rng.normal(size=(3, 3, 4))
    (batch,) = KIND.batches(output, thirds)
    likely, place, weight = batch.weigh(rows)
    for i, observation in enumerate(batch.observations):
        np.testing.assert_allclose(likely[i], KIND.log_likelihood(output, observation, rows[i]), rtol=1e-12)
        alone = KIND.information(output, rows[i])
        # Coordinates come in whatever size, and weights with it: what counts is the sum of both.
        found, known = (
            (w[:, :1] * (u[:, 1:] - u[:, :1]) ** 2).sum(axis=0) for u, w in ((place[:, i], weight[:, i]), alone)
        )
        np.testing.assert_allclose(found, known, rtol=1e-9)


@pytest.mark.parametrize(
    "alone", [look(1.0, above=1.0), look(1.0, moments=(1, 2)), look(1.0, earlier=(MeasuredValue(1.0),))]
)
def test_values_that_depend_on_more_than_one_prediction_are_weighed_by_themselves(alone: Observation) -> None:
    assert KIND.batches(LEVEL, [alone]) == ()


def test_only_replicates_that_correlate_depend_on_each_other() -> None:
    assert not KIND.conditional(LEVEL)
    assert KIND.conditional(replace(LEVEL, error=replace(LEVEL.error, replicate_correlation=0.5)))


@pytest.mark.parametrize(
    ("kind", "zero", "negative"),
    [
        ("additive", True, True),
        ("combined", True, True),
        ("box_cox", True, False),
        ("proportional", False, False),
        ("log_additive", False, False),
    ],
)
def test_zero_and_less_have_a_density_where_the_scatter_does_not_vanish_with_the_prediction(
    kind: ErrorKind, zero: bool, negative: bool
) -> None:
    size = 0.0 if kind == "proportional" else 0.2
    error = ErrorSpec(kind, size, 0.2, None, "a test", None, box_cox=0.5 if kind == "box_cox" else None)
    output = replace(LEVEL, error=error)
    assert (KIND.weighs_zero(output), KIND.weighs_negative(output)) == (zero, negative)


def test_a_value_lies_at_one_level_and_a_limit_at_all_on_its_side() -> None:
    low, high = KIND.levels(LEVEL, look(1.0), PREDICTED[None])
    np.testing.assert_array_equal(low, high)
    np.testing.assert_array_equal(KIND.levels(LEVEL, look(9.0, below=1.0), PREDICTED[None]), (np.zeros(3), low))
    np.testing.assert_array_equal(KIND.levels(LEVEL, look(9.0, above=1.0), PREDICTED[None]), (low, np.ones(3)))


def test_residuals_are_standardised_on_the_scale_of_the_error() -> None:
    assert KIND.iwres(LEVEL, 2.0, 1.0) == pytest.approx(np.log(2.0) / 0.25)
    np.testing.assert_allclose(KIND.on_scale(LEVEL, PREDICTED), np.log(PREDICTED))
