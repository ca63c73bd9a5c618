"""Exchanged samples are named from what stands on Kafka, or in a replay's file, and nothing is written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.kafka.topics import ESTIMATES
from streams.cli import app
from tests.connectors.alerts.test_predictions import GONE
from tests.streams.worker.stage import Stage
from tests.twin.alerts.test_swapped import EXCHANGED, said
from twin.events import encode

WARD = [*EXCHANGED, said("P-3", 1.0, 1.1)]


@pytest.fixture
def stage(kafka: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with contextlib.closing(Stage(kafka)) as stage:
        for name, value in stage.environment.items():
            monkeypatch.setenv(name, value)
        yield stage


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ("swaps", *arguments))


def test_both_patients_are_named_until_a_value_is_corrected(stage: Stage) -> None:
    for one in reversed(WARD):
        stage.send(ESTIMATES, one.patient_id, encode(one)).get(60)
    found = run("--json")
    assert found.exit_code == 0, found.output
    (pair,) = [json.loads(line) for line in found.stdout.splitlines()]
    assert [side["patient_id"] for side in pair["samples"]] == ["P-1", "P-2"]
    assert pair["samples"][0]["values"]["neutrophils"]["observed"] == 0.42
    assert 0.9 < pair["probability"] < 1
    text = run().output
    assert "P-1 and P-2: exchanged with probability over 0.99" in text
    assert "P-1 neutrophils 0.42 ×10⁹/L; 4 (2.65 to 6.03) was expected" in text

    gone = GONE.model_copy(update={"patient_id": "P-1", "time": EXCHANGED[0].time})
    stage.send(ESTIMATES, "P-1", encode(gone)).get(60)
    assert "no pairs among 2 values" in run().output


def test_a_replay_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "predictions.ndjson"
    file.write_bytes(b"\n".join(map(encode, WARD)))
    assert "P-1 and P-2" in run(str(file)).output
    assert "no pairs among 3 values" in run(str(file), "--within", "0.25").output


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "predictions.ndjson"
    assert "No such file" in run(str(file)).output
    file.write_bytes(encode(WARD[0]) + b"\n{}\n")
    assert "line 2" in run(str(file)).output
    file.write_bytes(encode(WARD[0]))
    assert "field 'likely': 2 is no probability" in run(str(file), "--likely", "2").output
