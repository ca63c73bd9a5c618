"""A whole study, on any number of processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from typer.testing import CliRunner

from streams.batch.virtual.running import run_study
from streams.batch.virtual.study import load_study
from streams.cli import app
from tests.twin.virtual.test_plan import STUDY

SMALL = STUDY.replace("patients = 10", "patients = 3\ntrials = 2").replace("days = 42", "days = 30")


def test_results_do_not_depend_on_processes(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(SMALL)
    study = load_study(tmp_path / "study.toml")
    alone, _ = run_study(study, "hash", 0, lambda _: None)
    spread, _ = run_study(study, "hash", 2, lambda _: None)
    assert repr(alone) == repr(spread)
    assert alone.patients == 6


def test_results_are_a_page_figures_and_a_row_a_patient_and_arm(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(SMALL)
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "study.toml"), "--out", str(out), "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert "grade 4, reduced" in result.output
    found = json.loads((out / "study.json").read_text())
    assert found["study"] == "reduced"
    assert [one["arm"] for one in found["arms"]] == ["full", "reduced"]
    with (out / "patients.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["trial"], row["patient"], row["arm"]) for row in rows[:3]] == [
        ("1", "1", "full"),
        ("1", "1", "reduced"),
        ("1", "2", "full"),
    ]
    page = (out / "study.html").read_text()
    assert "With and without a reduction" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_study_that_cannot_be_used_ends_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(SMALL.replace('measure = "below"', 'measure = "least"'))
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "study.toml")])
    assert result.exit_code == 2
    assert "endpoints[0].measure" in result.stderr


def test_patients_who_cannot_be_drawn_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("BSA\n1.8\n90\n")
    text = SMALL.replace("[[arms]]", '[people]\nfile = "people.csv"\n[[arms]]', 1)
    (tmp_path / "study.toml").write_text(text)
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "study.toml"), "--out", str(out), "--jobs", "1"])
    assert result.exit_code == 3
    assert "BSA" in result.stderr
    assert json.loads((out / "study.json").read_text())["patients"] < 6
