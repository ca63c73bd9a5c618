"""What stands is listed, and what somebody does about it goes where the workers read it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.audit.keeping import ChainState, chain_state
from connectors.kafka.topics import ALERTS, COMMANDS
from streams.cli import app
from tests import factories as make
from tests.streams.worker.stage import Stage
from twin.events import AlertAction, AlertHandling, decode, encode


@pytest.fixture
def stage(kafka: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with contextlib.closing(Stage(kafka)) as stage:
        for name, value in stage.environment.items():
            monkeypatch.setenv(name, value)
        yield stage


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def _word(record: Any) -> AlertAction:
    word = decode(record.value)
    assert isinstance(word, AlertAction)
    return word


def test_an_alert_is_listed_and_handled_and_the_chain_kept(stage: Stage) -> None:
    stands, over = make.alert("P-1"), make.alert("P-2")
    ended = make.alert("P-2", make.at(3), phase="end", revision=1, onset=make.START)
    for alert in (stands, over, ended):
        stage.send(ALERTS, alert.patient_id, encode(alert)).get(60)
    assert json.loads(run("alert", "list", "--json").stdout)["alert_id"] == stands.alert_id
    assert "resolved" in run("alert", "list", "--all", "--patient", "P-2").output
    assert "no alert stands" in run("alert", "list", "--patient", "P-3").output

    by = ["--by", "nurse-7"]
    assert run("alert", "acknowledge", stands.alert_id[:12], *by).exit_code == 0
    shelve = ["alert", "shelve", stands.alert_id, *by, "--time", "2026-03-02T20:00Z", "--reason", "count at six"]
    assert run(*shelve, "--until", "2026-03-03T06:00Z").exit_code == 0
    early = run(*shelve, "--until", "2026-03-01T06:00Z")
    assert (early.exit_code, "is not after 'time'" in early.output) == (2, True)
    gone = run("alert", "comment", over.alert_id, *by, "--reason", "?")
    assert (gone.exit_code, "it is resolved since" in gone.output) == (2, True)

    nothing = run("alert", "retract", stands.alert_id, *by, "--reason", "?")
    assert (nothing.exit_code, "nothing was done about alert" in nothing.output) == (2, True)

    words = [decode(record.value) for record in stage.records(stage.prefix + COMMANDS)]
    assert [(word.action, word.alert_id, word.by) for word in words if isinstance(word, AlertAction)] == [
        ("acknowledge", stands.alert_id, "nurse-7"),
        ("shelve", stands.alert_id, "nurse-7"),
    ]

    done = AlertHandling("acknowledge", "nurse-7", make.at(3), "", "done 7")
    handled = make.alert("P-4", make.at(3), phase="end", handled=done)
    stage.send(ALERTS, "P-4", encode(handled)).get(60)
    assert run("alert", "retract", handled.alert_id, *by, "--reason", "another patient's").exit_code == 0
    (back,) = (one for one in map(_word, stage.records(stage.prefix + COMMANDS)) if one.patient_id == "P-4")
    assert (back.status, back.replaces, back.reason) == ("retracted", "done 7", "another patient's")

    untold = run("audit", "verify")
    assert (untold.exit_code, chain_state(stage.settings)) == (1, None), "nothing is told of yet"
    assert untold.output.count("is not told of") == 4
    told = run("audit", "run", "--once")
    assert (told.exit_code, "4 records told of" in told.output) == (0, True)
    assert "the chains hold" in run("audit", "verify").output
    assert chain_state(stage.settings) == ChainState(4, 0, ())
    stage.send(ALERTS, over.patient_id, encode(over)).get(60)
    assert chain_state(stage.settings) == ChainState(4, 1, ())
