"""``dosetwin nca`` on files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli import app

ROWS = "ID,TIME,AMT,DV\n" + "".join(
    f"{patient},0,100,.\n" + "".join(f"{patient},{hour},.,{80 * 0.5**hour}\n" for hour in (1, 2, 3, 4))
    for patient in ("P-1", "P-2")
)


def nca(folder: Path, text: str, *options: str) -> tuple[Result, list[dict[str, str]]]:
    (folder / "levels.csv").write_text(text)
    out = folder / "out.csv"
    result = CliRunner().invoke(app, ["nca", str(folder / "levels.csv"), "--out", str(out), *options])
    if not out.is_file():
        return result, []
    with out.open(newline="") as file:
        return result, list(csv.DictReader(file))


def test_a_row_a_dose_with_units_in_the_head(tmp_path: Path) -> None:
    result, rows = nca(tmp_path, ROWS, "--route", "bolus", "--interval", "0:24")
    assert result.exit_code == 0, result.output
    assert [row["ID"] for row in rows] == ["P-1", "P-2"]
    assert float(rows[0]["clearance_obs [L/h]"]) == pytest.approx(100 / 80 * 0.693147, rel=1e-5)
    assert float(rows[0]["auc_0_24 [mg/L.h]"]) < float(rows[0]["auc_inf_obs [mg/L.h]"])
    summary = json.loads(result.stderr.splitlines()[-1])
    assert summary == {"patients": 2, "analysed": 2, "left_out": 0, "out": str(tmp_path / "out.csv")}


def test_only_records_that_are_asked_for_are_analysed(tmp_path: Path) -> None:
    _, rows = nca(tmp_path, ROWS, "--route", "bolus", "--where", "ID=P-2")
    assert [row["ID"] for row in rows] == ["P-2"]


def test_a_row_a_parameter_with_codes(tmp_path: Path) -> None:
    _, rows = nca(tmp_path, ROWS, "--route", "bolus", "--long", "--concentration-unit", "ng/mL")
    found = {(row["ID"], row["parameter"]): row for row in rows}
    assert found["P-1", "vss_obs"]["unit"] == "L"
    assert float(found["P-1", "vss_obs"]["value"]) == pytest.approx(1250.0)
    assert found["P-2", "lambda_z"]["code"] == "LAMZ"


def test_sparse_and_urine_are_analyses_of_their_own(tmp_path: Path) -> None:
    _, rows = nca(tmp_path, ROWS, "--route", "bolus", "--sparse")
    assert [row["ID"] for row in rows] == ["all"]
    assert float(rows[0]["auc_sparse [mg/L.h]"]) == pytest.approx(52.5)
    assert rows[0]["remarks"] == "the area begins at 1, the first time, and not at the dose"
    _, rows = nca(tmp_path, ROWS, "--route", "extravascular", "--sparse")
    assert float(rows[0]["auc_sparse [mg/L.h]"]) == pytest.approx(52.5 + 20.0)
    urine = "ID,TIME,END,VOL,AMT,DV\n1,0,.,.,100,.\n1,0,4,1000,.,50\n1,4,8,500,.,10\n"
    _, rows = nca(tmp_path, urine, "--route", "extravascular", "--urine", "--columns", "VOLUME=VOL")
    assert float(rows[0]["recovered [mg]"]) == pytest.approx(55.0)


def test_what_cannot_be_used_is_said_by_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    result, rows = nca(tmp_path, ROWS + "P-3,0,-5,.\nP-3,1,.,4\n", "--route", "bolus")
    assert result.exit_code == 3
    assert "levels.csv:13: AMT -5" in result.stderr or "patient P-3" in result.stderr
    assert len(rows) == 3
    assert rows[2]["remarks"].startswith("no dose")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--interval", "24:0"], "--interval '24:0': give two times, the earlier first"),
        (["--terminal", "late"], "--terminal 'late'"),
        (["--dose-unit", "pills"], "unit 'pills'"),
        (["--sparse", "--urine"], "choose one"),
        (["--sparse", "--interval", "0:24"], "--interval is of each patient's course: leave it out, or --sparse"),
        (["--urine", "--terminal", "9:24"], "--terminal is of each patient's course: leave it out, or --urine"),
        (["--columns", "DV"], "is not 'ITEM=COLUMN'"),
        (["--dose", "100"], "patient P-1 has doses of their own"),
        (["--out", "nowhere/out.csv"], "no such folder"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_anything_is_written(
    tmp_path: Path, options: list[str], said: str
) -> None:
    result, rows = nca(tmp_path, ROWS, "--route", "bolus", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not rows
