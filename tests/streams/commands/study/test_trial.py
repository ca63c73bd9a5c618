"""``dosetwin trial``: arguments that cannot be used are refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--factor", "Slope"], "--factor Slope: write NAME=NUMBER, the number above 0, as Slope=1.25"),
        (["--factor", "Slop=1.2"], "parameters.Slop: no such parameter"),
        (["--occasion", "CL=-1"], "--occasion CL=-1: write NAME=NUMBER"),
        (
            ["--truth", "paclitaxel_friberg2002_leukocytes"],
            "has covariates CLI, V1I, V2I, which",
        ),
        (["--of", "doses", "--arm", "guess"], "--arm guess: there is no such arm; name some of protocol, published"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_mend(options: list[str], says: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["trial", "docetaxel_ozawa2007", *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (tmp_path / "out").exists()
