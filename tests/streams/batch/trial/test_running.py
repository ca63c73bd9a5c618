"""A small trial from beginning to end."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from connectors.reports.trials.alerts import trial_page
from streams.batch.trial.running import TrialReport, believed, known, publish, run
from tests.streams.batch.trial.test_patients import MODEL, PLAN
from twin.trial.population import Departure

SMALL = replace(
    PLAN, patients=4, days=10.0, count_days=2.0, missing=0.1, faults=0.5, estimate_hours=24.0,
    departure=Departure(factors=(("Slope", 2.0),)),
)  # fmt: skip


def quiet(_reached: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture(scope="module")
def found() -> TrialReport:
    return run(SMALL, MODEL, 0, quiet)


def test_the_twin_stands_beside_the_plain_rules_on_the_same_patients(found: TrialReport) -> None:
    assert found.failed == ()
    assert (found.patients, found.patient_days) == (4, 40.0)
    assert [one.name for one in found.worths] == ["twin", "low_count", "calendar", "before"]
    assert len({one.events for one in found.worths}) == 1
    calendar = found.worths[2]
    assert calendar.claims == 4
    assert calendar.sensitivity.value == 1.0
    assert {one.what for one in found.reliability} >= {"neutropenia_g4 within the horizon"}


def test_a_pump_at_ten_times_its_rate_is_told_within_two_minutes_and_others_not_at_all(found: TrialReport) -> None:
    tenfold = next(one for one in found.faults if one.fault == "tenfold")
    assert (tenfold.planted, tenfold.found) == (1, 1)
    assert max(tenfold.minutes) <= 2
    assert found.planned.patients == 3  # a pump that fails after the watch did as planned until then
    assert 0 < found.planned.running_days < found.planned.patient_days == 30.0
    assert found.planned.false_alerts == ()


@pytest.mark.slow
def test_results_are_json_and_a_page_of_its_own(found: TrialReport, tmp_path: Path) -> None:
    publish(found, trial_page(found), tmp_path / "out")
    told = json.loads((tmp_path / "out" / "trial.json").read_text())
    assert told["worths"][0]["name"] == "twin"
    assert told["settings"]["truth"] == MODEL.id
    page = (tmp_path / "out" / "trial.html").read_text()
    assert "<svg" in page
    assert " src=" not in page
    assert 'href="http' not in page
    assert "<script" not in page
    assert known({"a": [float("nan"), 1.0], "b": (None,)}) == {"a": [None, 1.0], "b": [None]}


@pytest.mark.slow
def test_two_trials_of_one_seed_are_the_same() -> None:
    found = [run(replace(SMALL, patients=1, days=3.0), MODEL, 0, quiet) for _ in range(2)]
    assert known(asdict(found[0])) == known(asdict(found[1]))


def test_a_patient_who_cannot_be_followed_is_named_and_a_trial_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no patient could be followed; the first: "):
        run(replace(SMALL, patients=1, particles=-1), MODEL, 0, quiet)


def test_the_time_between_two_estimates_is_that_of_the_trial() -> None:
    assert believed(MODEL, SMALL).cadence.estimate == 24.0
    assert believed(MODEL, replace(SMALL, estimate_hours=None)) == MODEL
