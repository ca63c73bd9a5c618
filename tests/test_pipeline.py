"""The main job on real servers, each part a process of its own: ward, Kafka, worker, sink, InfluxDB, dashboards.

Worker and sink are killed in mid-stream and started again; what comes out must be what it would be without that.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from connectors.kafka.topics import ESTIMATES, INPUTS, LABS
from connectors.services import Influx
from connectors.sinks.arrival import Arrival
from connectors.sinks.influx import TOPICS
from connectors.sinks.lines.alert import lines
from streams.worker.event_time_merge import IDLE_SECONDS
from tests.connectors.console.bench import Bench
from tests.connectors.console.shown import Shown, every_panel, named_in_overrides
from tests.faults.verdict import Undisturbed
from tests.points import expected_points, stored_points
from tests.streams.worker.stage import ROOT, CommandProcess, Stage, WorkerProcess, lab
from twin.events import (
    Alert,
    DrugLevel,
    Estimate,
    Forecast,
    InputEvent,
    LabResult,
    OutputEvent,
    Prediction,
    decode,
    encode,
)
from twin.model.measured.ctcae import CRITERIA

START = datetime(2026, 1, 5, tzinfo=UTC)
PARTICLES = 100
PATIENTS = 6
WARD = ("--patients", f"{PATIENTS}", "--days", "1.75", "--seed", "10", "--vitals-every", "1800", "--pump-every", "300")
"""A seed whose sixth patient's pump is silent when the ward closes, so that one dropout still stands at the end."""

EXPECTED = {
    "misprogrammed": "delivery.overinfusion",
    "overdose": "delivery.overinfusion",
    "leak": "delivery.underinfusion",
    "early_end": "delivery.underinfusion",
    "silence": "data.dropout",
}
"""What happens to an infusion, and the alert that must come of it."""


