"""``dosetwin compare`` on what ``dosetwin fit`` wrote."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from streams.cli import app
from tests.streams.commands.study.test_fit import fit


def test_a_number_that_the_data_tell_is_worth_its_place(tmp_path: Path) -> None:
    for name, fixed in (("whole", ""), ("held", "k")):
        assert fit(tmp_path, "--fix", fixed, "--out", str(tmp_path / name)).exit_code == 0
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "held"), str(tmp_path / "whole")])
    assert result.exit_code == 0, result.output
    head, first, second, test = result.stdout.splitlines()
    assert head.split()[:3] == ["fit", "method", "numbers"]
    assert first.startswith(str(tmp_path / "whole"))
    assert second.startswith(str(tmp_path / "held"))
    assert test.endswith("whole is better")


def test_folders_that_hold_no_fit_are_named_with_the_mend(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "nothing"), str(tmp_path)])
    assert result.exit_code == 2
    assert "nothing/fit.json" in result.stderr
    (tmp_path / "fit.json").write_text('{"likelihood": 3}')
    result = CliRunner().invoke(app, ["compare", str(tmp_path), str(tmp_path)])
    assert result.exit_code == 2
    assert "is no fit that can be read" in result.stderr
