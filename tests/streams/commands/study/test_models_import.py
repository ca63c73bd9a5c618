"""``dosetwin models import`` and ``export``: a file of another program becomes a model file that is sound, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.commands.study.models import app
from tests.connectors.models.streams import ORAL
from tests.test_site import PAGES, blocks, commands

runner = CliRunner(env={"COLUMNS": "200"})


def test_the_example_of_the_page_is_carried_over_checked_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (stream,) = blocks(PAGES["docs/import.md"], "nonmem")
    Path("run1.mod").write_text(stream)
    done = [runner.invoke(app, words[1:]) for words in commands(PAGES["docs/import.md"])]
    assert [each.exit_code for each in done] == [0] * 5, [each.output for each in done]
    assert "unverified" in done[0].stdout
    assert "a regimen of 100 mg" in done[0].stderr
    assert "unverified" in done[2].stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--drug", "no drug"], "cannot be a name"),
        (["--from", "fortran"], "--from is 'fortran'"),
        (["--time-unit", "week"], "write min, h or d"),
        (["--unit", "CL"], "write NAME=VALUE"),
        (["--reference", "WT=heavy"], "write NAME=NUMBER"),
        (["--unit", "CLX=L/h"], "nothing called CLX"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_its_mend(options: list[str], says: str, tmp_path: Path) -> None:
    file = tmp_path / "run1.mod"
    file.write_text(ORAL)
    done = runner.invoke(app, ["import", str(file), "--out", str(tmp_path / "x.toml"), *options])
    assert done.exit_code == 1
    assert says in done.stderr


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "run1.mod").write_text(ORAL)
    (tmp_path / "x.toml").write_text("mine")
    done = runner.invoke(app, ["import", str(tmp_path / "run1.mod"), "--out", str(tmp_path / "x.toml")])
    assert (done.exit_code, (tmp_path / "x.toml").read_text()) == (1, "mine")
    assert "is there already" in done.stderr


def test_an_export_that_cannot_be_is_refused_by_what_hinders_it(tmp_path: Path) -> None:
    done = runner.invoke(app, ["export", "docetaxel_ozawa2007", "--to", "nonmem"])
    assert (done.exit_code, "pulse()" in done.stderr) == (1, True)
    done = runner.invoke(app, ["export", "tamoxifen_terheine2014", "--to", "monolix"])
    assert "write one of nonmem, mrgsolve" in done.stderr
    (tmp_path / "x.mod").write_text("mine")
    done = runner.invoke(app, ["export", "tamoxifen_terheine2014", "--to", "nonmem", "--out", str(tmp_path / "x.mod")])
    assert "is there already" in done.stderr
