"""Replays in frames: what twins said, one row a fact."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

import dosetwin
from tests.dosetwin.small import FRAME, MODEL


@pytest.fixture(scope="module")
def followed() -> dosetwin.Replay:
    return dosetwin.replay(FRAME, MODEL, particles=100, jobs=0)


def test_every_value_has_a_prediction_at_the_time_that_the_data_give(followed: dosetwin.Replay) -> None:
    frame = followed.predictions
    assert frame["ID"].tolist() == [9, 9, 9, 10, 10]
    assert frame["TIME"].tolist() == [3.0, 8.0, 48.0, 3.0, 8.0]
    assert frame["observed"].tolist() == [2.4, 1.1, 2.9, 4.4, 2.9]
    assert (frame["q05"] < frame["median"]).all()
    assert frame["event_time"][0] == datetime(2000, 1, 1, 3, tzinfo=UTC)


def test_estimates_and_forecasts_have_a_row_a_quantity_and_moment(followed: dosetwin.Replay) -> None:
    assert {"output", "parameter"} <= set(followed.estimates["kind"])
    assert {"toxin_plasma", "cells", "CL"} <= set(followed.estimates["name"])
    ahead = followed.forecasts
    assert ahead["ahead"].min() == 0
    assert set(ahead["name"]) == {"toxin_plasma", "cells"}
    assert list(followed.alerts.columns[:6]) == ["ID", "TIME", "event_time", "alert_id", "revision", "rule"]
    assert set(followed.score["predicted_by"]) == {"twin", "population", "last value"}


def test_the_final_beliefs_are_those_of_twins_that_were_told_the_same(followed: dosetwin.Replay) -> None:
    twin = dosetwin.PatientTwin("9", MODEL, 100)
    twin.observe(dosetwin.read_nmtran(FRAME, MODEL)["9"])
    np.testing.assert_array_equal(followed.posteriors["9"]["eta"], twin.posterior().eta)
    assert repr(followed).startswith("<Replay of 2 patients, who have ")


def test_frames_are_of_the_kind_that_came_in() -> None:
    found = dosetwin.replay(pl.from_pandas(FRAME.head(2)), MODEL, particles=50, jobs=0)
    for frame in (found.predictions, found.estimates, found.alerts, found.left_out):
        assert isinstance(frame, pl.DataFrame)


@pytest.mark.slow
def test_rival_models_are_averaged() -> None:
    rivals = ["busulfan_mccune2014", "busulfan_shukla2020"]
    records = dosetwin.simulate(rivals[0], seed=2, jobs=0)
    found = dosetwin.replay(records, rivals, particles=50, jobs=0)
    weights = found.posteriors["1"]["model_weights"]
    assert weights.sum() == pytest.approx(1.0)


def test_events_without_an_enrolment_need_a_model() -> None:
    events = [event for event in dosetwin.read_nmtran(FRAME, MODEL)["9"] if event.kind != "enrolment"]
    with pytest.raises(ValueError, match=r"patient 9 is left out .* no usable enrolment"):
        dosetwin.replay(events, jobs=0)


def test_a_frame_needs_a_model_and_a_cloud_needs_particles() -> None:
    with pytest.raises(ValueError, match="model: missing; a data frame needs the model"):
        dosetwin.replay(FRAME)
    with pytest.raises(ValueError, match="particles: 10 is too few; give at least 50"):
        dosetwin.replay(FRAME, MODEL, particles=10)
