"""What a trial hears of a twin, and what of that is held against the truth."""

from __future__ import annotations

from dataclasses import replace

from streams.batch.trial.following import follow
from streams.batch.trial.patients import virtual_patient
from tests.streams.batch.trial.test_patients import MODEL, PLAN

DAILY = replace(PLAN, days=12.0, count_days=7.0, estimate_hours=24.0, particles=50)


def test_what_is_said_of_days_in_which_a_pump_will_fail_is_not_held_against_the_twin() -> None:
    sound, fails = (replace(DAILY, faults=share) for share in (0.0, 1.0))
    index = next(
        i
        for i in range(20)
        for one in virtual_patient(fails, MODEL, i).infusions
        if one.happened and 15 < (one.happened[0] - virtual_patient(fails, MODEL, i).admitted) / 864e5 < 22
    )
    first, second = (follow(plan, MODEL, virtual_patient(plan, MODEL, index)).stated for plan in (sound, fails))
    assert len(first) > 4
    assert len(second) <= 2, "only of the first day's words is the horizon over when the pump begins to fail"
