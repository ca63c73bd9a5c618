"""``dosetwin validate`` on simulated patients: files, verdicts, exit codes, and arguments that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import streams.batch.validation
from streams.cli import app
from tests.connectors.reports.test_pages import EVEN, TOY, verdict, whole
from tests.twin.toys import LEVELS
from twin.model.spec import Model

runner = CliRunner(env={"COLUMNS": "200"})


def validate(*arguments: object) -> Result:
    return runner.invoke(app, ["validate", *map(str, arguments)])


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(LEVELS, encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_model_file_gets_its_verdict_its_numbers_and_its_pages(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = validate(toy, "--patients", 20, "--particles", 50, "--jobs", 2, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("toy_levels: calibrated; least p ")
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "toy_levels.html", "toy_levels.json"]
    said = json.loads((out / "toy_levels.json").read_text())
    assert said["patients"] == 20
    assert said["model_hash"] == TOY.hash
    assert [len(one["values"]) for one in said["ranks"]] == [20] * 4
    assert said["design"]["samples"]["marker"][:3] == [0.0, 168.0, 336.0]
    whole((out / "toy_levels.html").read_text())
    assert whole((out / "index.html").read_text()).asked == ["toy_levels.html"]
    again = tmp_path / "again"
    validate(toy, "--patients", 20, "--particles", 50, "--jobs", 1, "--out", again)
    repeated = json.loads((again / "toy_levels.json").read_text())
    assert repeated | {"milliseconds": said["milliseconds"]} == said, (
        "whatever the number of processes, but for the time"
    )


def yielding(*results: tuple[Model, object]) -> Any:
    def calibrate(*_: object) -> Iterator[tuple[Model, object]]:
        yield from results

    return calibrate


@pytest.mark.slow
def test_a_model_that_is_not_calibrated_ends_with_one(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams.batch.validation, "calibrate", yielding((TOY, verdict(EVEN**2))))
    done = validate(toy, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "toy_levels: NOT CALIBRATED; least p " in done.stdout
    assert "not calibrated" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.slow
def test_a_model_that_cannot_be_followed_is_reported_and_the_rest_goes_on(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(TOY, id="other")
    monkeypatch.setattr(streams.batch.validation, "calibrate", yielding((other, "ValueError: stiff"), (TOY, verdict())))
    done = validate(toy, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "other: ValueError: stiff" in done.stderr
    assert "toy_levels: calibrated" in done.stdout
    assert "stiff" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.slow
def test_what_goes_wrong_in_a_worker_is_that_models_result() -> None:
    broken = replace(TOY, id="broken", text="this is no model")
    found = streams.batch.validation.calibrate([broken, TOY], 2, 100, 1, lambda _: None)
    results = {model.id: result for model, result in found}
    assert str(results["broken"]).startswith("ModelError: broken.toml: not TOML")
    assert not isinstance(results[TOY.id], str)


# --- real patients ---------------------------------------------------------------------------------------------------


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Three patients of the toy in the manner of NONMEM; the second's last line cannot be used."""
    lines = ["ID,TIME,AMT,RATE,DV,EVID,DVID"]
    for patient, (first, marker) in enumerate([(2.4, 2.1), (3.1, 1.2), (1.9, 3.0)], start=1):
        lines += [f"{patient},0,90,90,.,1,.", f"{patient},0,.,.,5.1,0,2"]
        lines += [f"{patient},1,.,.,{first},0,1", f"{patient},1,.,.,{marker},0,2"]
        lines += [f"{patient},{time},.,.,{value},0,1" for time, value in ((4, first * 0.5), (9, 0.6))]
        lines.append(f"{patient},168,.,.,4.6,0,2")
    lines.insert(15, "2,200,.,.,-4,0,2")
    path = tmp_path / "records.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.slow
def test_patients_of_a_file_are_examined_and_what_cannot_be_used_is_named(
    toy: Path, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = validate("--data", records, "--model", toy, "--particles", 100, "--jobs", 1, "--out", out)
    assert done.exit_code == 3, done.output
    assert "records.csv: line 16: DV -4 cannot be marker" in done.stderr
    assert "toxin_plasma: 9 values of 3 patients" in done.stdout
    said = json.loads((out / "examination.json").read_text())
    assert [one["id"] for one in said["patients"]] == ["1", "2", "3"]
    assert len(said["patients"][1]["values"]) == 6
    assert said["patients"][0]["values"][0]["dv"] == 5.1
    assert said["outputs"][1]["measures"]["NPDE, SD (1 expected)"]["value"] > 0
    page = (out / "examination.html").read_text()
    assert whole(page).seen.count("svg") == 8
    assert "3 patients with 18 values" in " ".join(page.split())
    assert "1 lines, events or patients could not be used" in " ".join(page.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "RECORDS"], "--data needs the model"),
        (["--data", "absent.csv", "--model", "fluorouracil_yamada2025"], "absent.csv: there is no such file"),
        (["--data", "RECORDS", "--model", "nothing"], "nothing: no such model"),
        (["--data", "RECORDS", "--model", "TOY", "--columns", "DV=ABSENT"], "column map"),
        (["--data", "RECORDS", "--model", "TOY", "--output", "blood"], "output 'blood' is not in toy_levels"),
        (["--model", "TOY"], "name it with --data"),
        (["TOY", "--data", "RECORDS", "--model", "TOY"], "stands beside --data"),
    ],
)
def test_data_that_cannot_be_read_ends_with_two_and_writes_nothing(
    arguments: list[str], said: str, toy: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"RECORDS": str(records), "TOY": str(toy)}
    done = validate(*(named.get(argument, argument) for argument in arguments))
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "validation").exists()


@pytest.mark.slow
def test_a_file_without_a_single_usable_patient_ends_with_two(toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "doses.csv"
    path.write_text("ID,TIME,AMT,DV,EVID\n1,0,90,.,1\n", encoding="utf-8")
    done = validate("--data", path, "--model", toy, "--particles", 50, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "patient 1: not examined, ValueError: no value of toxin_plasma, marker in the record" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["docetaxel"], "docetaxel: no such model; did you mean 'docetaxel_ozawa2007'?"),
        (["absent.toml"], "absent.toml: cannot be read"),
        (["fluorouracil_yamada2025"] * 2, "fluorouracil_yamada2025 is named more than once"),
        (["fluorouracil_yamada2025", "--out", __file__], "is a file; name a folder"),
        (["fluorouracil_yamada2025", "--patients", 5], "--patients"),
        (["fluorouracil_yamada2025", "--particles", 10], "--particles"),
    ],
)
def test_unusable_arguments_end_with_two_and_write_nothing(
    arguments: list[object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = validate(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