def eventually(condition: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not after {seconds:g} s: {what}"
        time.sleep(0.2)


@dataclass
class Pipeline:
    """A ward that went through everything, and the books of it: what went in, what each topic and the database hold."""

    bench: Bench
    stage: Stage
    truth: list[dict[str, Any]]
    published: int

    @cached_property
    def events(self) -> list[InputEvent]:
        """All that the ward said, as it stands in the topics."""
        records = [record for topic in INPUTS for record in self.stage.records(self.stage.prefix + topic)]
        return [event for event in (decode(record.value) for record in records) if event.source != "test"]

    @cached_property
    def said(self) -> dict[str, OutputEvent]:
        """Estimates, forecasts and predictions as a consumer holds them that keeps the newest word of each id."""
        return {output.event_id: output for output in self.stage.estimates()}

    @cached_property
    def alerts(self) -> dict[str, Alert]:
        """The newest transition of each alert."""
        return {
            alert.alert_id: alert for alert in sorted(self.stage.alerts(), key=lambda transition: transition.revision)
        }

    def end(self, *topics: str) -> int:
        """Records that were ever put into the topics."""
        consumer = KafkaConsumer(bootstrap_servers=self.stage.bootstrap)
        try:
            places = [
                TopicPartition(self.stage.prefix + topic, number)
                for topic in topics
                for number in range(self.stage.partitions)
            ]
            return int(sum(consumer.end_offsets(places).values()))
        finally:
            consumer.close()

    def wait_until_written(self) -> None:
        """The worker has committed all inputs, and after that the sink all that it reads."""
        self.stage.wait_until_committed(90)
        time.sleep(IDLE_SECONDS + 2.0)  # a silence is told once the topics of its devices are idle
        eventually(lambda: self.bench.committed() == self.end(*TOPICS), "the sink has committed everything")


@pytest.fixture(scope="module")
def pipeline(kafka: str, influx: Influx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    logs = tmp_path_factory.mktemp("pipeline")
    bench = Bench(kafka, influx)
    stage = Stage(kafka, bench.settings.topic_prefix, bench.settings.partitions)
    with pytest.MonkeyPatch.context() as patch:
        for settings in (bench.settings.model_copy(update={"particles": PARTICLES}), bench.to_influx):
            for name, value in settings:
                if value is not None:
                    patch.setenv(settings.variable(name), str(value))
        yield run(bench, stage, logs)
    bench.close()
    stage.close()


def run(bench: Bench, stage: Stage, logs: Path) -> Pipeline:
    """Feed the ward to a worker and a sink; kill both in mid-stream, and start both again to the end."""
    pipeline = Pipeline(bench, stage, [], 0)
    with real_worker(stage, logs) as worker, influx_sink(stage, logs) as sink:
        worker.wait_ready()
        pipeline.published, pipeline.truth = feed(logs / "truth.ndjson")
        patient = pipeline.truth[0]["patient_id"]
        eventually(lambda: pipeline.end(ESTIMATES) > 100 and bench.committed() > 0, "a good part is done")
        worker.kill()
        sink.kill()
    stage.send(LABS, patient, encode(lab(patient, 60, unit="bananas")))
    stage.producer.flush()
    assert stage.lag() > 0, "something is left to do, however fast the worker was"
    restart(pipeline, logs)
    return pipeline


def restart(pipeline: Pipeline, logs: Path) -> None:
    """A worker and a sink until there is nothing left to do."""
    with real_worker(pipeline.stage, logs) as worker, influx_sink(pipeline.stage, logs) as sink:
        worker.wait_ready()
        pipeline.wait_until_written()
        assert worker.stop() == 0
        assert sink.stop() == 0


def real_worker(stage: Stage, logs: Path) -> WorkerProcess:
    return WorkerProcess(stage, logs / "worker.log", twins="streams.worker.twin_factory:LibraryTwins")


def influx_sink(stage: Stage, logs: Path) -> CommandProcess:
    return CommandProcess(stage, logs / "sink.log", ["sink", "influx"])


def feed(truth: Path) -> tuple[int, list[dict[str, Any]]]:
    """Let ``dosetwin feed ward`` run; the number of events and the truth about the patients."""
    at = ("--start", START.isoformat(), "--speed", "0", "--truth", str(truth))
    command = [sys.executable, "-m", "streams", "feed", "ward", *WARD, *at]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stderr.splitlines()[-1])
    assert (summary["failed"], summary["bad_lines"]) == ({}, 0)
    return summary["published"], [json.loads(line) for line in truth.read_text().splitlines()]


# --- what the worker said ---------------------------------------------------------------------------------------------


def test_no_event_of_the_ward_is_lost_and_only_the_bad_one_is_refused(pipeline: Pipeline) -> None:
    assert len({event.event_id for event in pipeline.events}) == pipeline.published > 1000
    (letter,) = {letter.offset: letter for letter in pipeline.stage.rejected()}.values()
    assert (letter.reason, letter.topic) == ("unknown_unit", pipeline.stage.prefix + LABS)


def test_worker_and_sink_that_were_killed_end_where_undisturbed_ones_do(pipeline: Pipeline) -> None:
    undisturbed = Undisturbed.of(pipeline.events, PARTICLES).outputs
    assert {identity: pipeline.said.get(identity) for identity in undisturbed} == undisturbed


def test_every_patient_has_estimates_and_forecasts_and_a_prediction_of_each_measured_value(pipeline: Pipeline) -> None:
    patients = {person["patient_id"]: person["model"] for person in pipeline.truth}
    assert len(patients) == PATIENTS
    for kind in (Estimate, Forecast):
        spoken = {(output.patient_id, output.model) for output in pipeline.said.values() if isinstance(output, kind)}
        assert spoken == set(patients.items())
    predicted = {
        (output.patient_id, output.output, output.time)
        for output in pipeline.said.values()
        if isinstance(output, Prediction)
    }
    measured = {
        (event.patient_id, event.analyte, event.time)
        for event in pipeline.events
        if isinstance(event, LabResult | DrugLevel)
    }
    assert predicted == measured
    assert {patient for patient, _, _ in measured} == set(patients)


def test_hourly_estimates_follow_the_patient_to_the_end(pipeline: Pipeline) -> None:
    for person in pipeline.truth:
        times = {
            output.time
            for output in pipeline.said.values()
            if isinstance(output, Estimate) and output.patient_id == person["patient_id"]
        }
        first, last = (datetime.fromisoformat(person[name]) for name in ("admitted", "discharged"))
        hour = first.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
        hours = []
        while hour < last - timedelta(hours=1):
            hours.append(hour)
            hour += timedelta(hours=1)
        own = [minute for minute in range(60) if {hour + timedelta(minutes=minute) for hour in hours} <= times]
        assert own, f"{person['patient_id']} has no minute of each hour at which an estimate is due"


def test_alerts_are_those_of_what_really_happened(pipeline: Pipeline) -> None:
    kept = {(alert.patient_id, alert.rule): alert for alert in pipeline.alerts.values() if alert.state != "withdrawn"}
    struck = 0
    for person in pipeline.truth:
        patient = person["patient_id"]
        scenarios = {infusion["scenario"] for infusion in person["infusions"]}
        for scenario in scenarios & EXPECTED.keys():
            assert (patient, EXPECTED[scenario]) in kept, (scenario, kept.keys())
            struck += 1
        if not scenarios & EXPECTED.keys():
            assert not {(patient, "delivery.overinfusion"), (patient, "delivery.underinfusion")} & kept.keys()
    assert struck == 3
    silent = next(p for p in pipeline.truth if p["infusions"] and p["infusions"][0]["scenario"] == "silence")
    assert kept[silent["patient_id"], "data.dropout"].live
    assert all(
        alert.patient_id in {person["patient_id"] for person in pipeline.truth} for alert in pipeline.alerts.values()
    )


# --- what the database holds ------------------------------------------------------------------------------------------


def test_the_database_holds_what_the_topics_hold_once(pipeline: Pipeline) -> None:
    stored, expected = stored_points(pipeline.bench.influx), expected_points(pipeline.stage)
    assert stored.keys() == expected.keys()
    assert [identity for identity in expected if stored[identity] != expected[identity]] == []
    assert len(stored) > 5000
    revised = {"estimate", "parameter", "exposure", "delivery", "health", "nadir", "prediction"}
    assert {identity[0] for identity in stored} == {
        *revised, *(f"{name}_published" for name in revised), "forecast", "issued", "alert", "vital", "planned_dose",
        "rejected",
    }  # fmt: skip


def test_restarting_worker_and_sink_once_more_says_and_writes_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    before = pipeline.end(*TOPICS), stored_points(pipeline.bench.influx)
    restart(pipeline, tmp_path)
    assert (pipeline.end(*TOPICS), stored_points(pipeline.bench.influx)) == before
    assert json.loads((tmp_path / "sink.log").read_text().splitlines()[-1])["items"] == 0


# --- what the dashboards show -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(pipeline: Pipeline) -> Shown:
    return Shown(pipeline.bench, START - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))


