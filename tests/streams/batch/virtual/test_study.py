"""A study with the files beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.batch.virtual.study import believed_model, load_study, true_model
from tests.twin.virtual.test_plan import STUDY
from twin import load_model
from twin.model.spec import ModelError

REGIMEN = """[[arms.regimens]]
drug = "docetaxel"
route = "iv"
amount = 35
amount_unit = "mg/m2"
duration = 0.5
interval = 168
cycles = 6
assumed = "an example"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


def test_an_arm_has_its_own_regimens_of_the_same_model(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, STUDY.replace("scale = 0.8\n", REGIMEN, 1)))
    weekly = true_model(study, study.plan.arms[1])
    assert [(r.amount, r.interval, r.cycles) for r in weekly.regimens] == [(35, 168, 6)]
    values = [(spec.name, spec.value) for spec in load_model("docetaxel_ozawa2007").parameters]
    assert [(spec.name, spec.value) for spec in weekly.parameters] == values
    assert true_model(study, study.plan.arms[0]).regimens == load_model("docetaxel_ozawa2007").regimens


def test_trials_have_typical_values_of_their_own(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, STUDY.replace("[[arms]]", "[uncertainty.rse]\nCL = 0.1\n[[arms]]", 1)))
    assert study.shifts(0) == study.shifts(0) != study.shifts(1)
    assert believed_model(study, study.plan.arms[0]).hash == load_model("docetaxel_ozawa2007").hash


def test_people_and_draws_lie_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("BSA,AAG\n1.5,1.0\n2.0,1.5\n")
    (tmp_path / "draws.csv").write_text("CL\n30\n40\n")
    text = '[people]\nfile = "people.csv"\n[uncertainty]\nfile = "draws.csv"\n[[arms]]'
    study = load_study(written(tmp_path, STUDY.replace("[[arms]]", text, 1)))
    assert study.people == ({"BSA": 1.5, "AAG": 1.0}, {"BSA": 2.0, "AAG": 1.5})
    assert study.shifts(2) == study.shifts(0) != study.shifts(1)
    assert study.uncertain == ("CL",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("docetaxel_ozawa2007", "docetaxel_nobody", "docetaxel_nobody"),
        ("scale = 0.8\n", REGIMEN.replace("iv", "nasal"), "route"),
        ("scale = 0.8\n", REGIMEN.replace('drug = "docetaxel"', 'drug = "cisplatin"'), "drug"),
        ("[[arms]]", '[uncertainty]\nfile = "people.csv"\n[[arms]]', "no parameter"),
    ],
)
def test_what_a_study_names_must_be_usable(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "people.csv").write_text("BSA\n1.5\n")
    with pytest.raises(ModelError, match=said):
        load_study(written(tmp_path, STUDY.replace(old, new, 1)))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"people\.csv"):
        load_study(written(tmp_path, STUDY.replace("[[arms]]", '[people]\nfile = "people.csv"\n[[arms]]', 1)))
