"""A package installed beside dosetwin adds a rule, a feed, a sink and a model, and each does its work end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.plugins import install
from twin.modelfile.template import template

pytestmark = pytest.mark.slow

MODEL = "mydrug_kit2031"

RULE = '''
"""Something was measured at all."""
from twin.alerts.finding import Finding
from twin.alerts.settings import Threshold, stated
from twin.events import Subject

RULE = "kit.measured"
TITLE = "Measured"
SETTINGS = stated("minor", "delayed", {
    "raise_above": Threshold(0.5, "1", assumed="even"), "clear_below": Threshold(0.4, "1", assumed="less than even")
}, when_absent="hold")


def find(snapshot, settings_for):
    level = 0.0 if snapshot.last_observation_ms is None else 1.0
    return (Finding(RULE, Subject("patient", snapshot.patient_id), level, "low", "Something was measured."),)
'''

FEED = '''
"""A dose for everybody, then levels: hour and mg/L on each line."""
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Note, Stream, TimedEvent
from twin.events import DoseGiven, DrugLevel, Enrolment, Quantity, event_id, to_millis

START = datetime(2026, 1, 5, tzinfo=UTC)


def open_feed(
    file: Annotated[Path, "hour,level"],
    *,
    patient: Annotated[str, "whose levels they are"],
    dose: Annotated[float, "mg"] = 100.0,
) -> Stream:
    return Stream(said(file, patient, dose))


def said(file, patient, dose):
    def event(kind, hours, **rest):
        time = START + timedelta(hours=hours)
        envelope = {"event_id": event_id("kit", patient, kind.__name__, hours), "patient_id": patient, "source": "kit"}
        return TimedEvent(to_millis(time), kind(time=time, **envelope, **rest))

    yield Note(f"{patient} is fed")
    yield event(Enrolment, 0, model="mydrug_kit2031")
    yield event(DoseGiven, 1, drug="mydrug", route="iv", amount=Quantity(value=dose, unit="mg"))
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        hours, _, level = line.partition(",")
        try:
            value = Quantity(value=float(level), unit="mg/L")
            yield event(DrugLevel, float(hours), analyte="mydrug_plasma", value=value)
        except ValueError as error:
            yield BadLine(number, str(error), file)
'''

SINK = '''
"""Levels of drugs into a text file, a line each."""
from contextlib import contextmanager

from connectors.settings import PartSettings
from connectors.sinks.writer import BadItem
from connectors.kafka.records import event_of

SINK = "levels"
TOPICS = ("clinical.labs",)


class Settings(PartSettings, env_prefix="DOSETWIN_LEVELS_"):
    file: str = "levels.txt"


class LevelWriter:
    def __init__(self, file):
        self.file = file

    def items(self, record):
        event = event_of(record)
        return [f"{event.patient_id} {event.value.value:g}"]

    def kind(self, item):
        return ""

    def write(self, items):
        if any(item.endswith(" 13") for item in items):
            raise BadItem("13 is no lucky level")
        with open(self.file, "a", encoding="utf-8") as file:
            file.writelines(item + "\\n" for item in items)


@contextmanager
def open_writer(settings, surroundings):
    yield LevelWriter(settings.file)
'''

ENTRY_POINTS = {
    "dosetwin.rules": {"measured": "ward_kit.rule"},
    "dosetwin.feeds": {"levels": "ward_kit.feed"},
    "dosetwin.sinks": {"levels": "ward_kit.sink"},
    "dosetwin.models": {"kit": "ward_kit.models"},
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``pip install --target`` would have filled."""
    folder = tmp_path_factory.mktemp("site")
    files = {
        "ward_kit/__init__.py": "",
        "ward_kit/rule.py": RULE,
        "ward_kit/feed.py": FEED,
        "ward_kit/sink.py": SINK,
        f"ward_kit/models/{MODEL}.toml": template(MODEL),
    }
    install(folder, "ward-kit", files, ENTRY_POINTS, "1.2")
    return folder


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    file = tmp_path / "levels.csv"
    file.write_text("2,13\n4,1.5\n5,much\n8,1.25\n")
    return file


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from streams.cli import main; main()", *map(str, arguments)]


def with_package(package: Path, **variables: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    return os.environ | variables | {"PYTHONPATH": path}


def run(package: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=with_package(package), capture_output=True, text=True, timeout=240, check=False
    )


def test_all_that_the_package_adds_is_listed_with_where_it_is_from(package: Path) -> None:
    done = run(package, "plugins", "--json")
    assert done.returncode == 0, done.stderr
    added = [one for one in json.loads(done.stdout) if one["origin"] == "ward-kit 1.2"]
    assert {(one["kind"], one["name"], one["summary"]) for one in added} == {
        ("feed", "levels", "A dose for everybody, then levels: hour and mg/L on each line."),
        ("model", MODEL, "One compartment with first-order elimination: replace by what the paper is about"),
        ("rule", "kit.measured", "Something was measured at all."),
        ("sink", "levels", "Levels of drugs into a text file, a line each."),
    }


def test_its_feed_has_its_options_and_its_model_and_its_rule_work_in_a_replay(
    package: Path, levels: Path, tmp_path: Path
) -> None:
    told = run(package, "feed", "levels", "--help").stdout
    assert "--patient" in told
    assert "whose levels they are" in told
    events, out = tmp_path / "events.ndjson", tmp_path / "out"
    fed = run(package, "feed", "levels", levels, "--patient", "P-7", "--out", events)
    assert fed.returncode == 3, fed.stderr
    assert "P-7 is fed" in fed.stderr
    assert f"{levels}: line 3: could not convert string to float: 'much'" in fed.stderr
    replayed = run(package, "replay", events, "--out", out, "--particles", 60)
    assert replayed.returncode == 0, replayed.stderr
    alerts = [json.loads(line) for line in (out / "alerts.ndjson").read_text().splitlines()]
    assert [(alert["rule"], alert["phase"], alert["model"]) for alert in alerts if alert["rule"] == "kit.measured"] == [
        ("kit.measured", "start", MODEL)
    ]
    assert "estimates.ndjson" in {file.name for file in out.iterdir()}


def test_its_feed_reaches_the_topics_and_its_sink_writes_what_they_hold(
    package: Path, levels: Path, tmp_path: Path, kafka: str
) -> None:
    server = ("--kafka", kafka, "--prefix", f"plugins-{uuid.uuid4().hex[:8]}.")
    fed = run(package, "feed", "levels", levels, "--patient", "P-7", *server)
    assert fed.returncode == 3, fed.stderr
    written = tmp_path / "written.txt"
    with subprocess.Popen(
        command("sink", "levels", "--file", written, *server),
        env=with_package(package),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while lines_of(written) < 2 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            process.terminate()
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert written.read_text().splitlines() == ["P-7 1.5", "P-7 1.25"]
    assert json.loads(said.splitlines()[-1]) == {"events": 3, "items": 2, "refused": 1, "outages": 0}


def lines_of(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_without_the_package_nothing_of_it_is_left(tmp_path: Path) -> None:
    done = run(tmp_path, "plugins", "--json")
    assert done.returncode == 0
    assert "ward-kit" not in done.stdout
