"""``dosetwin feed``: files and the ward onto a real Kafka or into a file, with what was left out and why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.structs import TopicPartition
from typer.testing import CliRunner, Result

from connectors.kafka.topics import INPUTS
from streams.cli import app
from tests.connectors.protocols import spoken
from twin.events import decode

CSV = "ID,TIME,AMT,RATE,DV,DVID\n1,0,96,96,.,.\n1,24,.,.,3.9,2\n1,48,.,.,-1,2\n2,0,90,90,.,.\n"


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.fixture
def prefix() -> str:
    return f"feed-{uuid.uuid4().hex[:8]}."


def feed(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["feed", *map(str, arguments)])


def summary(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(line for line in result.stderr.splitlines() if line.startswith("{")))
    return found


def on_topics(bootstrap: str, prefix: str) -> dict[str, int]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        parts = [TopicPartition(prefix + topic, n) for topic in INPUTS for n in range(4)]
        ends = consumer.end_offsets(parts)
        totals = {topic: sum(ends[p] for p in parts if p.topic == prefix + topic) for topic in INPUTS}
        return {topic: total for topic, total in totals.items() if total}
    finally:
        consumer.close()


def test_an_nmtran_file_reaches_the_topics_and_its_bad_line_is_named(kafka: str, prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "study.csv"
    file.write_text(CSV)
    result = feed("nmtran", file, "--model", "docetaxel_ozawa2007", "--kafka", kafka, "--prefix", prefix)
    assert result.exit_code == 3
    assert f"{file}: line 4: DV -1 cannot be neutrophils" in result.stderr
    assert summary(result) == {
        "published": 7,
        "failed": {},
        "by_topic": {f"{prefix}clinical.labs": 1, f"{prefix}clinical.orders": 4, f"{prefix}twin.commands": 2},
        "bad_lines": 1,
        "stopped": False,
    }
    assert on_topics(kafka, prefix) == {"clinical.labs": 1, "clinical.orders": 4, "twin.commands": 2}


def test_a_ward_written_to_a_file_is_fed_from_it_event_for_event(kafka: str, prefix: str, tmp_path: Path) -> None:
    events, truth = tmp_path / "ward.ndjson", tmp_path / "truth.ndjson"
    ward = ("ward", "--patients", 2, "--days", 1, "--vitals-every", 1800, "--start", "2026-01-01T00:00Z", "--seed", 4)
    written = feed(*ward, "--out", events, "--truth", truth)
    assert written.exit_code == 0
    lines = events.read_bytes().splitlines()
    assert summary(written)["written"] == len(lines) > 100
    patients = {json.loads(line)["patient_id"] for line in truth.read_text().splitlines()}
    assert {decode(line).patient_id for line in lines} == patients
    fed = feed("ndjson", events, "--kafka", kafka, "--prefix", prefix)
    assert fed.exit_code == 0
    assert summary(fed)["published"] == len(lines) == sum(on_topics(kafka, prefix).values())
    again = tmp_path / "again.ndjson"
    assert feed(*ward, "--out", again).exit_code == 0
    assert again.read_bytes() == events.read_bytes()


def test_bad_lines_of_an_ndjson_file_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = tmp_path / "good.ndjson"
    assert feed("ward", "--patients", 1, "--days", 0.2, "--vitals-every", 3600, "--out", good).exit_code == 0
    lines = good.read_bytes().splitlines(keepends=True)
    file, out = tmp_path / "mixed.ndjson", tmp_path / "out.ndjson"
    file.write_bytes(lines[0] + b'{"kind": "pump_delivery"\n' + b"".join(lines[1:]))
    result = feed("ndjson", file, "--out", out)
    assert result.exit_code == 3
    assert f"{file}: line 2: not JSON" in result.stderr
    assert summary(result)["bad_lines"] == 1
    assert out.read_bytes() == good.read_bytes()


def test_a_ward_that_is_told_to_stop_confirms_what_it_sent(kafka: str, prefix: str) -> None:
    command = [sys.executable, "-c", "from streams.cli import main; main()", "feed", "ward"]
    options = ["--patients", "2", "--speed", "3600", "--kafka", kafka, "--prefix", prefix]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            deadline = time.monotonic() + 60
            while not _some(kafka, prefix) and time.monotonic() < deadline:
                time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, said
    told = json.loads(said.strip().splitlines()[-1])
    assert told["stopped"] is True
    assert told["published"] == sum(on_topics(kafka, prefix).values()) > 0


def _some(kafka: str, prefix: str) -> bool:
    try:
        return bool(on_topics(kafka, prefix))
    except Exception:  # the topics are not there yet
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("ward", "--patients", 0), "patients 0: must be 1 to 10000"),
        (("ward", "--days", -1), "days -1.0: must be above 0"),
        (("ward", "--start", "yesterday"), "--start 'yesterday' is not a time; write it as 2026-01-31T00:00Z"),
        (("ward", "--model", "aspirin"), "aspirin: no such model"),
        (("ward", "--out", "/no/such/folder/x"), "No such file or directory"),
        (("ward", "--kafka", "127.0.0.1:1"), "no Kafka answers at 127.0.0.1:1"),
        (("ward", "--kafka", "nonsense"), "DOSETWIN_KAFKA='nonsense'"),
        (("nmtran", "CSV", "--model", "aspirin"), "aspirin: no such model"),
        (("nmtran", "CSV", "--model", "docetaxel_ozawa2007", "--columns", "TIME"), "'TIME' is not 'ITEM=COLUMN'"),
        (("nmtran", "CSV", "--model", "docetaxel_ozawa2007", "--output", "QT"), "'QT' is not in docetaxel_ozawa2007"),
    ],
)
def test_what_the_user_can_mend_is_said_in_a_line(arguments: tuple[object, ...], reason: str, tmp_path: Path) -> None:
    file = tmp_path / "study.csv"
    file.write_text(CSV)
    result = feed(*(file if argument == "CSV" else argument for argument in arguments))
    assert result.exit_code == 1
    assert reason in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments", [("ndjson", "/no/such/file"), ("nmtran", "/no/such/file", "--model", "x"), ("ward", "--speed", -1)]
)
def test_wrong_usage_ends_with_code_2(arguments: tuple[object, ...]) -> None:
    assert feed(*arguments).exit_code == 2


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOSETWIN_PATIENT_KEY", "a key of sixteen bytes and more")
    path = tmp_path / "lab.toml"
    path.write_text('id = "lab-east"\nprotocol = "hl7"\nmode = "real"\n')
    return path


def test_a_check_says_what_would_become_of_each_fact_and_sends_nothing(lab: Path, tmp_path: Path) -> None:
    raw = spoken.laboratory(spoken.count(), spoken.count(f3="777-3^Platelets^LN", f6="K/uL"), spoken.count(f2="ED"))
    message = tmp_path / "result.hl7"
    message.write_bytes(raw)
    result = feed("check", lab, message)
    assert result.exit_code == 3
    told, refused, passed = result.stdout.splitlines()
    assert f"{message}: message 1: OBR[1].OBX[1]: final lab_result of p" in told
    assert "value 3.4 10*9/L" in told
    assert "OBR[1].OBX[2]: refused unknown_unit: " in refused
    assert "OBR[1].OBX[3]: passed over: " in passed
    assert summary(result) == {"events": 1, "refused": 1, "passed over": 1}
    assert spoken.NAME not in result.output
    assert spoken.NUMBER not in result.output


def test_a_check_in_json_has_an_object_a_line(lab: Path, tmp_path: Path) -> None:
    message = tmp_path / "result.hl7"
    message.write_bytes(spoken.laboratory())
    result = feed("check", lab, message, message, "--json")
    assert result.exit_code == 0
    first, again = map(json.loads, result.stdout.splitlines())
    assert first["events"][0]["kind"] == "lab_result"
    assert again["events"] == []


def test_a_check_needs_a_profile_that_can_be_used(lab: Path, tmp_path: Path) -> None:
    message = tmp_path / "result.hl7"
    message.write_bytes(b"hello")
    result = feed("check", lab, message)
    assert (result.exit_code, "refused malformed" in result.stdout) == (3, True)
    lab.write_text('id = "lab-east"\nprotocol = "fax"\nmode = "real"\n')
    result = feed("check", lab, message)
    assert result.exit_code == 1
    assert "field 'protocol'" in result.stderr
    assert "Traceback" not in result.output
