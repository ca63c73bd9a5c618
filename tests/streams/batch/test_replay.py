"""``dosetwin replay``: recorded patients through twins without a server, to the same bytes whatever the order."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner, Result

from connectors.posteriors import packed, unpacked
from streams.batch.cases import Case, EventPlace, Problem, RecordedEvent
from streams.batch.process_pool import WorkerLost
from streams.batch.replay import _replay_one, replay
from streams.cli import app
from tests.places import REFERENCE
from twin import PatientTwin, load_model
from twin.alerts.thresholds import DEFAULT
from twin.events import (
    Alert,
    DrugLevel,
    Enrolment,
    InputEvent,
    LabResult,
    PlannedDose,
    PumpDelivery,
    Quantity,
    RegimenPlanned,
    decode_output,
    encode,
    to_millis,
)
from twin.learning.messages.message import message_of
from twin.patient import averaged

pytestmark = pytest.mark.slow

MODEL = "fluorouracil_yamada2025"
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
PARTICLES = 60
ALL_6MP = REFERENCE / "all_6mp_anc.csv"
COLUMNS = "TIME=TIME_DAYS,AMT=AMT_6MP,DV=ANC_G_PER_L"
RESULTS = ("estimates.ndjson", "alerts.ndjson", "predictions.ndjson", "advice.ndjson")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def about(patient_id: str, hours: float, kind: str) -> dict[str, Any]:
    return {"event_id": f"{patient_id}/{kind}/{hours:g}", "patient_id": patient_id, "time": at(hours), "source": "test"}


def mg(value: float) -> Quantity:
    return Quantity(value=value, unit="mg")


def record(patient_id: str, rate: float = 90.0, model: str | None = MODEL) -> list[InputEvent]:
    """A patient whose pump should run 48 h at 90 mg/h, with two levels and a count."""
    plan = PlannedDose(time=at(0), amount=mg(4320), duration=Quantity(value=48, unit="h"))
    pump = {"device_id": f"pump-{patient_id}", "drug": "fluorouracil", "delivery_status": "delivering"}
    running = Quantity(value=rate, unit="mg/h")
    events: list[InputEvent] = [
        RegimenPlanned(**about(patient_id, 0, "regimen"), drug="fluorouracil", doses=(plan,)),
        PumpDelivery(**about(patient_id, 0, "start"), **pump, phase="start", rate=running),
        DrugLevel(
            **about(patient_id, 5, "level"),
            analyte="fluorouracil",
            value=Quantity(value=0.4 + rate / 1000, unit="mg/L"),
        ),
        DrugLevel(**about(patient_id, 20, "level"), analyte="fluorouracil", value=Quantity(value=610, unit="ug/L")),
        LabResult(**about(patient_id, 24, "count"), analyte="leukocytes", value=Quantity(value=5.1, unit="10*9/L")),
    ]
    return events if model is None else [Enrolment(**about(patient_id, -1, "enrolment"), model=model), *events]


def write(path: Path, events: Iterable[InputEvent | bytes]) -> Path:
    path.write_bytes(b"".join((one if isinstance(one, bytes) else encode(one)) + b"\n" for one in events))
    return path


def run(*files: Path, out: Path, **options: object) -> Result:
    words = [
        f"--{name}={value}"
        for name, value in ({"particles": PARTICLES, "jobs": 1} | options).items()
        if value is not True
    ]
    flags = [f"--{name}" for name, value in options.items() if value is True]
    return CliRunner().invoke(app, ["replay", *map(str, files), "--out", str(out), *words, *flags])


def bytes_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[InputEvent], Path, Result]:
    """Two patients, one of them given twice what was planned, and their replay."""
    folder = tmp_path_factory.mktemp("ward")
    events = [*record("P-2", rate=180), *record("P-1")]
    result = run(write(folder / "ward.ndjson", events), out=folder / "out", model=MODEL, jobs=2, score=True)
    assert result.exit_code == 0, result.stderr
    return events, folder / "out", result


Ward = tuple[list[InputEvent], Path, Result]

# --- what comes out --------------------------------------------------------------------------------------------------


def test_the_files_hold_what_the_twins_say_by_patient_time_and_kind(ward: Ward) -> None:
    events, out, _ = ward
    said = []
    for patient_id in ("P-1", "P-2"):
        twin = PatientTwin(patient_id, load_model(MODEL), PARTICLES)
        said += twin.observe([event for event in events if event.patient_id == patient_id]).outputs
    for name, kinds in zip(RESULTS, ({"estimate", "forecast"}, {"alert"}, {"prediction"}, set[str]()), strict=True):
        found = (out / name).read_bytes().splitlines()
        assert sorted(found) == sorted(encode(output) for output in said if output.kind in kinds)
        outputs = [decode_output(line) for line in found]
        places = [(output.patient_id, to_millis(output.time), output.kind) for output in outputs]
        assert places == sorted(places)
        assert {output.kind for output in outputs} == kinds


def test_there_is_one_prediction_for_every_measured_value(ward: Ward) -> None:
    events, out, _ = ward
    measured = sorted(
        (event.patient_id, to_millis(event.time)) for event in events if isinstance(event, DrugLevel | LabResult)
    )
    found = lines(out / "predictions.ndjson")
    assert [(one["patient_id"], to_millis(datetime.fromisoformat(one["time"]))) for one in found] == measured
    assert [one["output"] for one in found][:3] == ["fluorouracil_plasma", "fluorouracil_plasma", "leukocytes"]
    assert [one["observed"] for one in found][1] == pytest.approx(0.61)
    for one in found:
        assert one["q05"] < one["q25"] < one["median"] < one["q75"] < one["q95"]
        assert 0 <= one["pit"] <= 1
        assert one["population_median"] > 0


def test_alerts_are_the_record_of_each_alerts_transitions(ward: Ward) -> None:
    _, out, _ = ward
    alerts = [decode_output(line) for line in (out / "alerts.ndjson").read_bytes().splitlines()]
    assert all(isinstance(alert, Alert) for alert in alerts)
    raised = [(alert.patient_id, alert.rule) for alert in alerts if isinstance(alert, Alert) and alert.phase == "start"]
    assert ("P-2", "delivery.overinfusion") in raised
    assert ("P-1", "delivery.overinfusion") not in raised


def test_the_posterior_is_one_array_file_a_patient(ward: Ward) -> None:
    events, out, _ = ward
    assert sorted(path.name for path in (out / "posterior").iterdir()) == ["P-1.npz", "P-2.npz"]
    twin = PatientTwin("P-1", load_model(MODEL), PARTICLES)
    twin.observe([event for event in events if event.patient_id == "P-1"])
    expected = twin.posterior()
    with np.load(out / "posterior" / "P-1.npz", allow_pickle=False) as found:
        assert {name for name in found if not name.startswith("message_")} == {
            "names",
            "eta",
            "log_weight",
            "params",
            "param_names",
            "mode",
            "mode_cov",
        }
        assert tuple(found["names"]) == load_model(MODEL).eta_names
        assert found["eta"].shape == (PARTICLES, len(found["names"]))
        assert np.exp(found["log_weight"]).sum() == pytest.approx(1)
        assert found["params"].shape == (PARTICLES, len(found["param_names"]))
        clearance = list(found["param_names"]).index("CL")
        typical = next(p.value for p in load_model(MODEL).parameters if p.name == "CL")
        eta = found["eta"][:, list(found["names"]).index("CL")]
        np.testing.assert_allclose(found["params"][:, clearance], typical * np.exp(eta), rtol=1e-12)
        np.testing.assert_array_equal(found["eta"], expected.eta)
        np.testing.assert_allclose(found["mode"], expected.mode.eta, atol=1e-6)
        np.testing.assert_allclose(found["mode_cov"], found["mode_cov"].T)
        assert np.linalg.eigvalsh(found["mode_cov"]).min() > 0
    raw = (out / "posterior" / "P-1.npz").read_bytes()
    assert packed(unpacked(raw)) == packed(unpacked(packed(message_of("P-1", twin.model, twin.initial_effects()))))


def test_shuffled_lines_repeats_several_files_and_any_number_of_processes_give_the_same_bytes(
    ward: Ward, tmp_path: Path
) -> None:
    events, out, _ = ward
    shuffled = random.Random(4).sample(events, len(events))
    one = write(tmp_path / "one.ndjson", shuffled[:5])
    other = write(tmp_path / "other", [*shuffled[5:], *shuffled[:3]])
    result = run(one, other, out=tmp_path / "out", score=True)
    assert result.exit_code == 0, result.stderr
    assert bytes_of(tmp_path / "out") == bytes_of(out)


def test_the_summary_counts_what_was_read_and_written(ward: Ward) -> None:
    events, out, result = ward
    summary = json.loads(result.stderr.splitlines()[-1])
    assert (summary["patients"], summary["twins"], summary["events"], summary["left_out"]) == (2, 2, len(events), 0)
    assert summary["outputs"]["prediction"] == 6
    assert summary["outputs"]["alert"] == len(lines(out / "alerts.ndjson"))


def test_the_score_is_a_table_and_a_file(ward: Ward) -> None:
    _, out, result = ward
    scores = json.loads((out / "score.json").read_text())
    assert [(one["output"], one["values"], one["n"]) for one in scores] == [
        ("fluorouracil_plasma", 4, 2),
        ("leukocytes", 2, 0),
    ]
    assert "fluorouracil_plasma: 2 values of 2 patients" in result.stdout
    assert f"{scores[0]['twin']['median']:.3f}" in result.stdout
    assert "leukocytes: 0 values of 2 patients" in result.stdout


# --- NM-TRAN ---------------------------------------------------------------------------------------------------------

RECORDS = """ID,DAY,EVID,DOSE,COUNT
7,0,0,.,2.4
7,1,1,20,.
7,2,1,20,.
7,14,0,.,1.9
7,21,0,.,0
8,0.5,0,.,3.1
8,3,1,17.5,.
8,30,0,.,2.2
"""


def test_nmtran_records_are_replayed_in_any_order_of_patients_beside_bad_ones(tmp_path: Path) -> None:
    header, *rows = RECORDS.splitlines()
    one, other = tmp_path / "a.csv", tmp_path / "b.txt"
    one.write_text(RECORDS)
    other.write_text("\n".join([header, *rows[5:], *rows[:5], "7,1,9,5,.", "8,40,1,900000,."]))
    options = {"model": "mercaptopurine_jost2020", "columns": "TIME=DAY,AMT=DOSE,DV=COUNT"}
    whole = run(one, out=tmp_path / "a", **options)
    assert whole.exit_code == 0, whole.stderr
    assert f"note: {one}: neutrophils of 0" in whole.stderr
    partly = run(other, out=tmp_path / "b", **options)
    assert partly.exit_code == 3
    assert f"{other}: line 10: EVID 9" in partly.stderr
    assert f"{other}: line 11: out_of_range: field 'amount'" in partly.stderr
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    found = lines(tmp_path / "a" / "predictions.ndjson")
    assert [(one["patient_id"], one["observed"]) for one in found] == [
        ("7", 2.4), ("7", 1.9), ("7", 0.0), ("8", 3.1), ("8", 2.2),
    ]  # fmt: skip
    assert sorted(bytes_of(tmp_path / "a")) == sorted([*RESULTS, "posterior/7.npz", "posterior/8.npz"])


@pytest.mark.skipif(not ALL_6MP.exists(), reason="needs ../shared/data/all_6mp_anc.csv")
def test_real_children_are_predicted_at_every_count_and_better_than_by_the_population(tmp_path: Path) -> None:
    header, *rows = ALL_6MP.read_text().splitlines()
    children = ("101", "133", "181")
    chosen = [line for line in rows if line.split(",")[0] in children]
    (tmp_path / "children.csv").write_text("\n".join([header, *chosen]))
    result = run(
        tmp_path / "children.csv", out=tmp_path / "out", model="mercaptopurine_jost2020", columns=COLUMNS, score=True
    )
    assert result.exit_code == 0, result.stderr
    counts = [(line.split(",")[0], float(line.split(",")[4])) for line in chosen if line.split(",")[2] == "0"]
    found = lines(tmp_path / "out" / "predictions.ndjson")
    assert [(one["patient_id"], one["observed"]) for one in found] == counts
    (score,) = json.loads((tmp_path / "out" / "score.json").read_text())
    assert (score["output"], score["patients"], score["n"]) == ("neutrophils", 3, len(counts) - 3)
    assert score["twin"]["mean"] < score["population"]["mean"]
    assert 0.8 < score["coverage"] < 0.98


# --- what cannot be used ---------------------------------------------------------------------------------------------


def test_bad_lines_are_reported_and_leave_the_others_unharmed(ward: Ward, tmp_path: Path) -> None:
    events, out, _ = ward
    level = events[3]
    assert isinstance(level, DrugLevel)
    odd = LabResult(**about("P-1", 6, "odd"), analyte="leukocytes", value=Quantity(value=1, unit="furlong"))
    changed = level.model_copy(update={"value": Quantity(value=99.0, unit="mg/L")})
    path = write(tmp_path / "ward.ndjson", [b"{", b'{"kind": "riddle"}', *events, odd, changed])
    result = run(path, out=tmp_path / "out", model=MODEL, score=True)
    assert result.exit_code == 3
    reported = [line for line in result.stderr.splitlines() if line.startswith(str(path))]
    assert [line.split(": ", 2)[1] for line in reported] == ["line 1", "line 2", "line 16", "line 15"]
    assert "not JSON" in reported[0]
    assert "field 'kind'" in reported[1]
    assert f"event_id '{level.event_id}' has other content at {path}: line 6" in reported[2]
    assert "unknown_unit: field 'value': unit 'furlong'" in reported[3]
    assert json.loads(result.stderr.splitlines()[-1])["left_out"] == 4
    assert bytes_of(tmp_path / "out") == bytes_of(out)


def test_without_a_model_the_enrolments_decide(ward: Ward, tmp_path: Path) -> None:
    events, out, _ = ward
    path = write(
        tmp_path / "ward.ndjson", [*events, *record("P-3", model=None), *record("P-4", model="docetaxel_ozawa")]
    )
    result = run(path, out=tmp_path / "out", score=True)
    assert result.exit_code == 3
    assert f"{path}: line 18: docetaxel_ozawa: no such model; did you mean 'docetaxel_ozawa2007'?" in result.stderr
    for patient_id, count in (("P-3", 5), ("P-4", 6)):
        assert f"{path}: patient {patient_id} is left out ({count} events): no usable enrolment" in result.stderr
    assert bytes_of(tmp_path / "out") == bytes_of(out)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a.csv", {"model": "mercaptopurin"}, "no such model; did you mean 'mercaptopurine_jost2020'?"),
        ("a.csv", {"model": "none.toml"}, "none.toml: cannot be read"),
        ("a.csv", {"model": f"{MODEL},docetaxel_ozawa2007"}, "docetaxel; name rival models of one drug"),
        ("a.csv", {"model": f"{MODEL},{MODEL}"}, f"{MODEL} is named twice; name each rival once"),
        ("a.csv", {"model": f"{MODEL},"}, "no such model"),
        ("a.csv", {}, "is an NM-TRAN file: name the model"),
        ("missing.csv", {"model": MODEL}, "missing.csv: there is no such file"),
        (".", {"model": MODEL}, "is a folder; name a file"),
        ("a.csv", {"model": MODEL, "columns": "TIME"}, "column map: 'TIME' is not 'ITEM=COLUMN'"),
        ("a.csv", {"model": MODEL, "columns": "TIME=HOUR"}, "column map: TIME=HOUR, but there is no column HOUR"),
        ("a.csv", {"model": MODEL}, "no column TIME; say which one it is by the column map, TIME=COLUMN"),
        (
            "a.csv",
            {"model": MODEL, "columns": "TIME=DAY,DV=COUNT", "output": "platelets"},
            "output 'platelets' is not in",
        ),
        ("a.csv", {"model": MODEL, "particles": 3}, "should be greater than or equal to 50"),
        ("a.csv", {"model": MODEL, "jobs": 0}, "should be greater than or equal to 1"),
    ],
)
def test_unusable_arguments_end_with_two_and_write_nothing(
    name: str, options: dict[str, object], said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(RECORDS)
    result = run(tmp_path / name, out=tmp_path / "out", **options)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_results_go_into_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    result = run(write(tmp_path / "a.ndjson", record("P-1")), out=tmp_path / "out")
    assert result.exit_code == 2
    assert "is a file; name a folder" in result.stderr


def test_results_take_the_place_of_an_earlier_replays_even_when_there_are_none(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "posterior").mkdir(parents=True)
    (out / "posterior" / "P-9.npz").write_bytes(b"old")
    (out / "estimates.ndjson").write_bytes(b"old")
    (out / "notes.txt").write_bytes(b"mine")
    result = run(write(tmp_path / "a.ndjson", [b"{"]), out=out, model=MODEL, score=True)
    assert result.exit_code == 3
    assert bytes_of(out) == {**dict.fromkeys(RESULTS, b""), "score.json": b"[]\n", "notes.txt": b"mine"}


# --- rival models ----------------------------------------------------------------------------------------------------

RIVALS = f"{MODEL},fluorouracil_arshad2020"


def test_rival_models_are_averaged_with_weights_by_evidence(tmp_path: Path) -> None:
    events = write(tmp_path / "a.ndjson", record("P-1"))
    assert run(events, out=tmp_path / "out", model=RIVALS).exit_code == 0
    estimates = [one for one in lines(tmp_path / "out" / "estimates.ndjson") if one["kind"] == "estimate"]
    assert {one["model"] for one in estimates} == {RIVALS}
    assert estimates[0]["model_weights"] == dict.fromkeys(RIVALS.split(","), 0.5)
    assert sum(estimates[-1]["model_weights"].values()) == pytest.approx(1.0)
    assert estimates[-1]["log_evidence"] != 0.0
    with np.load(tmp_path / "out" / "posterior" / "P-1.npz") as arrays:
        weights = dict(zip(arrays["models"].tolist(), arrays["model_weights"].tolist(), strict=True))
        assert weights == pytest.approx(estimates[-1]["model_weights"])
        assert arrays[f"{MODEL}/eta"].shape[0] == PARTICLES
        assert len(arrays["fluorouracil_arshad2020/names"]) == arrays["fluorouracil_arshad2020/mode"].shape[0]
    # Enrolments may name them too, and decide alike.
    enrolled = write(tmp_path / "b.ndjson", record("P-1", model=RIVALS))
    assert run(enrolled, out=tmp_path / "again").exit_code == 0
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "out")


def test_log_evidence_of_each_patient_is_with_its_estimates(ward: Ward) -> None:
    _, out, _ = ward
    last = {one["patient_id"]: one for one in lines(out / "estimates.ndjson") if one["kind"] == "estimate"}
    for patient_id, one in last.items():
        predictions = [p for p in lines(out / "predictions.ndjson") if p["patient_id"] == patient_id]
        assert one["observations"] == len(predictions) == 3
        assert one["log_evidence"] != 0.0
        assert "model_weights" not in one


def test_rival_models_of_different_drugs_are_refused_in_an_enrolment(tmp_path: Path) -> None:
    mixed = "docetaxel_ozawa2007,fluorouracil_yamada2025"
    result = run(write(tmp_path / "a.ndjson", record("P-1", model=mixed)), out=tmp_path / "out")
    assert result.exit_code == 3
    assert "docetaxel_ozawa2007 is of docetaxel and fluorouracil_yamada2025 of fluorouracil" in result.stderr
    assert "no usable enrolment" in result.stderr


# --- what goes wrong on the way --------------------------------------------------------------------------------------


def case(patient_id: str) -> Case:
    events = sorted(record(patient_id), key=lambda event: event.time)
    recorded = (
        RecordedEvent(to_millis(event.time), encode(event), EventPlace("a", n))
        for n, event in enumerate(events, start=1)
    )
    return Case(patient_id, load_model(MODEL), tuple(recorded))


def test_a_twin_that_fails_is_reported_and_leaves_no_results(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(PatientTwin):
        def posterior(self) -> Any:
            raise ZeroDivisionError("no posterior")

    monkeypatch.setattr(averaged, "PatientTwin", Failing)
    model, one = load_model(MODEL), case("P-1")
    result = _replay_one("P-1", [(model.text, model.id)], one.recorded, PARTICLES, DEFAULT, ())
    assert result.failure == "the twin failed, ZeroDivisionError: no posterior"
    assert (result.lines, result.posterior) == ({}, {})


def test_a_killed_process_is_an_error_and_the_earlier_results_stay(tmp_path: Path) -> None:
    (tmp_path / "estimates.ndjson").write_bytes(b"earlier")
    problems: list[Problem] = []

    def kill(_: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(WorkerLost, match=r"a worker process ended early \(SIGKILL\)"):
        replay([case(f"P-{n}") for n in range(4)], tmp_path, PARTICLES, 1, problems.append, kill)
    assert bytes_of(tmp_path) == {"estimates.ndjson": b"earlier"}
    assert problems == []


def test_an_interrupted_replay_leaves_neither_processes_nor_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", [event for n in range(40) for event in record(f"P-{n}")])
    code = "from streams.cli import main; main()"
    words = ["replay", str(path), "--out", str(tmp_path / "out"), "--jobs", "2", "--particles", "2000"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while len(children := psutil.Process(process.pid).children(recursive=True)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted; nothing was written" in said
    assert psutil.wait_procs(children, timeout=60)[1] == []
    assert bytes_of(tmp_path / "out") == {}


def test_worker_processes_end_with_a_replay_that_is_killed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", [event for n in range(40) for event in record(f"P-{n}")])
    code = "from streams.cli import main; main()"
    words = ["replay", str(path), "--out", str(tmp_path / "out"), "--jobs", "2", "--particles", "2000"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(children := psutil.Process(process.pid).children(recursive=True)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert psutil.wait_procs(children, timeout=30)[1] == []
