"""What is planned for a virtual patient of a trial of doses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.batch.trial.doses.schedule import BEFORE_MS, Schedule, planned_orders, schedule
from streams.batch.trial.patients import virtual_patient
from tests.streams.batch.trial.doses.test_running import MODEL, PROTOCOL, TRIAL
from twin.clock import DAY_MS, HOUR_MS
from twin.dosing.protocol import usual_protocol
from twin.modelfile.library import load_model

GAP = 3 * DAY_MS
PATIENT = virtual_patient(TRIAL, MODEL, 0)


def planned(days: float, missing: float = 0.0, late: float = 0.0) -> Schedule:
    shares = replace(TRIAL, missing=missing, late_levels=late)
    return schedule(PATIENT, PROTOCOL, GAP, PATIENT.admitted + round(days * DAY_MS), shares)


def test_a_bolus_and_its_infusion_are_decided_on_together_shortly_before() -> None:
    found = planned(28.2)
    begun = found.courses[:-1]
    assert [at - begun[0] for at in found.courses] == [0, 14 * DAY_MS, 28 * DAY_MS]
    assert found.decided == tuple(at - BEFORE_MS for at in begun)
    assert len(found.of("fluorouracil")) > 2 * 2  # of courses that the watch does not see, too


def test_levels_are_drawn_when_the_protocol_says_or_missed() -> None:
    drawn = [one for one in planned(28.2).specimens if one.output == "fluorouracil_plasma"]
    assert [one.time - begun for one, begun in zip(drawn, planned(28.2).courses, strict=False)] == [40 * HOUR_MS] * 2
    assert all(2 * HOUR_MS <= one.reported - one.time <= 5 * HOUR_MS for one in drawn)
    assert not [one for one in planned(28.2, missing=0.99999).specimens if one.output == "fluorouracil_plasma"]
    own = replace(PROTOCOL, samples=())
    found = schedule(PATIENT, own, GAP, PATIENT.admitted + 28 * DAY_MS, TRIAL).specimens
    assert {one.output for one in found} == {"fluorouracil_plasma", "leukocytes"}


def test_levels_of_the_protocol_come_late_in_the_share_that_is_asked_for_and_are_drawn_as_ever() -> None:
    usual, late = (planned(28.2, late=share).specimens for share in (0.0, 1.0))
    assert [one.time for one in usual] == [one.time for one in late]
    delays = [one.reported - one.time for one in late if one.output == "fluorouracil_plasma"]
    assert all(12 * HOUR_MS <= delay <= 36 * HOUR_MS for delay in delays)


def test_a_watch_that_sees_no_course_to_its_end_is_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match="try more --days"):
        planned(10.0)


def test_a_course_of_which_doses_come_after_the_watch_is_none_of_the_trial() -> None:
    """Four daily doses: what a watch of a day sees of them is no exposure of the course."""
    model = load_model("busulfan_shukla2020")
    protocol = usual_protocol(model)
    patient = virtual_patient(replace(TRIAL, truth=(model.text, model.id), days=8.0), model, 0)
    first = planned_orders(patient)[0].step.start_ms
    gap, day = 3 * DAY_MS, DAY_MS
    assert schedule(patient, protocol, gap, first + 8 * day, TRIAL).courses == (first, first + 8 * day)
    for days in (1.0, 2.9):
        with pytest.raises(ValueError, match="try more --days"):
            schedule(patient, protocol, gap, first + round(days * day), TRIAL)
