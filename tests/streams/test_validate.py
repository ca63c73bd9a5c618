"""``dosetwin validate`` on simulated patients: files, verdicts, exit codes, and arguments that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import streams.validation
from streams.command import app
from tests.connectors.test_reports import EVEN, TOY, verdict, whole
from tests.twin.toys import LEVELS
from twin.models import Model

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
    done = validate(toy, "--patients", 20, "--particles", 100, "--jobs", 2, "--out", out)
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
    validate(toy, "--patients", 20, "--particles", 100, "--jobs", 1, "--out", again)
    repeated = json.loads((again / "toy_levels.json").read_text())
    assert repeated | {"milliseconds": said["milliseconds"]} == said, (
        "whatever the number of processes, but for the time"
    )


def yielding(*results: tuple[Model, object]) -> Any:
    def calibrate(*_: object) -> Iterator[tuple[Model, object]]:
        yield from results

    return calibrate


def test_a_model_that_is_not_calibrated_ends_with_one(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams.validation, "calibrate", yielding((TOY, verdict(EVEN**2))))
    done = validate(toy, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "toy_levels: NOT CALIBRATED; least p " in done.stdout
    assert "not calibrated" in (tmp_path / "out" / "index.html").read_text()


def test_a_model_that_cannot_be_followed_is_reported_and_the_rest_goes_on(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(TOY, id="other")
    monkeypatch.setattr(streams.validation, "calibrate", yielding((other, "ValueError: stiff"), (TOY, verdict())))
    done = validate(toy, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "other: ValueError: stiff" in done.stderr
    assert "toy_levels: calibrated" in done.stdout
    assert "stiff" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.slow
def test_what_goes_wrong_in_a_worker_is_that_models_result() -> None:
    broken = replace(TOY, id="broken", text="this is no model")
    found = streams.validation.calibrate([broken, TOY], 10, 100, 1, lambda _: None)
    results = {model.id: result for model, result in found}
    assert str(results["broken"]).startswith("ModelError: broken.toml: not TOML")
    assert not isinstance(results[TOY.id], str)


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
