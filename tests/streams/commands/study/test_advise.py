"""``dosetwin advise`` on a record: a table or JSON, a figure, and arguments that are refused with their mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.commands.study.advise import app
from tests.twin.bedside import clock, dose, plan
from twin.events import encode

MODEL = ["--model", "carboplatin_zandvliet2008", "--particles", "100"]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    order = {"drug": "carboplatin"}
    events = [plan(-1.0, (504.0, 490.0, 1.0), **order), dose(0.0, 490.0, 1.0, **order), clock(24.0)]
    file.write_bytes(b"".join(encode(event) + b"\n" for event in events))
    return file


def test_a_record_is_advised_on_with_branches_and_a_figure(record: Path) -> None:
    figure = record.with_suffix(".png")
    found = CliRunner().invoke(app, [str(record), *MODEL, "--branch", "delay all 7 d", "--plot", str(figure)])
    assert found.exit_code == 0, found.output
    assert "advised" in found.stdout
    assert "delay all 7 d" in found.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_trough_without_a_plan_is_that_of_doses_that_come_again_until_it_is_settled(tmp_path: Path) -> None:
    """One dose more would leave the trough before it as it is, whatever the dose."""
    file = tmp_path / "levels.csv"
    file.write_text("ID,TIME,AMT,DV,EVID\nP-17,0,400,.,1\nP-17,24,.,1100,0\n")
    asked = [str(file), "--model", "imatinib_widmer2006", "--particles", "100"]
    said = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    named = {one["name"]: one for one in said["alternatives"]}
    assert [len(one["doses"]) for one in said["alternatives"]] == [8] * len(named)
    troughs = [named[name]["exposures"]["imatinib_trough"] for name in ("-20 %", "planned", "+20 %")]
    assert [one["median"] / troughs[1]["median"] for one in troughs] == pytest.approx([0.8, 1.0, 1.2], abs=0.02)
    assert troughs[0]["in_window"] < troughs[1]["in_window"] < troughs[2]["in_window"]
    assert f"advised: {named['advised']['amount_mg']:.0f} mg in 8 doses (" in CliRunner().invoke(app, asked).stdout


@pytest.mark.slow
def test_the_same_record_gives_the_same_json(record: Path) -> None:
    said = [CliRunner().invoke(app, [str(record), *MODEL, "--json"]).stdout for _ in range(2)]
    assert said[0] == said[1]
    assert json.loads(said[0])["decision"] == "next dose"


@pytest.mark.slow
def test_a_horizon_plans_the_courses_that_are_left(tmp_path: Path) -> None:
    file, order = tmp_path / "events.ndjson", {"drug": "carboplatin"}
    doses = [(504.0 * cycle, 490.0, 1.0) for cycle in (1, 2)]
    events = [plan(-1.0, *doses, **order), dose(0.0, 490.0, 1.0, **order), clock(24.0)]
    file.write_bytes(b"".join(encode(event) + b"\n" for event in events))
    found = CliRunner().invoke(app, [str(file), *MODEL, "--horizon", "3"])
    assert found.exit_code == 0, found.output
    assert "the first dose is firm" in found.stdout
    said = CliRunner().invoke(app, [str(file), *MODEL, "--horizon", "3", "--json"]).stdout
    assert [one["firm"] for one in json.loads(said)["horizon"]["courses"]] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--horizon", "2"], "one dose alone is planned"),
        (["--branch", "stop"], "the drug is missing"),
        (["--at", "yesterday"], "is no time with its offset"),
        (["--patient", "P-9"], "the files hold nothing of this patient"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(record: Path, arguments: list[str], said: str) -> None:
    found = CliRunner().invoke(app, [str(record), *MODEL, *arguments])
    assert found.exit_code == 2
    assert said in found.stderr


def test_where_no_dose_can_be_advised_published_rules_are_told_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mtx.ndjson"
    file.write_bytes(
        b"".join(encode(event) + b"\n" for event in [dose(0.0, 4000.0, 3.0, drug="methotrexate"), clock(24.0)])
    )
    model = ["--model", "methotrexate_mao2022", "--particles", "60"]
    found = CliRunner().invoke(app, [str(file), *model])
    assert found.exit_code == 0, found.output
    assert "no dose is advised" in found.stdout
    assert "leucovorin 15 mg every 6 h" in found.stdout
    told = json.loads(CliRunner().invoke(app, [str(file), *model, "--json"]).stdout)
    assert [one["rule"] for one in told["spoken"]] == ["leucovorin_label", "glucarpidase_consensus"]


def test_a_protocol_that_does_not_fit_the_model_is_refused(record: Path) -> None:
    protocol = record.with_suffix(".toml")
    protocol.write_text('id = "other"\ntitle = "Other"\ndrug = "busulfan"\nassumed = "a test"\n')
    found = CliRunner().invoke(app, [str(record), *MODEL, "--protocol", str(protocol)])
    assert found.exit_code == 2
    assert "'busulfan' is no drug of carboplatin_zandvliet2008" in found.stderr
