"""``dosetwin init``: says what it wrote and what comes next, and refuses with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app


def test_a_ward_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["init", "east-2", "--zone", "Europe/Berlin", "--model", "imatinib_widmer2006", "--workers", "2"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0
    assert "east-2/rules.toml" in first.stdout.splitlines()
    assert "east-2/README.md says how to start" in first.stderr
    assert "imatinib_widmer2006" in (tmp_path / "east-2" / "compose.ward.yaml").read_text()
    again = CliRunner().invoke(app, command)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "not empty: nothing was written" in again.stderr


def test_a_ward_that_cannot_be_is_named(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["init", "East", "--folder", str(tmp_path / "new")])
    assert said.exit_code == 2
    assert "ward 'East'" in said.stderr
    assert not (tmp_path / "new").exists()
