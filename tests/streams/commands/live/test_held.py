"""What the workers' rows hold is listed, and a release goes where the workers read it."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from connectors.kafka.topics import COMMANDS, home_partition
from streams.cli import app
from streams.worker.rows.changelog import changelog_of
from streams.worker.rows.erased import erased_key, erased_row
from streams.worker.rows.state_row import MARK, mark_of, of_term
from tests.streams.worker.rows.test_held_events import KNOWN, OLD, row_of
from tests.streams.worker.stage import Stage
from tests.twin.bedside import PATIENT
from twin.events import Release, decode


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["held", *arguments])


def write(stage: Stage, key: bytes, row: bytes) -> None:
    number = home_partition(PATIENT.encode(), stage.partitions)
    stage.producer.send(changelog_of(stage.settings), partition=number, key=key, value=row).get(60)


def test_what_the_newest_holders_row_holds_is_listed_and_released(stage: Stage) -> None:
    assert "nothing is held" in run("list").output
    write(stage, MARK, mark_of(2))
    holding = row_of([*KNOWN, OLD])
    write(stage, PATIENT.encode(), of_term(holding, 2))
    write(stage, PATIENT.encode(), of_term(row_of(KNOWN), 1))  # of a worker that had lost the partition
    said = run("list").output
    assert f"{PATIENT}  {OLD.time.isoformat()}  dose_given  {OLD.event_id}" in said
    assert "1 held" in said
    assert "nothing is held" in run("list", "--patient", "B").output
    found = json.loads(run("list", "--json").stdout)

    released = run("release", found["patient_id"], found["event_id"])
    assert released.exit_code == 0, released.output
    (record,) = stage.records(stage.prefix + COMMANDS)
    word = decode(record.value)
    assert isinstance(word, Release)
    assert (record.key, word.events) == (PATIENT.encode(), (OLD.event_id,))
    write(stage, PATIENT.encode(), of_term(row_of([*KNOWN, OLD, word]), 2))
    assert "nothing is held" in run("list").output

    write(stage, PATIENT.encode(), of_term(holding, 2)[:-1])
    damaged = run("list")
    assert damaged.exit_code == 1
    assert f"dosetwin patient repair {PATIENT}" in damaged.output

    write(stage, erased_key(PATIENT.encode()), of_term(erased_row(), 2))
    gone = run("list")
    assert gone.exit_code == 0
    assert "nothing is held" in gone.output


def test_a_release_without_anything_to_release_says_what_to_name() -> None:
    result = run("release", PATIENT)
    assert result.exit_code == 2
    assert "either 'events' or a time" in result.output
