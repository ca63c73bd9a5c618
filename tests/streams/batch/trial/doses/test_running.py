"""A small trial of doses and of lines, from beginning to end."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from connectors.reports.trials.doses import dose_trial_page
from streams.batch.trial.doses.running import DoseReport, run_doses, run_lines
from streams.batch.trial.doses.treating import DosePlan
from streams.batch.trial.patients import TrialPlan
from streams.batch.trial.running import known, publish
from twin import load_model
from twin.clock import HOUR_MS
from twin.dosing.protocol import parse_protocol
from twin.trial.doses.arms import ARMS
from twin.trial.population import Departure

MODEL = load_model("fluorouracil_yamada2025")
PROTOCOL = parse_protocol(
    """
    id = "one_level"
    title = "One level a cycle"
    drug = "fluorouracil"
    assumed = "a test"
    dose = { lowest = 0.25, highest = 3.0, adjusts = "infusions" }
    limits = { leukopenia_g4 = 0.25 }
    sampling = { after = ["40 h"] }
    """,
    "test",
)
TRIAL = TrialPlan(
    (MODEL.text, MODEL.id), Departure(), 1, 3, days=28.2, count_days=7.0, missing=0.0, faults=0.0, particles=60,
    estimate_hours=48.0,
)  # fmt: skip


def quiet(_reached: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture(scope="module")
def found() -> DoseReport:
    return run_doses(DosePlan(TRIAL, PROTOCOL, ARMS), MODEL, 0, quiet)


def test_a_patient_is_treated_once_in_every_arm(found: DoseReport) -> None:
    assert found.failed == ()
    assert [(arm.arm, arm.patients, len(arm.cycles)) for arm in found.arms] == [(name, 1, 2) for name in ARMS]
    by_name = {arm.arm: {m.name: m.value for m in arm.all_cycles} for arm in found.arms}
    assert by_name["protocol"]["dose, of the planned"] == 1.0
    assert by_name["protocol"].keys() < by_name["twin"].keys()
    # Clearance is the same in every cycle: whoever knows it is always in the window.
    assert by_name["known"]["in target"] == 1.0
    assert {one.what for one in found.reliability} == {
        "fluorouracil_auc in target, as dosed",
        "leukopenia_g4, as dosed",
        "fluorouracil_auc in target, as dosed by horizon",
        "leukopenia_g4, as dosed by horizon",
    }


def test_the_published_rule_follows_the_last_level_from_the_second_cycle_on(found: DoseReport) -> None:
    cycles = next(arm for arm in found.arms if arm.arm == "published").cycles
    given = [next(m.value for m in cycle if m.name == "dose, of the planned") for cycle in cycles]
    assert given[0] == 1.0 != given[1]


@pytest.mark.slow
def test_results_are_json_and_a_page_of_its_own(found: DoseReport, tmp_path: Path) -> None:
    publish(found, dose_trial_page(found), tmp_path)
    told = json.loads((tmp_path / "trial.json").read_text())
    assert [arm["arm"] for arm in told["arms"]] == list(ARMS)
    assert told["settings"]["protocol"]["samples"] == [40 * HOUR_MS]
    page = (tmp_path / "trial.html").read_text()
    assert page.count("<svg") == 2
    assert " src=" not in page
    assert "<script" not in page


def test_the_same_seed_gives_the_same_figures_whichever_arms_stand_beside(found: DoseReport) -> None:
    again = run_doses(DosePlan(TRIAL, PROTOCOL, ("protocol", "twin")), MODEL, 0, quiet)
    assert known(asdict(again.arms[1])) == known(asdict(next(arm for arm in found.arms if arm.arm == "twin")))


def test_patients_who_cannot_be_treated_are_named_and_a_trial_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no course of fluorouracil is planned and over in the days"):
        run_doses(DosePlan(replace(TRIAL, days=1.0), PROTOCOL, ("protocol",)), MODEL, 0, quiet)


@pytest.mark.slow
def test_lines_are_told_with_how_well_who_crosses_them_is_found() -> None:
    model = load_model("methotrexate_mao2022")
    slow = Departure(factors=(("CL", 0.35),), occasions=(("CL", 0.5),))
    plan = replace(TRIAL, truth=(model.text, model.id), departure=slow, patients=6, days=3.0)
    found = run_lines(plan, (24.0,), model, 0, quiet)
    (one,) = found.discriminations
    assert (found.failed, found.patients, one.patients) == ((), 6, 6)
    assert 0 < one.events < 6
    assert one.auc.value > 0.5
    assert "Discrimination" in dose_trial_page(found)
    with pytest.raises(ValueError, match="levels are drawn before the first line, at 36 h"):
        run_lines(replace(plan, patients=1), (40.0,), model, 0, quiet)
