"""``dosetwin fit`` writes the page of a fit, and ``dosetwin diagnose`` writes it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli import app
from tests.streams.commands.study.test_fit import fit


def diagnose(folder: Path, *options: str) -> Result:
    given = ["diagnose", str(folder / "out"), str(folder / "levels.csv"), "--replicates", "100"]
    return CliRunner().invoke(app, [*given, *options])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit and its data."""
    folder = tmp_path_factory.mktemp("fitted")
    result = fit(folder)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stderr.splitlines()[-1])["page"] == str(folder / "out" / "fit.html")
    return folder


def test_the_page_is_made_again_from_the_folder_to_the_same_bytes(fitted: Path) -> None:
    out = fitted / "out"
    page, values = out / "fit.html", out / "tables" / "values.csv"
    first = (page.read_text(), values.read_text())
    result = diagnose(fitted, "--replicates", "1000")
    assert result.exit_code == 0, result.output
    assert values.read_text() == first[1]
    assert page.read_text() == first[0]
    assert diagnose(fitted, "--seed", "2").exit_code == 0
    assert values.read_text() != first[1]


def test_what_was_known_before_the_fit_is_known_again(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text(
        'source = "made up"\n[numbers.V]\nvalue = 9.0\nse = 0.01\n[numbers."omega.V"]\nvalue = 0.02\ndegrees = 20\n'
    )
    assert fit(tmp_path, "--prior", str(tmp_path / "known.toml")).exit_code == 0
    weighing = tmp_path / "out" / "tables" / "patients.csv"
    before = weighing.read_text()
    result = diagnose(tmp_path, "--replicates", "1000")
    assert result.exit_code == 0, result.output
    assert weighing.read_text() == before


@pytest.mark.slow
def test_a_page_can_be_left_out(tmp_path: Path) -> None:
    result = fit(tmp_path, "--no-page")
    assert json.loads(result.stderr.splitlines()[-1])["page"] is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fit.json", "made_fit.toml"]


def test_other_data_and_other_folders_are_refused(fitted: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text((fitted / "levels.csv").read_text().replace("1,0,1,100", "1,0,1,101"))
    other = CliRunner().invoke(app, ["diagnose", str(fitted / "out"), str(tmp_path / "other.csv")])
    assert (other.exit_code, "not the data of the fit" in other.stderr) == (2, True)
    nothing = CliRunner().invoke(app, ["diagnose", str(tmp_path), str(fitted / "levels.csv")])
    assert (nothing.exit_code, "holds no fit.json" in nothing.stderr) == (2, True)
    strata = diagnose(fitted, "--stratify", "SEX")
    assert (strata.exit_code, "'SEX' is no covariate" in strata.stderr) == (2, True)


def test_a_model_that_was_changed_since_is_refused(fitted: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    found = json.loads((fitted / "out" / "fit.json").read_text())
    (out / "fit.json").write_text(json.dumps(found | {"fixed": {"k": 0.2}}))
    (tmp_path / "levels.csv").write_text((fitted / "levels.csv").read_text())
    assert "does not hold the fitted model" in diagnose(tmp_path, "--seed", "1").stderr
    (out / "made_fit.toml").write_text((fitted / "out" / "made_fit.toml").read_text())
    assert "is not the model that" in diagnose(tmp_path).stderr
