"""``dosetwin covariates`` on files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from streams.cli import app
from tests.streams.batch.covariates.simulated import CORRELATION, IN_SITES, MODEL, SD, levels
from tests.twin.population.published.sets import DATA, FOLDER
from twin.modelfile.reader import parse_model

LOG = DATA / "scm_phenobarbital_log.json"

WEIGHT = {("CL", "WT"): 0.3, ("V", "WT"): 0.2}

LEVELS = "ID,TIME,EVID,AMT,DV,WT\n1,0,1,100,.,3\n1,2,0,.,5,3\n2,0,1,100,.,4\n2,2,0,.,6,4\n"


def searched(out: Path, *options: str, files: Path) -> Result:
    given = ["covariates", "stepwise", str(files), "--model", str(FOLDER / "phenobarbital_plain.toml")]
    return CliRunner().invoke(app, [*given, "--output", "plasma", "--out", str(out), *options])


def decided(log: str) -> list[dict[str, bool]]:
    """Of each step of PsN's log what was significant, by parameter, covariate and shape as we write them."""
    shapes = {"2": "linear", "3": "hockey-stick"}
    found: list[dict[str, bool]] = []
    for block in re.split(r"Model directory .*\n", log)[1:]:
        rows = re.findall(r"^(CL|V)(\w+)-(\d) +PVAL .*$", block, re.MULTILINE)
        lines = [line for line in block.splitlines() if re.match(r"(CL|V)\w+-\d +PVAL", line)]
        found.append(
            {
                f"{parameter}:{covariate.replace('WGT', 'WT')}={shapes[state]}": "YES!" in line
                for (parameter, covariate, state), line in zip(rows, lines, strict=True)
            }
        )
    return found


