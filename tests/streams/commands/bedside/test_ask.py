"""A question at a prompt is answered by the worker that has the patient, which may have been killed in between."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.kafka.topics import ADVICE
from streams.cli import app
from tests.streams.worker.stage import START, Stage, WorkerProcess, enrolment
from twin import PatientTwin, load_model
from twin.dosing.live import LiveAdviser
from twin.dosing.protocol import load_protocol
from twin.events import Advice, DoseGiven, InputEvent, PlannedDose, Quantity, RegimenPlanned, decode, encode, event_id

MODEL = "docetaxel_ozawa2007"
PROTOCOL = """
id = "ward_q3w"
title = "Docetaxel every three weeks"
drug = "docetaxel"
assumed = "of this test"
limits = { neutropenia_g4 = 0.2 }
live = { on = ["plan"] }
"""
AMOUNT, HOUR = Quantity(value=160.0, unit="mg"), Quantity(value=1.0, unit="h")


@pytest.fixture
def stage(kafka: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with contextlib.closing(Stage(kafka)) as stage:
        for name, value in stage.environment.items():
            monkeypatch.setenv(name, value)
        yield stage


def ask(*options: str) -> Any:
    return CliRunner().invoke(app, ["ask", "A", "--by", "dr-1", *options])


def record() -> list[InputEvent]:
    """Enrolled, ordered two courses, and given the first."""
    begin = START + timedelta(hours=2)
    doses = tuple(PlannedDose(time=begin + timedelta(days=21 * n), amount=AMOUNT, duration=HOUR) for n in range(2))
    head = {"patient_id": "A", "source": "test"}
    plan = RegimenPlanned(
        event_id=event_id("A", "plan"), time=START + timedelta(hours=1), drug="docetaxel", doses=doses, **head
    )
    given = DoseGiven(
        event_id=event_id("A", "dose"),
        time=begin,
        drug="docetaxel",
        route="iv",
        amount=AMOUNT,
        duration=HOUR,
        **head,
    )
    return [enrolment("A", model=MODEL), plan, given]


def test_a_worker_that_was_killed_answers_each_question_once_as_the_twin_alone_does(
    stage: Stage, tmp_path: Path
) -> None:
    allowed, log = tmp_path / "ward.toml", tmp_path / "worker.log"
    allowed.write_text(PROTOCOL)
    real = {"twins": "streams.worker.twin_factory:LibraryTwins", "environment": {"DOSETWIN_PARTICLES": "100"}}
    stage.play(record())
    with WorkerProcess(stage, log, "--protocols", str(allowed), **real) as worker:  # type: ignore[arg-type]
        worker.wait_ready(120.0)
        first = ask("--time", "2026-01-05T12:00Z", "--wait", "180", "--json")
        assert first.exit_code == 0, first.output
        worker.kill()
    assert ask("--time", "2026-01-05T13:00Z", "--wait", "0").exit_code == 0
    with WorkerProcess(stage, log, "--protocols", str(allowed), **real) as worker:  # type: ignore[arg-type]
        worker.wait_ready(120.0)
        refused = ask("--time", "2026-01-05T14:00Z", "--wait", "180", "--drug", "cisplatin")
        assert (refused.exit_code, "unknown_drug" in refused.stderr) == (3, True)
        last = ask("--time", "2026-01-05T15:00Z", "--wait", "180", "--protocol", "other")
        assert (last.exit_code, "is no protocol of docetaxel" in last.output) == (3, True)
        assert worker.stop(120.0) == 0

    twin = PatientTwin("A", load_model(MODEL), 100, adviser=LiveAdviser([load_protocol(allowed)]))
    said = [one for event in stage.inputs() for one in twin.observe([decode(event.value)]).outputs]
    advice = [one for one in said if isinstance(one, Advice)]
    assert {one.about for one in advice} == {"plan", "request"}
    told = [record.value for record in stage.records(stage.prefix + ADVICE)]
    newest = {json.loads(value)["advice_id"]: value for value in told}
    assert newest == {one.advice_id: encode(one) for one in advice}
    assert len(set(told)) == len(newest), "in order nothing is revised, and what is said again is the same bytes"
    assert json.loads(first.stdout)["event_id"] in {json.loads(value)["event_id"] for value in told}
