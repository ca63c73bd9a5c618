"""``dosetwin explain``: an alert of a record or of the topics explained, and what cannot be is said in one line."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.kafka.topics import ALERTS
from streams.commands.bedside.explain import app
from tests.streams.worker.stage import Stage
from tests.twin.bedside import count, dose
from tests.twin.dosing.test_live import EVENTS as ADVISED
from tests.twin.dosing.test_live import PROTOCOL
from twin import PatientTwin, load_model
from twin.dosing.live import LiveAdviser
from twin.dosing.protocol import load_protocol
from twin.events import Alert, InputEvent, encode

MODEL = ["--model", "docetaxel_ozawa2007", "--particles", "100"]
EVENTS: tuple[InputEvent, ...] = (
    dose(0, 160.0, 1.0, drug="docetaxel"),
    count(96, 2.5, analyte="neutrophils"),
    count(144, 0.6, analyte="neutrophils"),
)


@pytest.fixture(scope="module")
def alert() -> Alert:
    found = PatientTwin("P-1", load_model("docetaxel_ozawa2007"), 100).observe(EVENTS)
    return next(one for one in found.outputs if isinstance(one, Alert))


@pytest.fixture
def record(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(encode(event) + b"\n" for event in EVENTS))
    return file


@pytest.mark.slow
def test_an_alert_of_a_record_is_explained_as_json(alert: Alert, record: Path) -> None:
    values = json.loads(CliRunner().invoke(app, [alert.alert_id, str(record), *MODEL, "--json"]).stdout)
    assert values["alert"]["alert_id"] == alert.alert_id
    assert values["before"]["level"] < values["after"]["level"]
    assert not values["record_moved"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "no alert whose id begins with 'nobody' follows from these files; there are"),
        (["nobody", "--patient", "P-9"], "the files hold nothing of this patient"),
        (["", "--revision", "99"], "--revision 99: of alert"),
        (["", "--rules", "none.toml"], "does not exist"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line(record: Path, arguments: list[str], said: str) -> None:
    found = CliRunner().invoke(app, [arguments[0], str(record), *MODEL, *arguments[1:]])
    assert found.exit_code == 2
    assert said in " ".join(found.stderr.split())


def test_an_alert_of_the_topics_is_explained_and_whose_it_is_not_is_said(
    kafka: str, monkeypatch: pytest.MonkeyPatch, alert: Alert
) -> None:
    with contextlib.closing(Stage(kafka)) as stage:
        for name, value in stage.environment.items():
            monkeypatch.setenv(name, value)
        stage.send(ALERTS, "P-1", encode(alert)).get(60)
        words = [alert.alert_id[:12], "--particles", "100"]
        assert "the input topics hold nothing of patient P-1" in CliRunner().invoke(app, words).stderr
        for event in EVENTS:
            stage.send(event.sent_on.name, "P-1", encode(event)).get(60)
        stage.send(EVENTS[0].sent_on.name, "P-1", b"no event").get(60)
        said = CliRunner().invoke(app, words)
        assert said.exit_code == 0, said.output
        for text in ("believed without lab_result 'count 144'", "believed with it", "neutrophils were at least"):
            assert text in said.stdout
        assert "is of patient P-1" in CliRunner().invoke(app, [*words, "--patient", "P-2"]).stderr
        assert "no alert whose id begins with 'nobody' was told" in CliRunner().invoke(app, ["nobody"]).stderr


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Alert, list[str]]:
    """An alert that another dose is advised, and the arguments that name its record."""
    folder = tmp_path_factory.mktemp("advised")
    file, allowed = folder / "events.ndjson", folder / "ward.toml"
    file.write_bytes(b"".join(encode(event) + b"\n" for event in ADVISED[:5]))
    allowed.write_text(PROTOCOL)
    adviser = LiveAdviser([load_protocol(allowed)])
    found = PatientTwin("P-1", load_model("docetaxel_ozawa2007"), 50, adviser=adviser).observe(ADVISED[:5])
    alert = next(one for one in found.outputs if isinstance(one, Alert) and one.rule == "dose.advice_changed")
    return alert, [str(file), "--model", "docetaxel_ozawa2007", "--particles", "50", "--json"]


def test_an_alert_of_advice_is_folded_again_with_the_protocols_of_the_ward(
    advised: tuple[Alert, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    alert, named = advised
    protocols = str(Path(named[0]).with_name("ward.toml"))
    said = CliRunner().invoke(app, [alert.alert_id, *named, "--protocols", protocols])
    assert said.exit_code == 0, said.output
    values = json.loads(said.stdout)
    assert values["alert"]["rule"] == "dose.advice_changed"
    assert values["after"]["level"] == alert.evidence.level  # type: ignore[union-attr]
    assert not values["record_moved"]
    monkeypatch.setenv("DOSETWIN_PROTOCOLS", str(Path(protocols).parent))
    assert json.loads(CliRunner().invoke(app, [alert.alert_id, *named]).stdout) == values


@pytest.mark.parametrize(
    ("text", "said"), [(None, "the folder holds no .toml file"), ("id = 3", "other.toml"), (PROTOCOL, "two protocols")]
)
def test_protocols_that_cannot_be_used_are_named(record: Path, tmp_path: Path, text: str | None, said: str) -> None:
    folder = tmp_path / "protocols"
    folder.mkdir()
    for name in () if text is None else ("other.toml", "ward.toml"):
        (folder / name).write_text(text or "")
    found = CliRunner().invoke(app, ["", str(record), *MODEL, "--protocols", str(folder)])
    assert found.exit_code == 2
    assert said in " ".join(found.stderr.split())