@pytest.mark.slow
@pytest.mark.skipif(not LOG.exists(), reason="the data are not here")
def test_a_search_decides_as_psn_did_and_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    # The log has made covariates besides, which are not kept, one of them on V: its objectives are of other models.
    known = decided(json.loads(LOG.read_text())["log"])
    how = ("--pairs", "CL:WT", "--jobs", "1")
    data = DATA / "phenobarbital_weight.csv"
    result = searched(tmp_path, *how, files=data)
    assert result.exit_code == 0, result.output
    steps = json.loads((tmp_path / "steps.json").read_text())["steps"]
    forward = [step for step in steps if step["way"] == "forward"]
    for step, theirs in zip(forward, known, strict=True):
        ours = {test["relation"]: test["significant"] for test in step["tests"]}
        assert ours == {name: theirs[name] for name in ours}
    assert [step["chosen"] for step in forward] == ["CL:WT=linear", None]
    # That weight makes the objective less by 54 is theirs; ours begins with another model of V.
    assert 50 < forward[0]["tests"][0]["drop"] < 60
    backward = [step for step in steps if step["way"] == "backward"]
    assert [step["chosen"] for step in backward] == [None]
    summary = json.loads(result.stderr.splitlines()[-1])
    assert summary["relations"] == ["CL:WT=linear"]
    # The model that it ends with is the one that stands in the log, and says how it was found.
    text = (tmp_path / "phenobarbital_plain_covariates.toml").read_text()
    made = parse_model(text, "made.toml")
    slope = next(each for each in made.parameters if each.name == "CL_WT")
    assert 0.7 < slope.value < 1.3
    assert "stepwise search, forward at p < 0.05 and backward at p < 0.01" in made.sources[1].citation
    fitted = json.loads((tmp_path / "fit.json").read_text())
    assert fitted["objective"] == pytest.approx(summary["objective"][1], abs=1e-3)
    # Cut short, it fits again what is not written down, and nothing else.
    kept = (tmp_path / "fits.ndjson").read_text()
    (tmp_path / "fits.ndjson").write_text(kept[:-50])
    again = searched(tmp_path, *how, files=data)
    assert again.stdout == result.stdout
    last = kept.splitlines()[-1]
    assert (tmp_path / "fits.ndjson").read_text() == f"{kept[:-50]}\n{last}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pairs", "CL:HT"), "'HT' is no covariate of phenobarbital_plain; it has WT, APGR"),
        (("--pairs", "CL:APGR"), "none of the shapes linear, hockey-stick, categorical suits APGR"),
        (("--shapes", "round"), "'round' is no shape"),
        (("--categorical", "SEX"), "categorical: 'SEX' is no covariate"),
        (("--fix", "Vx"), "'Vx' is no number of phenobarbital_plain"),
        (("--name", "no id"), "--name 'no id' cannot be an id"),
    ],
)
def test_what_cannot_be_searched_is_named_before_anything_is_written(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    (tmp_path / "levels.csv").write_text(LEVELS)
    result = searched(tmp_path / "out", *options, files=tmp_path / "levels.csv")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def full(folder: Path, *options: str, text: str | None = None) -> Result:
    (folder / "model.toml").write_text(MODEL)
    (folder / "levels.csv").write_text(levels(60, 2, WEIGHT) if text is None else text)
    given = ["covariates", "frem", str(folder / "levels.csv"), "--model", str(folder / "model.toml")]
    return CliRunner().invoke(app, [*given, "--out", str(folder / "out"), *options])


@pytest.mark.slow
def test_a_full_random_effects_model_tells_what_a_covariate_does_and_what_only_goes_along(tmp_path: Path) -> None:
    result = full(tmp_path, "--covariates", "WT,CRCL")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "frem.json").read_text())
    told = {(one["parameter"], one["covariate"]): one for one in found["coefficients"]}
    for parameter in ("CL", "V"):
        weight, other = told[parameter, "WT"], told[parameter, "CRCL"]
        truth = WEIGHT[parameter, "WT"]
        assert abs(weight["beside_the_others"] * SD["WT"] - truth) < 3 * weight["se_beside_the_others"] * SD["WT"]
        assert abs(other["beside_the_others"]) < 3 * other["se_beside_the_others"]
        assert abs(other["alone"] * SD["CRCL"] - CORRELATION * truth) < 3 * other["se_alone"] * SD["CRCL"]
        assert other["alone"] > 2 * other["se_alone"]
    assert found["names"] == ["CL", "V", "WT", "CRCL"]
    assert 0.3 < found["explained"]["CL"]["share"] < 0.7
    made = parse_model((tmp_path / "out" / "simulated_frem.toml").read_text(), "made.toml")
    assert {"CL_WT", "CL_CRCL", "V_WT", "V_CRCL"} < {each.name for each in made.parameters}
    assert {of.name for of in made.covariates if of.studied} == {"WT", "CRCL"}
    for of in (of for of in made.covariates if of.studied):
        assert of.studied is not None
        assert of.studied[0] < found["covariates"][of.name]["p05"] < found["covariates"][of.name]["p95"] < of.studied[1]
    assert "CL: covariates explain" in result.stdout


def test_who_lacks_a_covariate_is_left_out_of_a_full_model_by_name(tmp_path: Path) -> None:
    head, *rows = levels(3, 2, WEIGHT).splitlines()
    at = head.split(",").index("WT")
    without = [",".join("." if n == at else cell for n, cell in enumerate(row.split(","))) for row in rows]
    result = full(tmp_path, "--covariates", "WT", text="\n".join([head, *without]) + "\n")
    assert result.exit_code == 2
    assert "no value of WT" in result.stderr
    assert "0 patients are too few for 1; name fewer" in result.stderr
    result = full(tmp_path, "--covariates", "HT")
    assert result.exit_code == 2
    assert "--covariates 'HT': covariates of simulated are wanted; it has WT, CRCL, SEX" in result.stderr


