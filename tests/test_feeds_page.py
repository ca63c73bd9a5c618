"""The page for whoever connects a ward keeps its word: its files are read, its commands do what it says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from connectors.facts.profile import read_profile
from connectors.listeners.tokens import read_grants
from connectors.services.ports import free_ports
from connectors.webhooks import Claim, keys_of, signed
from streams.cli import app
from tests import mosquitto
from tests.mosquitto import Mosquitto
from tests.places import ROOT
from tests.streams.test_listening import started, subscribes, surroundings_of, told
from tests.streams.worker.forks import Forked
from twin import PatientTwin, load_model
from twin.events import DoseGiven, Enrolment, Estimate, decode

PAGE = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
FILES = {found[0]: found[1] for found in re.findall(r"```toml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOSETWIN_PATIENT_KEY", "k" * 20)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    message = re.search(r"```\n# result.hl7\n(.*?)```", PAGE, re.DOTALL)
    assert message is not None
    (tmp_path / "result.hl7").write_text(message[1])
    return tmp_path


def test_the_profile_is_one(folder: Path) -> None:
    profile = read_profile(folder / "lab-east.toml", b"k" * 20)
    assert profile.named("weight") == "WT"


def test_recorded_messages_are_checked_and_fed_as_it_says(folder: Path) -> None:
    profile, message = str(folder / "lab-east.toml"), str(folder / "result.hl7")
    checked = CliRunner().invoke(app, ["feed", "check", profile, message])
    assert (checked.exit_code, checked.stderr.strip()) == (0, '{"events": 1}')
    assert "final lab_result" in checked.stdout
    out = folder / "events.ndjson"
    assert CliRunner().invoke(app, ["feed", "messages", profile, message, "--out", str(out)]).exit_code == 0
    assert decode(out.read_bytes().strip()).source == "lab-east"


def test_a_patient_who_is_enrolled_as_it_says_has_an_estimate_from_the_first_fact(folder: Path) -> None:
    checked = CliRunner().invoke(app, ["feed", "check", str(folder / "lab-east.toml"), str(folder / "result.hl7")])
    patient = re.search(r" of (p[0-9a-f]{32}) at ", checked.stdout)
    line = re.search(r"^echo '(.*)' > (enrolment.ndjson)$", PAGE, re.MULTILINE)
    assert patient is not None
    assert line is not None
    (folder / line[2]).write_text(line[1].replace("PATIENT", patient[1]) + "\n")
    out = folder / "events.ndjson"
    assert CliRunner().invoke(app, ["feed", "ndjson", str(folder / line[2]), "--out", str(out)]).exit_code == 0
    enrolment = decode(out.read_bytes().strip())
    assert isinstance(enrolment, Enrolment)
    told = ["feed", "messages", str(folder / "lab-east.toml"), str(folder / "result.hl7"), "--out", str(out)]
    assert CliRunner().invoke(app, told).exit_code == 0
    first = decode(out.read_bytes().strip())
    twin = PatientTwin(enrolment.patient_id, load_model(enrolment.model), 100)
    assert first.time in [one.time for one in twin.observe([first]).outputs if isinstance(one, Estimate)]


def test_an_export_of_a_phone_and_a_file_of_pumps_are_fed_as_it_says(folder: Path) -> None:
    said = 'unit="count/min" value="71" startDate="2026-03-02 09:00:00 +0100" endDate="2026-03-02 09:00:00 +0100"'
    record = f'<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Eva" {said}/>'
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("apple_health_export/export.xml", f"<HealthData>{record}</HealthData>")
    with zipfile.ZipFile(folder / "takeout.zip", "w") as archive:
        pulses = [{"dateTime": "03/02/26 09:00:00", "value": {"bpm": 71, "confidence": 3}}]
        archive.writestr("Takeout/Eva/heart_rate-2026-03-02.json", json.dumps(pulses))
    table = re.search(r"```csv\n# pumps.csv\n(.*?)```", PAGE, re.DOTALL)
    assert table is not None
    (folder / "pumps.csv").write_text(table[1])
    for name, kinds in (("apple-health", ["vital_sample"]), ("fitbit", ["vital_sample"]),
                        ("elastomeric", ["pump_delivery", "pump_totals"])):  # fmt: skip
        command = re.search(rf"^dosetwin (feed {name} .*)$", PAGE, re.MULTILINE)
        assert command is not None
        words = [str(folder / word) if (folder / word).is_file() else word for word in command[1].split()]
        out = folder / f"{name}.ndjson"
        done = CliRunner().invoke(app, [*words, "--out", str(out)])
        assert done.exit_code == 0, done.output
        events = [decode(line) for line in out.read_bytes().splitlines()]
        assert [event.kind for event in events][: len(kinds)] == kinds
        assert b"Eva" not in out.read_bytes()


def test_the_tokens_are_a_file_of_them_once_the_digest_is_there(folder: Path) -> None:
    made = CliRunner().invoke(app, ["listen", "token"])
    digest = re.search(r"sha256: ([0-9a-f]{64})", made.stdout)
    assert digest is not None
    path = folder / "tokens.toml"
    path.write_text(path.read_text().replace('"..."', f'"{digest[1]}"'))
    (grant,) = read_grants(path, lambda: 0.0).each
    first, *_, second = re.findall(r"-d '(\{.*?\})'", PAGE, re.DOTALL)
    event = decode(json.dumps(json.loads(first)).encode())
    assert grant.forbids(event) == ""
    cap = decode(json.dumps(json.loads(second)).encode())
    assert isinstance(cap, DoseGiven)
    assert cap.taken == 0.95


def test_who_signs_is_a_source_once_its_secret_is_in_the_environment(folder: Path) -> None:
    command = re.search(r"^export (DOSETWIN_WEBHOOK_\w+)=\$\(dosetwin (.*?)\)", PAGE, re.MULTILINE)
    assert command is not None
    made = CliRunner().invoke(app, command[2].split()).stdout.strip()
    grants = read_grants(folder / "webhooks.toml", lambda: 0.0, {command[1]: made})
    claim = Claim.of(signed(keys_of(made), "m-1", 1_772_442_000, b"{}"), 1_772_442_000)
    found = grants.of_signed(claim, b"{}")
    assert found is not None
    assert found.source == "ehr-hooks"


def test_a_real_sender_is_answered_and_the_fact_is_in_kafka(folder: Path, kafka: str) -> None:
    surroundings, (port,) = surroundings_of(kafka), free_ports(1)
    command = re.search(r"^mllp_send (.*)$", PAGE, re.MULTILINE)
    assert command is not None
    words = command[1].replace("2575", str(port)).replace("result.hl7", str(folder / "result.hl7")).split()
    arguments = ["mllp", str(folder / "lab-east.toml"), "--port", str(port), "--memory", str(folder / "memory")]
    with started(arguments, port, surroundings):
        sender = Path(sys.executable).parent / "mllp_send"
        said = subprocess.run([sender, *words], capture_output=True, text=True, timeout=120, check=True)
    assert "MSA|AA|1" in said.stdout
    assert [event.value.value for event in told(surroundings)] == [1.2]


def test_a_real_publisher_is_heard_and_the_fact_is_in_kafka(folder: Path, kafka: str, broker: Mosquitto) -> None:
    surroundings, (port,) = surroundings_of(kafka), free_ports(1)
    listen, publish = (
        re.search(rf"^{words} (.*)$", PAGE, re.MULTILINE) for words in ("dosetwin listen mqtt", "mosquitto_pub")
    )
    assert listen is not None
    assert publish is not None
    assert "mosquitto -p 1883" in PAGE
    profile, *options = listen[1].replace("1883", str(broker.port)).split()
    arguments = [
        "mqtt",
        str(folder / profile),
        *options,
        "--memory",
        str(folder / "memory"),
        "--metrics-port",
        str(port),
    ]
    with started(arguments, port, surroundings):
        subscribes(port)
        program, environment = mosquitto.command("mosquitto_pub")
        words = shlex.split(publish[1].replace("1883", str(broker.port)))
        subprocess.run([program, *words], env=environment, timeout=120, check=True)
        until = time.monotonic() + 120
        while not told(surroundings) and time.monotonic() < until:
            time.sleep(0.1)
    (event,) = told(surroundings)
    assert (event.value.value, event.source) == (1.2, "poc")


@pytest.mark.timeout(900)  # the first to ask for a FHIR server starts it
def test_a_real_fhir_server_is_read_as_it_says(folder: Path, kafka: str, fhir: str) -> None:
    surroundings, here = surroundings_of(kafka), "http://127.0.0.1:8080/fhir"
    for url, said in re.findall(rf"{here}/(\w+/\w+) -d '(.*?)'\n", PAGE, re.DOTALL):
        assert httpx2.put(f"{fhir}/{url}", json=json.loads(said), timeout=120).status_code in (200, 201)
    command = re.search(r"^dosetwin (listen fhir .*)$", PAGE, re.MULTILINE)
    assert command is not None
    words = command[1].replace(here, fhir).replace("ehr.toml", str(folder / "ehr.toml")).split()
    with open(folder / "log", "wb") as log:
        process = Forked([*words, "--memory", str(folder / "memory")], surroundings, log.fileno())
    until, found = time.monotonic() + 240, list[float]()
    while 1.2 not in found and time.monotonic() < until:
        assert process.poll() is None, (folder / "log").read_text()
        found = [event.value.value for event in told(surroundings)] if (folder / "memory").exists() else []
    process.kill()
    assert 1.2 in found
