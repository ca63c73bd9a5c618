"""``dosetwin pseudonyms``: a store, a change of its keys beside a real Kafka, and the way back to a number."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.facts.fact import Subject
from connectors.facts.patients import Pseudonyms
from connectors.feeds.messages import key_of_patients
from connectors.privacy.pseudonyms import PseudonymStore
from connectors.settings import SettingsError
from streams.cli import app
from streams.worker.rows.changelog import changelog_of
from streams.worker.rows.erased import erased_key, erased_row
from streams.worker.rows.state_row import MARK, StateRow, encode_row, mark_of
from tests.streams.worker.stage import Stage

SECRET = "a secret of the environment"


def pseudonyms(*words: str) -> Result:
    return CliRunner().invoke(app, ["pseudonyms", *words])


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    store, master = tmp_path / "pseudonyms", tmp_path / "apart" / "master.key"
    monkeypatch.setenv("DOSETWIN_PATIENT_KEY", SECRET)
    monkeypatch.setenv("DOSETWIN_PSEUDONYMS_STORE", str(store))
    monkeypatch.setenv("DOSETWIN_PSEUDONYMS_MASTER_FILE", str(master))
    return store, master


def store() -> PseudonymStore:
    found = key_of_patients()
    assert isinstance(found, PseudonymStore)
    return found


@pytest.mark.usefixtures("places")
def test_keys_are_changed_and_whoever_kafka_knows_or_has_erased_keeps_a_pseudonym(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(kafka)
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    made = pseudonyms("create")
    assert (made.exit_code, "which feeds need no more" in made.output, SECRET in made.output) == (0, True, False)
    monkeypatch.delenv("DOSETWIN_PATIENT_KEY")
    before = Pseudonyms(SECRET.encode())
    known, erased = (before.pseudonym(Subject(number, "EAST")) for number in ("11", "12"))
    row = encode_row(StateRow(known, "", "", (), 0, b"", (), (), False))
    rows = ((known.encode(), row), (erased_key(erased.encode()), erased_row()), (MARK, mark_of(1)))
    for key, value in rows:
        stage.producer.send(changelog_of(stage.settings), key=key, value=value).get(60)
    changed = pseudonyms("rotate")
    assert (changed.exit_code, "2 who have one keep it" in changed.output) == (0, True), changed.output
    assert [store().pseudonym("", "EAST", number) for number in ("11", "12")] == [known, erased]
    new = store().pseudonym("", "EAST", "13")
    assert new.startswith("p2-")
    shown = pseudonyms("show").output.splitlines()
    assert ([line.split(",")[0] for line in shown[:2]], shown[2]) == (["key 1", "key 2"], "3 numbers have a pseudonym")
    assert pseudonyms("whose", new).output == "13 of EAST\n"
    assert "its number was forgotten 20" in pseudonyms("forget", new).output
    gone = pseudonyms("whose", new)
    assert (gone.exit_code, "has forgotten it" in gone.output) == (1, True)
    stage.close()


def test_a_store_that_is_not_there_or_does_not_open_is_said_to_commands_and_feeds(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (["show"], ["rotate"], ["whose", "p"], ["forget", "p"]):
        refused = pseudonyms(*command)
        assert (refused.exit_code, "No such file or directory" in refused.output) == (1, True), refused.output
    with pytest.raises(SettingsError, match="No such file or directory"):
        key_of_patients()
    inside = pseudonyms("create", "--master-file", str(places[0] / "master.key"))
    assert (inside.exit_code, "lies in the store" in inside.output) == (1, True)
    for name in ("STORE", "MASTER_FILE"):
        monkeypatch.delenv(f"DOSETWIN_PSEUDONYMS_{name}")
    assert key_of_patients() == SECRET.encode()
    assert "'dosetwin pseudonyms create' makes a store" in pseudonyms("show").output
