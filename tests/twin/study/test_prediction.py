"""Predictions of known patients are those of the equations, and their likelihood that of the errors about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.filter.test_trunk import KERNEL, LINE
from twin.arrays import Floats
from twin.filter.belief import prior
from twin.observation import likelihood
from twin.study.prediction import Predictor

PREDICTOR = Predictor(KERNEL, "P-1")
ETA = prior(KERNEL.model, 7, "prediction").eta


def weighed(rows: list[Floats], first: int = 0) -> Floats:
    """Log-likelihood (N,) of the data from the one numbered ``first`` on."""
    outputs = KERNEL.model.outputs
    every = [likelihood.log_likelihood(outputs[o.output], o, r) for o, r in zip(LINE.observations, rows, strict=True)]
    return np.asarray(sum(every[first:]))


def test_the_likelihood_is_that_of_what_is_predicted() -> None:
    rows = PREDICTOR.rows(ETA, LINE, LINE.observations)
    np.testing.assert_allclose(PREDICTOR.log_likelihood(ETA, LINE), weighed(rows), rtol=1e-6)


def test_data_up_to_a_time_can_be_left_out() -> None:
    rows = PREDICTOR.rows(ETA, LINE, LINE.observations)
    since = LINE.observations[1].millis
    np.testing.assert_allclose(PREDICTOR.log_likelihood(ETA, LINE, since), weighed(rows, first=2), rtol=1e-6)


def test_predictions_are_of_the_output_that_was_measured() -> None:
    shown = PREDICTOR.predictions(ETA, LINE, LINE.observations)
    assert shown.shape == (len(LINE.observations), len(ETA))
    rows = PREDICTOR.rows(ETA, LINE, LINE.observations)
    np.testing.assert_array_equal(shown, [r[0] for r in rows])


def test_patients_are_solved_alike_in_any_company() -> None:
    together = PREDICTOR.predictions(ETA, LINE, LINE.observations)
    alone = [PREDICTOR.predictions(ETA[i : i + 1], LINE, LINE.observations) for i in range(len(ETA))]
    np.testing.assert_array_equal(together, np.hstack(alone))


def test_nothing_measured_is_predicted_as_nothing_and_is_certain() -> None:
    empty = replace(LINE, observations=())
    assert PREDICTOR.predictions(ETA, empty, ()).shape == (0, len(ETA))
    assert PREDICTOR.rows(ETA, empty, ()) == []
    assert PREDICTOR.log_likelihood(ETA, empty) == pytest.approx(np.zeros(len(ETA)))
