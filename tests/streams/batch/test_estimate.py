"""``dosetwin estimate``: a data set in, a row a patient and a row a value out, whatever one record is like."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from connectors.feeds.nmtran.reader import read_nmtran
from streams.batch.cases import EventPlace, RecordedEvent
from streams.batch.estimate import IndividualEstimate, _estimate_batch, estimate_record
from streams.cli import app
from tests.places import REFERENCE
from tests.twin import toys
from tests.twin.filter.test_posthoc import between_occasions
from tests.twin.population import drifting
from tests.twin.population.diagnostics.cohorts import timelines_of
from tests.twin.population.mixture import mixtures
from tests.twin.population.mixture.clinics import LAW, levels_in_clinics, log_by_class
from twin.events import encode, to_millis
from twin.filter.posthoc import post_hoc
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.mixture.mixing import in_class
from twin.solver.step_control import step_sizes_for
from twin.study.diagnostics import diagnose
from twin.study.prediction import Predictor
from twin.study.records import record_of
from twin.timeline.timeline import build

MODEL: Model = parse_model(toys.ABSORPTION, "toy_absorption.toml")
NIMOTUZUMAB = REFERENCE / "nimotuzumab.csv"
ANTIBODY = [("CL", 0.02, "L/h"), ("V1", 3, "L"), ("Q", 0.05, "L/h"), ("V2", 2, "L")]
"""Round numbers of the size that antibodies have."""

HEADER = "ID,TIME,EVID,AMT,RATE,DV,DVID,WT"
RECORDS = {
    "9": ["9,0,1,100,50,.,.,60", "9,3,0,.,.,2.4,1,60", "9,8,0,.,.,1.1,1,60", "9,48,0,.,.,2.9,2,60"],
    "10": ["10,0,1,100,50,.,.,80", "10,3,0,.,.,4.4,1,80", "10,8,0,.,.,2.9,1,80"],
    "11": ["11,0,1,100,0,.,.,70"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "toy.toml").write_text(toys.ABSORPTION)
    lines = [HEADER, *(line for lines in RECORDS.values() for line in lines)]
    (tmp_path / "records.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(folder: Path, *words: str, file: str = "records.csv", model: str = "toy.toml", out: str = "out.csv") -> Result:
    arguments = ["estimate", str(folder / file), "--model", str(folder / model), "--out", str(folder / out), *words]
    return CliRunner().invoke(app, arguments)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def record(patient_id: str) -> tuple[str, tuple[RecordedEvent, ...], int]:
    events = read_nmtran([HEADER, *RECORDS[patient_id]], MODEL).events
    recorded = tuple(
        RecordedEvent(to_millis(event.time), encode(event), EventPlace("records.csv", None)) for event in events
    )
    return patient_id, recorded, recorded[0].millis


@pytest.mark.slow
def test_a_data_set_becomes_a_row_a_patient_and_a_row_a_value(folder: Path) -> None:
    result = run(folder, "--predictions", str(folder / "values.csv"), "--jobs", "2")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stderr.splitlines()[-1])
    assert {key: said[key] for key in ("patients", "estimated", "converged", "left_out")} == {
        "patients": 3,
        "estimated": 3,
        "converged": 3,
        "left_out": 0,
    }
    rows = table(folder / "out.csv")
    assert [row["ID"] for row in rows] == ["9", "10", "11"]
    kernel = compile_model(MODEL)
    step_sizes = step_sizes_for(kernel)
    for row in rows:
        history, _ = record_of(read_nmtran([HEADER, *RECORDS[row["ID"]]], MODEL).events, MODEL)
        timeline = build(history, kernel)
        assert timeline is not None
        known = post_hoc(kernel, step_sizes, timeline)
        for i, name in enumerate(MODEL.eta_names):
            assert float(row[f"ETA_{name}"]) == pytest.approx(known.eta[i], rel=1e-9, abs=1e-12)
            assert float(row[f"SE_{name}"]) == pytest.approx(known.errors[i], rel=1e-9)
        assert float(row["CL"]) == pytest.approx(known.parameters[kernel.parameters.index("CL")], rel=1e-9)
        assert float(row["OFV"]) == pytest.approx(known.ofv, rel=1e-9)
        assert (row["converged"], row["modes_found"]) == ("true", str(known.modes))
        values = [value for value in table(folder / "values.csv") if value["ID"] == row["ID"]]
        diagnosis = diagnose(Predictor(kernel, row["ID"]), timeline, known.effects)
        for name, numbers in (
            ("PRED", diagnosis.population),
            ("IPRED", diagnosis.individual),
            ("NPDE", diagnosis.npde),
        ):
            np.testing.assert_allclose([float(value[name]) for value in values], numbers, rtol=1e-8)
    measured = [(v["ID"], v["TIME"], v["DV"], v["OUTPUT"]) for v in table(folder / "values.csv")]
    assert measured == [
        ("9", "3", "2.4", "toxin_plasma"),
        ("9", "8", "1.1", "toxin_plasma"),
        ("9", "48", "2.9", "cells"),
        ("10", "3", "4.4", "toxin_plasma"),
        ("10", "8", "2.9", "toxin_plasma"),
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "records.csv", "toy.toml", "values.csv"]


@pytest.mark.slow
def test_what_cannot_be_read_is_reported_and_the_rest_is_estimated(folder: Path) -> None:
    with (folder / "records.csv").open("a") as file:
        file.write("10,9,0,.,.,much,1,80\n12,1,0,.,.,2.0,7,80\n9,60,1,-5,0,.,.,.\n11,1,2,.,.,.,.,-80\n")
    result = run(folder, "--jobs", "1")
    assert result.exit_code == 3
    assert "line 10: DV 'much' is not a finite number" in result.stderr
    assert "line 11: DVID 7" in result.stderr
    said = json.loads(result.stderr.splitlines()[-1])
    assert (said["estimated"], said["left_out"], said["incomplete"]) == (3, 4, 3)
    assert set(said["eta_shrinkage"]) == set(MODEL.eta_names)
    rows = {row["ID"]: row for row in table(folder / "out.csv")}
    assert {patient: row["left_out"] for patient, row in rows.items()} == {
        "9": "dose (line 12)",
        "10": "value (line 10)",
        "11": "covariates (line 13)",
    }
    assert "column left_out): 3 patients (9, 10, 11)" in result.stderr


def test_a_patient_who_fails_takes_no_other_along() -> None:
    broken = ("66", (RecordedEvent(0, b"no event", EventPlace("records.csv", 4)),), 0)
    failed, fine = _estimate_batch([broken, record("9")], MODEL.text, MODEL.id, diagnosed=False)
    assert isinstance(failed.found, str)
    assert failed.found.startswith("the estimate failed, BadEvent")
    assert isinstance(fine.found, IndividualEstimate)
    assert fine.found.patient_id == "9"


def test_a_patient_who_was_never_measured_is_the_typical_one_with_the_spread_of_the_population() -> None:
    found = estimate_record(record("11"), MODEL, diagnosed=True).found
    assert isinstance(found, IndividualEstimate)
    assert set(found.eta) == {0.0}
    np.testing.assert_allclose(found.errors, np.sqrt(np.diag(MODEL.omega)))
    assert found.ofv == pytest.approx(0.0, abs=1e-12)
    assert (found.values, found.converged) == ((), True)


def test_an_event_that_the_model_cannot_use_is_a_problem_with_its_line() -> None:
    patient_id, recorded, zero = record("9")
    raw = recorded[-1].raw.replace(b"10*9/L", b"km").replace(b'"event_id":"', b'"event_id":"x')
    result = estimate_record(
        (patient_id, (*recorded, RecordedEvent(zero, raw, EventPlace("records.csv", 5))), zero), MODEL, diagnosed=False
    )
    assert [str(problem).split(":")[:3] for problem in result.problems] == [["records.csv", " line 5", " unknown_unit"]]


def test_of_a_mixture_the_likeliest_class_is_estimated_and_how_probable_each_is(folder: Path) -> None:
    """As the objectives of the classes apart have it; of whom nothing was measured by the shares."""
    model = mixtures.eliminated()
    (folder / "mixture.toml").write_text(model.text)
    lines = ["ID,TIME,EVID,AMT,DV,DVID", "A,0,1,100,.,.", *(f"A,{t},0,.,{v},1" for t, v in ((1, 4.4), (8, 2.1)))]
    (folder / "two.csv").write_text("\n".join([*lines, "B,0,1,100,.,."]) + "\n")
    done = run(folder, "--jobs", "1", file="two.csv", model="mixture.toml")
    assert done.exit_code == 0, done.output
    measured, unmeasured = table(folder / "out.csv")
    kernel = compile_model(model)
    timeline = build(record_of(read_nmtran(lines, model).events, model)[0], kernel)
    assert timeline is not None
    sizes = step_sizes_for(kernel, timeline.delivered)
    apart = [post_hoc(kernel, sizes, in_class(timeline, 0, value)) for value in (1.0, 2.0)]
    terms = np.log([0.4, 0.6]) - 0.5 * np.array([one.ofv for one in apart])
    slow = float(np.exp(terms[0] - np.logaddexp(*terms)))
    assert 0.5 < slow < 1.0
    assert float(measured["probability.slow"]) == pytest.approx(slow, abs=1e-6)
    assert float(measured["OFV"]) == pytest.approx(-2.0 * np.logaddexp(*terms), abs=1e-6)
    assert measured["CLASS_SORT"] == "slow"
    assert float(measured["ETA_CL"]) == pytest.approx(apart[0].eta[0], abs=1e-5)
    assert float(measured["CL"]) == pytest.approx(2.0 * np.exp(apart[0].eta[0]), rel=1e-5)
    assert float(unmeasured["probability.slow"]) == pytest.approx(0.4)


def test_of_a_mixture_in_sites_the_objective_is_of_patient_and_site_together(folder: Path) -> None:
    """Levels that are linear and normal given the class, whose law is known."""
    model, values = levels_in_clinics(), [1.9, 3.4, 2.6]
    (folder / "mixture.toml").write_text(model.text)
    lines = ["ID,TIME,EVID,AMT,DV,SITE", *(f"A,{t},0,.,{y},7" for t, y in enumerate(values))]
    (folder / "two.csv").write_text("\n".join(lines) + "\n")
    done = run(folder, "--jobs", "1", file="two.csv", model="mixture.toml")
    assert done.exit_code == 0, done.output
    (found,) = table(folder / "out.csv")
    both = LAW._replace(iiv=LAW.iiv + LAW.isv)
    terms = log_by_class(values, np.zeros(1), both)[:, 0]
    assert float(found["OFV"]) == pytest.approx(-2.0 * np.logaddexp(*terms), abs=1e-5)
    slow = float(np.exp(terms[0] - np.logaddexp(*terms)))
    assert 0.05 < slow < 0.95
    assert float(found["probability.slow"]) == pytest.approx(slow, abs=1e-6)
    centre = LAW.centres[int(slow < 0.5)] + 1.0
    mode = (np.array(values) - centre).sum() / (len(values) + LAW.sd**2 / both.iiv)
    assert float(found["ETA_shift"]) == pytest.approx(mode, abs=1e-5)


def test_effects_that_drift_are_told_as_they_were_from_each_step_on(folder: Path) -> None:
    model = drifting.model("occasions")
    (folder / "walk.toml").write_text(model.text)
    lines = [
        "ID,TIME,EVID,AMT,DV,OCC",
        "1,0,0,.,9,0",
        "1,1.5,0,.,13,0",
        "1,5,2,.,.,1",
        "1,5.5,0,.,20,1",
        "2,0,0,.,12,0",
    ]
    (folder / "walk.csv").write_text("\n".join(lines) + "\n")
    result = run(folder, "--drift", str(folder / "drift.csv"), "--jobs", "1", file="walk.csv", model="walk.toml")
    assert result.exit_code == 0, result.output
    kernel = compile_model(model)
    first, _ = timelines_of(model, lines, "line").values()
    known = post_hoc(kernel, step_sizes_for(kernel), first)
    rows, walk = table(folder / "out.csv"), table(folder / "drift.csv")
    assert [(row["ID"], float(row["TIME"])) for row in walk] == [("1", 0.0), ("1", 2.0), ("1", 4.0), ("2", 0.0)]
    for n, then in enumerate(walk[:3]):
        for i, name in enumerate(("base", "slope")):
            assert float(then[f"ETA_{name}"]) == pytest.approx(known.drifted[n, i])
            assert float(then[f"SE_{name}"]) == pytest.approx(known.drifted_errors[n, i])
        assert float(then["base"]) == pytest.approx(10.0 + known.drifted[n, 0] + known.kappa[0, 0])
    assert float(rows[0]["ETA_base"]) == pytest.approx(known.eta[0])
    assert float(rows[0]["DRIFTED_base"]) == pytest.approx(known.drifted[2, 0])
    assert float(rows[0]["SE_DRIFTED_slope"]) == pytest.approx(known.drifted_errors[2, 1])
    assert float(rows[0]["base"]) == pytest.approx(10.0 + known.drifted[2, 0] + known.kappa[1, 0])
    assert float(rows[1]["DRIFTED_base"]) == float(rows[1]["ETA_base"]) != 0.0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--drift", "{folder}/walk.csv"], "--drift: toy_absorption has no drift, and effects stay as they are"),
        (["--predictions", "{folder}/a.csv", "--drift", "{folder}/a.csv"], "is also --predictions; name another file"),
        (["--model", "nothing"], "nothing"),
        (["--out", "{folder}"], "is a folder; name a file"),
        (["--out", "{folder}/none/out.csv"], "there is no folder"),
        (["--predictions", "{folder}/out.csv"], "is also --out"),
        (["--columns", "DV"], "is not 'ITEM=COLUMN'"),
        (["--columns", "DV=NONE"], "no column NONE"),
        (["--output", "hair"], "output 'hair' is not in toy_absorption"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_anything_is_written(
    folder: Path, words: list[str], says: str
) -> None:
    result = run(folder, *(word.format(folder=folder) for word in words))
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", "").split())
    assert not (folder / "out.csv").exists()


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    result = run(folder, file="nowhere.csv")
    assert result.exit_code == 2
    assert "nowhere.csv: there is no such file" in result.stderr


@pytest.mark.slow
def test_occasions_have_columns_of_their_own_and_patients_with_fewer_leave_them_empty(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(between_occasions().text)
    lines = ["ID,TIME,EVID,DV,OCC", "1,0,0,5,1", "1,24,2,.,3", "1,25,0,2,3", "2,0,0,6,1"]
    (tmp_path / "records.csv").write_text("\n".join(lines) + "\n")
    result = run(tmp_path, "--predictions", str(tmp_path / "values.csv"), "--jobs", "1")
    assert result.exit_code == 0, result.stderr
    first, second = table(tmp_path / "out.csv")
    effects = ["ETA_Base", "SE_Base", "OCCASION_1", "KAPPA_Base_1", "SE_KAPPA_Base_1"]
    effects += ["OCCASION_2", "KAPPA_Base_2", "SE_KAPPA_Base_2"]
    assert list(first)[1:9] == effects
    assert [row[f"OCCASION_{n}"] for row in (first, second) for n in (1, 2)] == ["1", "3", "1", ""]
    assert float(first["KAPPA_Base_1"]) > 0 > float(first["KAPPA_Base_2"])
    assert (second["KAPPA_Base_2"], second["SE_KAPPA_Base_2"]) == ("", "")
    early, late, _ = table(tmp_path / "values.csv")
    for row, number in ((early, 1), (late, 2)):
        own = float(first["ETA_Base"]) + float(first[f"KAPPA_Base_{number}"])
        assert float(row["IPRED"]) == pytest.approx(4 * math.exp(own), rel=1e-6)
        assert float(row["PRED"]) == pytest.approx(4)


@pytest.mark.slow
@pytest.mark.skipif(not NIMOTUZUMAB.exists(), reason="needs ../shared/data/nimotuzumab.csv")
def test_a_real_antibody_study_is_described_by_two_compartments(tmp_path: Path) -> None:
    parameters = {name: f"{value} {unit} 0.3" for name, value, unit in ANTIBODY}
    states = {"A1": "mg: input(antibody) - (CL + Q)/V1*A1 + Q/V2*A2", "A2": "mg: Q/V1*A1 - Q/V2*A2"}
    model = toys.made(parameters, states, {"plasma": "mg/L: A1/V1"}, drugs=("antibody",))
    (tmp_path / "antibody.toml").write_text(model.text)
    words = ["--model", str(tmp_path / "antibody.toml"), "--out", str(tmp_path / "out.csv")]
    # The file holds logarithms, one of them negative.
    words += ["--predictions", str(tmp_path / "values.csv"), "--columns", "LNDV=DV", "--jobs", "1"]
    result = CliRunner().invoke(app, ["estimate", str(NIMOTUZUMAB), *words])
    assert result.exit_code == 0, result.stderr
    rows = table(tmp_path / "out.csv")
    assert len(rows) == 12
    assert {row["converged"] for row in rows} == {"true"}
    values = table(tmp_path / "values.csv")
    apart = [abs(math.log(float(row["DV"]) / float(row["IPRED"]))) for row in values]
    typical = [abs(math.log(float(row["DV"]) / float(row["PRED"]))) for row in values]
    assert len(values) > 300
    assert np.median(apart) < 0.5 * np.median(typical)
