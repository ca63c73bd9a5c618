"""``dosetwin models``: what a user sees of the library, and the check of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.commands.study.models import app
from tests.connectors.reports.test_pages import shown, whole
from tests.places import ROOT
from tests.twin import toys
from tests.twin.observation.test_outcomes import TEXT as OUTCOMES
from twin.modelfile.library import library_ids, load_model

runner = CliRunner(env={"COLUMNS": "200"})


def test_the_list_is_also_one_of_json() -> None:
    listed = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert [model["id"] for model in listed] == list(library_ids())
    assert listed[0].keys() == {"id", "drug", "title", "hash"}


def test_list_names_every_model_whole() -> None:
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    for name in library_ids():
        assert name in result.output


@pytest.mark.parametrize("name", library_ids())
def test_the_card_shows_every_number_with_unit_and_source(name: str) -> None:
    model = load_model(name)
    result = runner.invoke(app, ["show", name])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    for parameter in model.parameters:
        words = [parameter.name, f"{parameter.value:g}", parameter.unit]
        assert any(line.split()[:3] == words for line in lines), words
    for state in model.states:
        assert f"d{state.name}/dt = " in result.output
    for output in model.outputs:
        assert output.name in result.output
    assert model.hash in result.output
    assert all(citation.citation in result.output for citation in model.sources)


def test_the_card_marks_what_nobody_published() -> None:
    result = runner.invoke(app, ["show", "docetaxel_ozawa2007"])
    assert "ASSUMED: a common baseline" in " ".join(result.output.split())
    assert "CTCAE v5.0" in result.output
    card = " ".join(runner.invoke(app, ["show", "mercaptopurine_jost2020"]).output.split())
    assert "recorded amount times 2.6" in card
    assert "correlation of slope and gamma: -0.26" in card
    assert "Student-t with 5 degrees of freedom" in card


@pytest.mark.slow
def test_a_new_model_is_written_once_and_passes_its_check(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    assert runner.invoke(app, ["new", "mine_smith2031", "--out", str(file)]).exit_code == 0
    checked = runner.invoke(app, ["check", str(file)])
    assert (checked.exit_code, "sound; mine_smith2031" in checked.stdout) == (0, True)
    again = runner.invoke(app, ["new", "mine_smith2031", "--out", str(file)])
    assert again.exit_code == 1
    assert "is there already; choose another name with --out" in again.stderr
    nowhere = runner.invoke(app, ["new", "mine", "--out", str(tmp_path / "no" / "mine.toml")])
    assert "cannot be written (No such file or directory)" in nowhere.stderr
    assert "cannot be an id" in runner.invoke(app, ["new", "no good"]).stderr


def test_the_card_says_how_grades_events_and_counts_come_about(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.toml"
    file.write_text(OUTCOMES, encoding="utf-8")
    card = " ".join(runner.invoke(app, ["show", str(file)]).output.split())
    assert "P(0) = 1 / (1 + exp(" in card
    assert "event with hazard h0 * exp(harm * A / V)" in card
    assert "count with mean 6 * exp(-harm * A / V)" in card
    assert "negative binomial, dispersion 0.2" in card


def test_the_card_says_how_a_patient_differs_from_one_time_to_another() -> None:
    shown_by_library = runner.invoke(app, ["show", "busulfan_shukla2020"]).output
    assert "between occasions" in shown_by_library
    assert "a new occasion begins" in shown_by_library
    drifting = runner.invoke(app, ["show", "mercaptopurine_jost2020"]).output
    assert "drift in a unit of time" in drifting
    assert "drift in steps of" in drifting


@pytest.mark.slow
def test_a_card_can_be_a_page(tmp_path: Path) -> None:
    path = tmp_path / "card.html"
    result = runner.invoke(app, ["show", "docetaxel_ozawa2007", "--page", str(path)])
    assert result.exit_code == 0
    assert result.stdout == ""
    page = path.read_text()
    found = whole(page)
    assert found.asked == []
    assert found.seen.count("svg") == 1
    assert found.seen.count("math") == 12, "one parameter, one derived value, ten states"
    model = load_model("docetaxel_ozawa2007")
    text = shown(page)
    assert "62 Japanese adults" in text
    for parameter in model.parameters:
        assert f"{parameter.name} {parameter.value:g} {parameter.unit}" in text
    assert "<mark>assumed: a common baseline" in page
    assert "8 statements on this card rest on no publication" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "--page", "card.html"], "no such model"),
        (["docetaxel_ozawa2007", "--page", "/absent/c.html"], "absent"),
    ],
)
def test_a_page_that_cannot_be_made_says_why(arguments: list[str], said: str) -> None:
    result = runner.invoke(app, ["show", *arguments])
    assert result.exit_code == 1
    assert said in result.stderr


def test_an_unknown_model_is_named_with_what_there_is() -> None:
    result = runner.invoke(app, ["show", "docetaxel"])
    assert result.exit_code == 1
    assert "docetaxel: no such model; did you mean 'docetaxel_ozawa2007'?" in result.stderr


def test_check_accepts_sound_files_and_names_each_fault(tmp_path: Path) -> None:
    text = load_model("docetaxel_ozawa2007").text
    good, unit, inputs = tmp_path / "good.toml", tmp_path / "unit.toml", tmp_path / "inputs.toml"
    good.write_text(text, encoding="utf-8")
    unit.write_text(text.replace('"4 / MTT"', '"MTT / 4"'), encoding="utf-8")
    inputs.write_text(text.replace('"input(docetaxel) -', '"max(input(docetaxel), 0) -'), encoding="utf-8")
    result = runner.invoke(app, ["check", str(good), str(unit), str(inputs)])
    assert result.exit_code == 1
    assert "good.toml: sound; docetaxel_ozawa2007, hash" in result.stdout
    assert "5 states solved exactly, 5 stepped" in result.stdout
    assert ": derived.ktr.expression: 'MTT / 4' is in h, not in 1/h" in result.stderr
    assert '| expression = "MTT / 4"' in result.stderr
    assert "unit.toml: 1 to mend" in result.stderr
    assert "states.A1.derivative: an input must enter as 'coefficient * input(drug)'" in result.stderr


def test_check_of_sound_files_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(load_model("fluorouracil_yamada2025").text, encoding="utf-8")
    result = runner.invoke(app, ["check", str(path)])
    assert result.exit_code == 0
    assert result.stderr == ""


def test_the_main_command_knows_the_subcommand() -> None:
    from streams.cli import app as whole

    result = CliRunner().invoke(whole, ["models", "--help"])
    assert result.exit_code == 0
    assert all(word in result.output for word in ("list", "show", "check"))


@pytest.mark.slow
def test_check_refuses_a_stiff_model_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "stiff.toml"
    parts = {"k": "2e6 1/h", "V": "20 L", "KM": "1 mg/L", "late": "0.02 h"}
    states = {"A": "mg: input(toxin, lag=late) - k*A*KM*V/(KM*V + A)"}
    file.write_text(toys.made(parts, states, {"level": "mg/L: A/V"}).text)
    result = runner.invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    assert "states: are stiff: they need steps of 1.7e-06 h" in result.stderr


def test_check_says_what_is_probably_not_meant_and_when_strict_wants_none(tmp_path: Path) -> None:
    path = tmp_path / "doubtful.toml"
    path.write_text(toys.BOLUS.replace("iiv = 0.16", "iiv = 30"), encoding="utf-8")
    result = runner.invoke(app, ["check", str(path)])
    assert (result.exit_code, "doubtful.toml: can be read, 4 doubts; toy_bolus" in result.stdout) == (0, True)
    assert "doubt: doubtful.toml:13:1: parameters.CL.iiv: is 30, a variance of ln CL" in result.stderr
    assert runner.invoke(app, ["check", "--strict", str(path)]).exit_code == 1


@pytest.mark.slow
def test_check_holds_the_typical_patient_against_what_the_file_expects(tmp_path: Path) -> None:
    path = tmp_path / "scaled.toml"
    bounds = '[[expected]]\nof = "A"\nat = 1\nlow = 5\nhigh = 6\nsource = "Figure 1"\n'
    path.write_text(f"{toys.BOLUS}\n{bounds}", encoding="utf-8")
    result = runner.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert (
        "scaled.toml:37:1: expected[0]: A of the typical patient is 0 at 1 h, not 5 to 6; look for a" in result.stderr
    )


def test_a_model_is_signed_by_a_reviewer_and_verified_until_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_SIGNING_PASSPHRASE", "four words and a number 7")
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "imatinib_widmer2006.toml"
    model.write_text((ROOT / "twin" / "library" / model.name).read_text())
    releases = tmp_path / "releases"
    releases.mkdir(mode=0o755)
    made = runner.invoke(app, ["key", "A. Reviewer", "--out", "reviewer.key"])
    assert made.exit_code == 0, made.output
    (releases / "reviewers.toml").write_text(f"[reviewers]\n{made.stdout}")
    (releases / "reviewers.toml").chmod(0o644)
    sign = ["sign", model.name, "--key", "reviewer.key", "--reviewer", "A. Reviewer", "--note", "read"]
    signed = runner.invoke(app, sign)
    assert signed.exit_code == 0, signed.output
    again = runner.invoke(app, sign)
    assert (again.exit_code, "never written over" in again.stderr) == (1, True)
    verified = runner.invoke(app, ["verify", model.name])
    assert verified.exit_code == 0, verified.output
    assert verified.stdout.startswith("imatinib_widmer2006: reviewed by A. Reviewer on 20")
    model.write_text(model.read_text() + "\n")
    spoilt = runner.invoke(app, ["verify", model.name, "docetaxel_ozawa2007"])
    assert spoilt.exit_code == 1
    assert "the file is not the one that A. Reviewer reviewed" in spoilt.stderr
    assert "docetaxel_ozawa2007: nobody reviewed it" in spoilt.stderr
