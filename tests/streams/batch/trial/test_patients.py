"""Virtual patients of a trial."""

from __future__ import annotations

from dataclasses import replace

from streams.batch.trial.patients import FAULTS, TrialPlan, fault_of, plan_starts, told, virtual_patient
from twin import load_model
from twin.clock import DAY_MS, HOUR_MS
from twin.events import Clock, to_millis
from twin.trial.population import Departure

MODEL = load_model("docetaxel_ozawa2007")
PLAN = TrialPlan(
    (MODEL.text, MODEL.id), Departure(), 20, 3, days=22.0, count_days=1.0, missing=0.0, faults=0.4, particles=60,
    estimate_hours=12.0,
)  # fmt: skip


def test_faults_come_evenly_and_in_turn() -> None:
    found = [fault_of(PLAN, index) for index in range(20)]
    planted = [each for each in found if each != "as_ordered"]
    assert planted == [*FAULTS, *FAULTS]
    assert {fault_of(replace(PLAN, faults=0.0), index) for index in range(20)} == {"as_ordered"}
    assert "as_ordered" not in {fault_of(replace(PLAN, faults=1.0), index) for index in range(20)}


def test_samples_are_missed_in_the_share_that_is_asked_for_and_courses_go_on_after_the_watch() -> None:
    whole = virtual_patient(PLAN, MODEL, 0)
    fewer = virtual_patient(replace(PLAN, missing=0.5), MODEL, 0)
    assert 0.3 < len(fewer.specimens) / len(whole.specimens) < 0.7
    assert (whole.eta, whole.covariates) == (fewer.eta, fewer.covariates)
    assert whole.discharged == whole.admitted + (22 + 21 + 1) * DAY_MS
    assert [(start - whole.admitted) // DAY_MS for start in plan_starts(whole)] == [0, 21, 42]


def test_results_come_late_in_the_share_that_is_asked_for_of_the_same_samples() -> None:
    usual, late = (virtual_patient(replace(PLAN, late=share, late_levels=share), MODEL, 0) for share in (0.0, 1.0))
    assert all(12 * HOUR_MS <= one.reported - one.time <= 36 * HOUR_MS for one in late.specimens)
    levels = [[one.time for one in each.specimens if one.output == "docetaxel_plasma"] for each in (usual, late)]
    assert levels[0] == levels[1] != []
    assert any(one.reported - one.time < 12 * HOUR_MS for one in usual.specimens)


def test_a_twin_hears_nothing_after_the_watch_and_a_word_of_the_clock_with_each_estimate() -> None:
    patient = virtual_patient(PLAN, MODEL, 1)
    heard = list(told(PLAN, patient))
    assert [one.time for one in heard] == sorted(one.time for one in heard)
    assert heard[-1].time < patient.admitted + 22 * DAY_MS
    clocks = [to_millis(one.event.time) - patient.admitted for one in heard if isinstance(one.event, Clock)]
    assert clocks == [DAY_MS // 2 * k for k in range(1, 44)]