def left_empty(pipeline: Pipeline, title: str, variables: dict[str, str]) -> str:
    """Queries of a patient's panel, by letter, that have nothing to show of this patient."""
    patient = variables.get("patient")
    warned = {alert.patient_id for alert in pipeline.alerts.values()}
    predictions = [output for output in pipeline.said.values() if isinstance(output, Prediction)]
    measured = {(one.patient_id, one.output) for one in predictions if one.below is None and one.above is None}
    limited = {(one.patient_id, one.output) for one in predictions if one.below is not None or one.above is not None}
    of = patient or "", variables.get("output") or variables.get("level") or ""
    unknown = [of not in measured, of not in limited]
    match title, variables.get("model"):
        case "Exposure misses its window", "docetaxel_ozawa2007":  # the model has no target window
            return "A"
        case "Probabilities", "docetaxel_ozawa2007":
            return "BC"
        case "Alerts", _ if patient not in warned:
            return "A"
        case "${output}" | "${level}", _:
            return "".join(compress("CDE", [*unknown, variables.get("output") not in CRITERIA]))
        case "${output}, as it was foreseen then", _:
            return "".join(compress("BC", unknown))
        case "${channel}", _ if variables["channel"] != "body_temperature":
            return "B"
    return ""


def shows_the_ward(board: str, panel: dict[str, Any]) -> bool:
    """Whether a panel has something to show of this ward: a sink of its own writes what operations show, and no twin
    here is of rival models or a mixture."""
    of_other_twins = ("Weights of rival models", "Classes that nobody sees")
    return board != "operations.json" and panel["title"] not in of_other_twins


@pytest.mark.parametrize(("board", "panel"), [each for each in every_panel() if shows_the_ward(*each.values)])
def test_every_panel_shows_what_the_ward_brought_forth(
    pipeline: Pipeline, shown: Shown, board: str, panel: dict[str, Any]
) -> None:
    chosen = [{}]
    if board == "patient.json":
        chosen = [{"patient": person["patient_id"], "model": person["model"]} for person in pipeline.truth]
        chosen = [{**one, "issued": shown.choices(board, "issued", **one)[-1]} for one in chosen]
    names: set[str] = set()
    for one in chosen:
        for variables in shown.repeats(board, panel, **one):
            names |= shown.drawn(panel, left_empty(pipeline, panel["title"], variables), **variables)
    assert names
    if panel["title"] == "Alerts":  # only what lies ahead has a horizon, and in two days of a ward nothing may
        names |= {"horizon_hours"} & set(re.findall(r"(\w+)=", next(lines(Alert.example(), Arrival(0, 0, 0)))))
    queries = " ".join(target["query"] for target in panel["targets"])
    names |= set(re.findall(r'"([\w ]+)": r\.limit', queries))  # nothing of this ward lies beyond a limit
    named_in_overrides(panel, names)
