"""Dead letters are listed, and sent again when what they lacked is mended: once more changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli import app
from tests.streams.worker.stage import Stage, WorkerProcess, digest_of, enrolment, lab
from twin.events import encode


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["rejected", *arguments])


def test_letters_are_listed_and_their_records_sent_again_under_the_right_key(stage: Stage, tmp_path: Path) -> None:
    with WorkerProcess(stage, tmp_path / "log") as worker:
        stage.play([enrolment("A"), lab("A", 1)])
        stage.send("clinical.labs", "somebody-else", encode(lab("A", 2)))
        stage.send("clinical.labs", "A", b"{")
        stage.producer.flush()
        stage.wait_until_committed()
        before = digest_of(stage.rows()["A"])

        listed = run("list")
        assert listed.exit_code == 0, listed.output
        assert "wrong_key" in listed.stdout
        assert "malformed_json" in listed.stdout
        assert "1 wrong_key" in listed.stderr
        (letter,) = [json.loads(line) for line in run("list", "--reason", "wrong_key", "--json").stdout.splitlines()]
        assert letter["patient_id"] == "A"
        assert run("list", "--patient", "nobody").stderr == "nothing was rejected\n"

        again = run("resend", "--all")
        assert "1 of 2 sent again" in again.stdout
        assert "nobody can say which patient it is of" in again.stderr
        stage.wait_until_committed()
        told = digest_of(stage.rows()["A"])
        assert told != before

        assert "1 of 1 sent again" in run("resend", "--reason", "wrong_key").stdout
        stage.wait_until_committed()
        assert digest_of(stage.rows()["A"]) == told
        assert worker.stop() == 0


def test_whoever_sends_again_says_what() -> None:
    refused = run("resend")
    assert refused.exit_code == 2
    assert "--reason" in refused.stderr


@pytest.mark.parametrize("command", ["list", "resend"])
def test_without_a_broker_it_is_said_how_to_get_one(command: str) -> None:
    refused = run(command, "--patient", "A", "--kafka", "127.0.0.1:1")
    assert refused.exit_code == 1
    assert "no Kafka answers at 127.0.0.1:1" in refused.stderr


def test_a_time_without_an_offset_is_refused() -> None:
    assert run("list", "--since", "2026-01-05T08:00").exit_code == 2
