"""``dosetwin trial``: arguments that cannot be used are refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app
from twin import load_model


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
        (["--of", "doses", "--faults", "0.3"], "--faults: a trial of doses makes no use of it; leave it out"),
        (["--of", "lines", "--late", "0.3"], "--late: a trial of lines makes no use of it; leave it out"),
        (["--of", "lines"], "--of lines is of methotrexate alone, and docetaxel_ozawa2007 gives docetaxel"),
        (["--of", "doses", "--protocol", "gone.toml"], "gone.toml: No such file or directory; check the path"),
        (["--arm", "twin"], "--arm: a trial of alerts makes no use of it; leave it out"),
        (["--of", "doses", "--arm", "guess"], "--arm guess: there is no such arm; name some of protocol, published"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_mend(options: list[str], says: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["trial", "docetaxel_ozawa2007", *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_true_model_that_asks_another_question_of_doses_is_refused_with_the_mend(tmp_path: Path) -> None:
    window = tmp_path / "narrower.toml"
    window.write_text(load_model("busulfan_shukla2020").text.replace("low = 78\n", "low = 80\n"))
    options = ["--of", "doses", "--truth", "busulfan_mccune2014", "--days", "8", "--out", str(tmp_path / "out")]
    protocol = tmp_path / "protocol.toml"
    protocol.write_text('id = "a"\ntitle = "b"\ndrug = "busulfan"\nassumed = "c"\ntarget = { name = "busulfan_auc" }\n')
    result = CliRunner().invoke(app, ["trial", str(window), *options, "--protocol", str(protocol)])
    assert result.exit_code == 2
    assert "--truth busulfan_mccune2014: busulfan_auc is 78 to 101 mg.h/L" in result.stderr
    assert "make a model file in which it is the same" in result.stderr
