"""What ``dosetwin doctor``, ``services`` and ``topics`` say, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.kafka.topics import AUDIT_TOPICS, TOPICS, ensure_topics
from connectors.services import Influx
from connectors.settings import PREFIX
from streams.cli import app
from streams.commands.project.doctor import check_plugins, check_python
from streams.commands.project.plugins import Listed


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOSETWIN_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("DOSETWIN_SERVICES", "local")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def named(kafka: str, influx: Influx, monkeypatch: pytest.MonkeyPatch) -> str:
    """The session's servers, named in the environment; returns a topic prefix of this test's own."""
    prefix = f"d{uuid.uuid4().hex[:8]}."
    monkeypatch.setenv("DOSETWIN_KAFKA", kafka)
    monkeypatch.setenv("DOSETWIN_INFLUX_URL", influx.url)
    monkeypatch.setenv("DOSETWIN_INFLUX_TOKEN", influx.token)
    monkeypatch.setenv("DOSETWIN_TOPIC_PREFIX", prefix)
    return prefix


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_all_is_well_where_servers_topics_models_and_sources_are_there(
    kafka: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_topics(kafka, named)
    monkeypatch.setenv("DOSETWIN_SOURCES", str(tmp_path))
    monkeypatch.setenv("DOSETWIN_PATIENT_KEY", "k" * 20)
    (tmp_path / "ehr.toml").write_text('id = "ehr"\nprotocol = "fhir"\nmode = "real"\n')
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "WRONG" not in result.output
    assert f"Kafka: answers at {kafka}" in result.output
    assert f"topic {named}twin.rejected: 4 partitions" in result.output
    assert "model docetaxel_ozawa2007" in result.output
    assert "source ehr: ehr.toml, fhir, of real patients, pseudonyms by a key" in result.output
    assert result.output.endswith("all is well\n")


def test_servers_that_are_not_there_are_named_with_the_way_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("DOSETWIN_INFLUX_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("DOSETWIN_INFLUX_TOKEN", "t")
    result = run("doctor")
    assert result.exit_code == 1
    assert "WRONG Kafka: does not answer at 127.0.0.1:1\n" in result.output
    assert "start it with 'dosetwin services up', or name yours in DOSETWIN_KAFKA\n" in result.output
    assert "WRONG InfluxDB: does not answer at http://127.0.0.1:1\n" in result.output
    assert result.output.endswith("2 to mend\n")


def test_missing_and_unequal_topics_are_named(kafka: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("doctor")
    assert result.exit_code == 1
    assert f"WRONG topic {named}iomt.pump: missing" in result.output
    assert "create it with 'dosetwin topics create'" in result.output
    ensure_topics(kafka, named, partitions=4)
    monkeypatch.setenv("DOSETWIN_PARTITIONS", "6")
    result = run("doctor")
    assert f"WRONG topic {named}iomt.pump: 4 partitions instead of 6" in result.output
    assert "set DOSETWIN_PARTITIONS=4" in result.output


def test_a_wrong_token_and_a_wrong_bucket_are_told_from_a_server_that_is_down(
    kafka: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_topics(kafka, named)
    monkeypatch.setenv("DOSETWIN_INFLUX_TOKEN", "wrong")
    result = run("doctor")
    assert result.exit_code == 1
    assert f"answers at {os.environ['DOSETWIN_INFLUX_URL']}, but does not know this token" in result.output
    assert "wrong" not in result.output.replace("WRONG", "")


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_PARTICLES", "many")
    result = run("doctor")
    assert result.exit_code == 1
    assert "WRONG settings: DOSETWIN_PARTICLES='many'" in result.output


def test_an_old_python_is_named() -> None:
    (finding,) = check_python((3, 10))
    assert (finding.well, finding.mend) == (False, "use Python 3.11 or newer")
    assert next(check_python((3, 12))).well


def test_what_cannot_be_used_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Listed("model", "good_2031", "A good model", "dosetwin"),
        Listed("rule", "ward.fever", "", "ward-rules 1.0", "has no RULE", "write it"),
        Listed("feed", "ward", "A ward", "dosetwin"),
    ]
    monkeypatch.setattr("streams.commands.project.plugins.everything", lambda: found)
    good, broken = check_plugins()
    assert (good.well, good.subject, good.seen) == (True, "model good_2031", "A good model")
    assert (broken.subject, broken.seen, broken.mend) == (
        "rule ward.fever of ward-rules 1.0",
        "has no RULE",
        "write it",
    )


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("streams.commands.project.doctor.check_plugins", lambda: iter(()))
    result = run("doctor")
    for tool in ("java", "mvn", "go", "gcc", "pkg-config", "cargo"):
        assert f"WRONG {tool}: '{tool}' (" in result.output
    assert "apt-get install openjdk-17-jre-headless" in result.output


def test_topics_are_created_once_and_listed(kafka: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("topics", "list").exit_code == 1
    assert f"created: {named}twin.commands, " in run("topics", "create", "--partitions", "4").output
    assert run("topics", "create").output == "every topic was there\n"
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", "iomt.vitals=14")
    told = "kept as DOSETWIN_KEEP_TOPICS says from now on: iomt.vitals\n"
    assert [run("topics", "create").output.partition("\n")[2] for _ in range(2)] == [told, ""]
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", "vitals=14")
    refused = run("topics", "create")
    assert (refused.exit_code, "no topic is named 'vitals'; use one of" in refused.output) == (1, True)
    monkeypatch.delenv("DOSETWIN_KEEP_TOPICS")
    listed = run("topics", "list", "--kafka", kafka)
    assert listed.exit_code == 0
    assert listed.output.count(" 4\n") == len((*TOPICS, *AUDIT_TOPICS))


def test_topics_of_another_partition_count_are_refused(named: str) -> None:
    run("topics", "create", "--partitions", "2")
    result = run("topics", "create")
    assert result.exit_code == 1
    assert f"topics must all have 4 partitions, but {named}twin.commands has 2" in result.output


@pytest.mark.usefixtures("kafka", "influx")
def test_services_go_up_stay_and_go_down_again(tmp_path: Path) -> None:
    assert run("services", "status").exit_code == 1
    script = Path(sys.executable).with_name("dosetwin")
    kept = {**os.environ, "DOSETWIN_KEEP_BUCKETS": "dosetwin=400"}
    up = subprocess.run([script, "services", "up"], check=True, capture_output=True, text=True, env=kept)
    try:
        assert "bucket dosetwin keeps points 400 days from now on" in up.stdout
        result = run("services", "status", "--json")
        assert result.exit_code == 0
        assert [(found["name"], found["provider"]) for found in json.loads(result.output)] == [
            ("kafka", "local"),
            ("influx", "local"),
        ]
        assert (tmp_path / "influx" / "token").read_text() not in result.output
    finally:
        stopped = run("services", "down")
    assert stopped.output == "stopped: kafka, influx\n"
    assert run("services", "down").output == "no server was running\n"


def test_services_for_a_process_that_does_not_exist_are_refused() -> None:
    result = run("services", "up", "--only", "kafka", "--while-pid", "99999999")
    assert result.exit_code == 1
    assert "--while-pid 99999999: there is no such process" in result.output
