"""A trial of doses in patients who are not as the twins believe, and of whom less is known, or later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.batch.trial.doses.record import Said
from streams.batch.trial.doses.running import run_doses
from streams.batch.trial.doses.treating import DosePlan, TreatedPatient, treat
from streams.batch.trial.patients import TrialPlan, virtual_patient
from tests.streams.batch.trial.doses.test_running import MODEL, PROTOCOL, TRIAL, quiet
from twin import load_model
from twin.clock import DAY_MS
from twin.dosing.protocol import parse_protocol
from twin.trial.population import Departure

RIVAL = load_model("fluorouracil_arshad2020")


def treated(*arms: str, **changes: object) -> TreatedPatient:
    plan: TrialPlan = replace(TRIAL, **changes)  # type: ignore[arg-type]
    patient = virtual_patient(plan, plan.departure.of(MODEL), 0)
    return treat(DosePlan(plan, PROTOCOL, arms), MODEL, patient)


def exposures(found: TreatedPatient) -> list[float]:
    return [cycle.exposure for arm in found.arms for cycle in arm.cycles if cycle.exposure is not None]


def intensities(found: TreatedPatient) -> list[float]:
    return [cycle.intensity for arm in found.arms for cycle in arm.cycles]


@pytest.fixture(scope="module")
def usual() -> list[float]:
    """Exposures of the patient as believed, treated as planned."""
    return exposures(treated("protocol"))


def test_a_parameter_that_is_truly_another_one_moves_the_exposures(usual: list[float]) -> None:
    doubled = exposures(treated("protocol", departure=Departure(factors=(("CL", 2.0),))))
    assert doubled == pytest.approx([one / 2.0 for one in usual], rel=0.02)


def test_a_parameter_that_differs_from_course_to_course_makes_exposures_differ(usual: list[float]) -> None:
    assert usual[0] == pytest.approx(usual[1], rel=1e-3)
    differing = exposures(treated("protocol", departure=Departure(occasions=(("CL", 0.4),))))
    assert abs(differing[0] / differing[1] - 1.0) > 0.05


def test_heavy_tails_are_of_the_counts_alone_and_change_nothing_that_is_true(usual: list[float]) -> None:
    departed = Departure(tails=2.5)
    assert exposures(treated("protocol", departure=departed)) == usual
    until = TRIAL.days * DAY_MS
    told = []
    for one in (Departure(), departed):
        patient = virtual_patient(TRIAL, one.of(MODEL), 0)
        drawn = [(each.time, each.output) for each in patient.specimens]
        told.append(Said(patient, [], drawn).solved(patient.admitted + round(until)).results)
    counts = [at for at, each in enumerate(drawn) if each[1] == "leukocytes" and at in told[0]]
    others = [at for at in told[0] if at not in counts]
    assert counts
    assert all(told[0][at] == told[1][at] for at in others)
    assert any(told[0][at] != told[1][at] for at in counts)


def test_of_who_is_not_measured_only_the_first_dose_is_the_same() -> None:
    measured, missed = (intensities(treated("mode", missing=share)) for share in (0.0, 0.95))
    assert measured[0] == pytest.approx(missed[0], abs=0.02)
    assert measured[1] != missed[1]


@pytest.mark.slow
def test_results_that_come_late_but_before_the_next_dose_change_no_dose() -> None:
    ward, late = (intensities(treated("twin", late=share, late_levels=share)) for share in (0.0, 1.0))
    assert ward == late


@pytest.mark.slow
def test_a_level_that_comes_after_the_next_dose_is_heeded_at_the_one_after_it() -> None:
    model = load_model("busulfan_shukla2020")
    protocol = parse_protocol(
        'id = "daily"\ntitle = "Daily"\ndrug = "busulfan"\nassumed = "a test"\n'
        'target = { name = "busulfan_auc" }\nsampling = { after = ["6 h", "12 h"] }',
        "test",
    )
    plan = replace(TRIAL, truth=(model.text, model.id), days=8.0)
    doses = []
    for share in (0.0, 1.0):
        late = replace(plan, late_levels=share)
        found = treat(DosePlan(late, protocol, ("mode",)), model, virtual_patient(late, model, 0))
        doses.append(found.arms[0].cycles[0].intensity)
    assert len({1.0, *doses}) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"truth": (RIVAL.text, RIVAL.id)},
        {"departure": Departure((("CL", 1.5),), (("CL", 0.2),), 4.0), "missing": 0.3, "late": 0.5, "late_levels": 0.5},
    ],
)
def test_every_arm_can_be_tried_in_patients_who_are_not_as_believed(changes: dict[str, object]) -> None:
    arms = ("protocol", "published", "mode", "twin", "horizon", "known")
    found = run_doses(DosePlan(replace(TRIAL, **changes), PROTOCOL, arms), MODEL, 0, quiet)  # type: ignore[arg-type]
    assert found.failed == ()
    assert [arm.arm for arm in found.arms] == list(arms)
    assert all(np.isfinite(m.value) for arm in found.arms for m in arm.all_cycles if "over that" not in m.name)