@pytest.mark.parametrize(
    ("patients", "constant", "said"),
    [
        (3, False, "3 patients are too few to learn from and judge by; 30"),
        (31, True, "in which patients differ"),
    ],
)
def test_trees_that_could_see_nothing_are_refused_before_a_fit(
    patients: int, constant: bool, said: str, tmp_path: Path
) -> None:
    head, *rows = levels(patients, 2, WEIGHT).splitlines()
    at = [head.split(",").index(name) for name in ("WT", "CRCL", "SEX") if constant]
    same = [",".join("1" if n in at else cell for n, cell in enumerate(row.split(","))) for row in rows]
    (tmp_path / "model.toml").write_text(MODEL)
    (tmp_path / "levels.csv").write_text("\n".join([head, *same]) + "\n")
    given = ["covariates", "trees", str(tmp_path / "levels.csv"), "--model", str(tmp_path / "model.toml")]
    result = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "out")])
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_trees_propose_and_the_likelihood_decides(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(MODEL)
    (tmp_path / "levels.csv").write_text(levels(36, 4, {("CL", "WT"): 0.4}))
    given = ["covariates", "trees", str(tmp_path / "levels.csv"), "--model", str(tmp_path / "model.toml")]
    how = ["--permutations", "19", "--fix", "V,omega.V,error.plasma.proportional", "--categorical", "SEX"]
    result = CliRunner().invoke(app, [*given, *how, "--where", "ID!=0", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "trees.json").read_text())
    assert found["data"]["where"] == ["ID!=0"]
    assert json.loads((tmp_path / "out" / "fit.json").read_text())["data"] == found["data"]
    assert "CL:WT=linear" in found["relations"]
    assert "V:SEX" not in {f"{pair['parameter']}:{pair['covariate']}" for pair in found["pairs"] if pair["proposed"]}
    decision = next(each for each in found["decisions"] if each["relation"] == "CL:WT=linear")
    assert decision["taken"]
    assert decision["ratio"] > 20
    assert 0 < decision["error"] < 1
    assert found["false_finds"] <= 0.06
    made = parse_model((tmp_path / "out" / "simulated_trees.toml").read_text(), "made.toml")
    slope = next(each for each in made.parameters if each.name == "CL_WT")
    assert 0.2 < slope.value * SD["WT"] < 0.6
    assert "importance sampling" in made.sources[0].citation


def learned(folder: Path, *options: str, table: str) -> Result:
    (folder / "model.toml").write_text(MODEL)
    (folder / "levels.csv").write_text(table)
    given = ["covariates", "learn", str(folder / "levels.csv"), "--model", str(folder / "model.toml")]
    return CliRunner().invoke(app, [*given, "--out", str(folder / "out"), *options])


@pytest.mark.slow
def test_what_is_learnt_is_judged_by_patients_left_out_and_stands_in_the_model(tmp_path: Path) -> None:
    fixed = ("--fix", "V,omega.V,error.plasma.proportional", "--parameters", "CL", "--covariates", "WT,SEX")
    table = levels(60, 4, {("CL", "WT"): 0.4})
    result = learned(tmp_path, *fixed, "--widen", table=table)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "learnt.json").read_text())
    assert found["accepted"]
    low, high = found["left_out"]["interval"]
    assert 0 < low < found["left_out"]["difference"] < high
    assert len(found["left_out"]["patients"]) == 60
    gained = found["minus_2_log_likelihood"][0] - found["with_network"]["minus_2_log_likelihood"][0]
    assert gained > 40
    assert found["with_network"]["least_effective_draws"] > 10
    assert "taken: left-out patients are predicted better" in result.stdout
    made = parse_model((tmp_path / "out" / "simulated_learnt.toml").read_text(), "made.toml")
    assert made.parameters[0].expression is not None
    assert made.parameters[1].expression is None
    assert "an uncertain learnt effect" in (made.parameters[0].note or "")
    assert "by a network learnt" in made.sources[1].citation
    said = CliRunner().invoke(app, ["covariates", "typical", str(tmp_path / "out"), "--of", "WT=150"])
    assert said.exit_code == 0, said.output
    assert "outside: WT 150 is above" in said.stdout
    heavy, usual = (
        float(CliRunner().invoke(app, ["covariates", "typical", str(tmp_path / "out"), "--of", of]).stdout.split()[1])
        for of in ("WT=82", "WT=70")
    )
    assert 0.2 < np.log(heavy / usual) < 0.6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--covariates", "HT"), "covariates: 'HT' is no covariate of simulated; it has WT, CRCL, SEX"),
        (("--covariates", "SEX"), "covariates: SEX is the same in every patient, which explains nothing"),
        (("--parameters", "Vx"), "parameters: 'Vx' has no log-normal or normal random effects"),
        ((), "WT changes over time in 1 patients; what is looked for here is what stays does"),
        (("--covariates", "CRCL"), "4 patients are too few to learn effects from and judge them by; 40 at least"),
    ],
)
def test_what_cannot_be_learnt_is_named_before_anything_is_written(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    head, *rows = levels(4, 2, WEIGHT).splitlines()
    cells = [row.split(",") for row in rows]
    for cell in cells:
        cell[-1] = "1"
    cells[3][5] = "71"
    result = learned(tmp_path, *options, table="\n".join([head, *(",".join(each) for each in cells)]) + "\n")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def in_sites(folder: Path, *asked: str) -> Result:
    (folder / "model.toml").write_text(IN_SITES)
    (folder / "levels.csv").write_text(levels(48, 4, {("CL", "WT"): 0.4}, each=6))
    given = [str(folder / "levels.csv"), "--model", str(folder / "model.toml"), "--out", str(folder / "out")]
    return CliRunner().invoke(app, ["covariates", asked[0], *given, *asked[1:]])


@pytest.mark.slow
def test_of_sites_every_search_finds_what_a_covariate_does_beside_what_sites_have_in_common(tmp_path: Path) -> None:
    fixed = ("--fix", "V,omega.V,error.plasma.proportional")
    result = in_sites(tmp_path, "trees", "--permutations", "19", *fixed)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "trees.json").read_text())
    assert found["relations"] == ["CL:WT=linear"]
    assert not any(pair["covariate"] == "SITE" for pair in found["pairs"])
    result = in_sites(tmp_path, "learn", *fixed, "--parameters", "CL", "--covariates", "WT", "--hidden", "1")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "learnt.json").read_text())
    told = list(found["left_out"]["patients"].values())
    # Patients of one site have equal parts of what is said of it.
    assert all(len(set(told[begin : begin + 6])) == 1 for begin in range(0, 48, 6))
    assert len(set(told)) > 4
    result = in_sites(tmp_path, "frem", "--fix", "V,omega.V", "--parameters", "CL", "--covariates", "WT")
    assert result.exit_code == 0, result.output
    estimates = json.loads((tmp_path / "out" / "fit.json").read_text())["estimates"]
    number = {each["name"]: each["value"] for each in estimates}
    full = json.loads((tmp_path / "out" / "frem.json").read_text())
    weight = full["omega"][1][1]
    among = number["omega.CL"] + number["isv.CL"]
    by = number["CL_WT"] ** 2 * weight
    assert full["omega"][0][0] == pytest.approx(among + by, rel=1e-6)
    assert full["explained"]["CL"]["share"] == pytest.approx(by / (among + by), rel=1e-6)


def test_what_tells_sites_is_searched_by_nothing(tmp_path: Path) -> None:
    tells = "it has WT, CRCL, SEX; SITE tells sites ([sites]), whose effects the model has"
    for asked in (
        ("stepwise", "--pairs", "CL:SITE"),
        ("stepwise", "--categorical", "SITE"),
        ("frem", "--covariates", "SITE"),
        ("learn", "--covariates", "SITE"),
    ):
        result = in_sites(tmp_path, *asked)
        assert result.exit_code == 2
        assert tells in result.stderr
        assert not (tmp_path / "out").exists()
