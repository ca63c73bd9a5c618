"""``dosetwin points`` on files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli import app
from tests.streams.commands.study.test_fit import MODEL, levels
from tests.twin import toys


def points(folder: Path, text: str | None = None, model: str = MODEL, *more: str) -> Result:
    (folder / "mine.toml").write_text(model)
    (folder / "levels.csv").write_text(levels() if text is None else text)
    given = ["points", str(folder / "levels.csv"), "--model", str(folder / "mine.toml"), "--out", str(folder / "out")]
    return CliRunner().invoke(app, [*given, *more])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_points_are_written_with_their_weights_and_what_they_say_of_everybody(tmp_path: Path) -> None:
    result = points(tmp_path)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stderr.splitlines()[-1])
    found = rows(tmp_path / "out" / "points.csv")
    assert (summary["patients"], summary["points"]) == (16, len(found))
    assert len(found) <= 16
    assert list(found[0]) == ["weight", "k", "V", "ETA_k", "ETA_V"]
    weights = [float(one["weight"]) for one in found]
    assert sum(weights) == pytest.approx(1.0)
    assert weights == sorted(weights, reverse=True)
    said = json.loads((tmp_path / "out" / "points.json").read_text())
    assert said["converged"]
    assert said["may_fall_by"] <= 0.002
    k, volume = said["parameters"]
    assert (k["name"], k["unit"]) == ("k", "1/h")
    # The truth is 0.2 and 10, with standard deviations of a fifth and 0.15 of them.
    assert k["mean"] == pytest.approx(0.2, rel=0.2)
    assert volume["mean"] == pytest.approx(10.0, rel=0.15)
    patients = rows(tmp_path / "out" / "patients.csv")
    assert list(patients[0]) == ["patient", "k", "SD_k", "V", "SD_V", "point", "probability"]
    assert len(patients) == 16
    mean = sum(float(one["V"]) for one in patients) / 16
    assert mean == pytest.approx(volume["mean"], rel=1e-3)
    assert "round 1: objective" in result.stderr


def test_one_of_several_data_sets_of_a_file_is_as_a_file_of_its_own(tmp_path: Path) -> None:
    alone, among = tmp_path / "alone", tmp_path / "among"
    alone.mkdir()
    among.mkdir()
    head, *lines = levels().splitlines()
    both = [f"SET,{head}", *(f"{number},{line}" for number in (1, 2) for line in lines if number == 1 or ",0" in line)]
    assert points(alone).exit_code == 0
    result = points(among, "\n".join(both), MODEL, "--where", "SET=1")
    assert result.exit_code == 0, result.output
    assert "records were left out by --where SET=1" in result.stderr
    assert rows(among / "out" / "points.csv") == rows(alone / "out" / "points.csv")
    said, of_whole = (json.loads((folder / "out" / "points.json").read_text()) for folder in (among, alone))
    assert (said["data"]["where"], of_whole["data"]["where"]) == (["SET=1"], [])
    refused = points(among, None, MODEL, "--where", "SET=1")
    assert refused.exit_code == 2
    assert "--where SET=1: there is no column SET" in refused.stderr


def test_a_model_whose_effects_drift_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    extra = f"[drift]\ngrid = 6\nlag = 12\n{toys.SOURCE}\n[cadence]"
    text = re.sub(r"(iiv = .*\n)", r"\1drift = 0.1\n", MODEL).replace("[cadence]", extra)
    result = points(tmp_path, model=text)
    assert result.exit_code == 2
    assert "has effects that drift; support points are of parameters with iiv" in result.stderr
    assert not (tmp_path / "out").exists()
