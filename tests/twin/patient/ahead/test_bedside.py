"""Pumps that run and whose they are, and counters, as a twin's rules see them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.bedside import PATIENT, bind, covariate, level, start, stop, totals
from twin import PatientTwin
from twin.alerts.snapshot import Snapshot
from twin.events import Alert, InputEvent
from twin.modelfile.reader import parse_model
from twin.patient.ahead.bedside import neutrophils_of
from twin.patient.averaged import AveragedTwin
from twin.patient.rivals import rivals

MODEL = toys.absorption()


def seen(*events: InputEvent) -> Snapshot:
    twin = PatientTwin(PATIENT, MODEL, 32)
    assert twin.observe(events).rejected == ()
    snapshot = twin.points[-1].snapshot
    assert snapshot is not None
    return snapshot


def test_a_pump_runs_by_its_own_last_word_and_is_bound_or_was_never_said_to_be() -> None:
    (bound,) = seen(bind(0, "pump-1", None), start(0, 40.0)).running
    assert bound.bound is True
    (unknown,) = seen(start(0, 40.0)).running
    assert unknown.bound is None
    assert seen(bind(0, "pump-1", None), start(0, 40.0), stop(6)).running == ()


def test_a_counter_that_disagrees_is_seen_once_it_is_read() -> None:
    view = seen(totals(0, 0.0), start(0, 40.0), stop(6), totals(6, 150.0)).counter
    assert view is not None
    assert (view.said, view.counted) == (240.0, 150.0)
    assert seen(totals(0, 0.0), start(0, 40.0), stop(6), totals(6, 238.0)).counter is None


def test_what_is_measured_is_seen_beside_its_prediction_at_that_moment_only() -> None:
    (view,) = seen(start(0, 40.0), level(3, 2.0)).values
    assert (view.output, view.value) == ("toxin_plasma", 2.0)
    assert view.q05 < view.median < view.q95
    assert seen(start(0, 40.0), level(3, 2.0), stop(6)).values == ()


def test_a_level_in_another_unit_is_an_alert_that_says_which_and_a_correction_withdraws_it() -> None:
    twin = PatientTwin(PATIENT, MODEL, 200)
    told = twin.observe([start(0, 40.0), level(3, 3000.0)]).outputs
    (alert,) = [one for one in told if isinstance(one, Alert) and one.rule == "data.suspect"]
    assert "a unit a thousand times as large" in alert.text
    again = twin.observe([level(3, 3.0, event_id="mended", status="corrected", replaces="level 3")]).outputs
    assert [one.phase for one in again if isinstance(one, Alert) and one.rule == "data.suspect"] == ["withdrawn"]


@pytest.mark.parametrize("averaged", [False, True])
def test_who_is_beyond_the_patients_it_learnt_from_is_told_and_a_correction_withdraws_it(
    averaged: bool,
) -> None:
    text = toys.ABSORPTION.replace("[covariates.WT]", "[covariates.WT]\nstudied = { low = 40, high = 90 }", 1)
    text = text.replace("toy_absorption", "toy_studied", 1)
    model = parse_model(text, "toy_studied.toml")
    together = rivals([model, MODEL])
    twin = AveragedTwin(PATIENT, together, 32) if averaged else PatientTwin(PATIENT, model, 32)
    told = twin.observe([covariate(0, "WT", 130.0, "kg"), start(0, 40.0), level(3, 2.0)]).outputs
    (alert,) = [one for one in told if isinstance(one, Alert) and one.rule == "twin.extrapolated"]
    assert (alert.subject.name, alert.severity) == ((together if averaged else model).id, "low")
    assert alert.text == "WT: 130 kg is above 90 kg, the greatest that the model's effects were learnt from."
    mended = covariate(0, "WT", 88.0, "kg").model_copy(
        update={"event_id": "mended", "status": "corrected", "replaces": covariate(0, "WT", 130.0, "kg").event_id}
    )
    again = twin.observe([mended]).outputs
    assert [one.phase for one in again if isinstance(one, Alert) and one.rule == "twin.extrapolated"] == ["withdrawn"]


def test_particles_whose_count_is_no_number_say_nothing_of_it() -> None:
    values, weight = np.full((len(MODEL.outputs), 4), np.nan), np.full(4, 0.25)
    assert neutrophils_of(MODEL, values, weight) is None
    values[:, 1], values[:, 2] = 0.5, 2.0
    view = neutrophils_of(MODEL, values, weight)
    assert view is not None
    assert view.output == "cells"
    assert (view.quantile(0.1), view.quantile(0.9)) == (0.5, 2.0)
    assert abs(view.below(1.0) - 0.5) < 0.02
