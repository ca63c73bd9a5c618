"""``dosetwin keys``: a store and its master key made, looked at, and given another master key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.privacy.patient_keys import patient_keys
from streams.cli import app


def keys(*words: str) -> Result:
    return CliRunner().invoke(app, ["keys", *words])


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    store, master = tmp_path / "keys", tmp_path / "apart" / "master.key"
    monkeypatch.setenv("DOSETWIN_KEYS_STORE", str(store))
    monkeypatch.setenv("DOSETWIN_KEYS_MASTER_FILE", str(master))
    return store, master


def test_a_store_from_its_making_to_another_master_key(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, master = places
    made = keys("create")
    assert (made.exit_code, stat.S_IMODE(master.stat().st_mode)) == (0, 0o600), made.output
    assert master.read_text().strip() not in made.output
    found = patient_keys()
    assert found is not None
    found.cipher_for("P-1")
    found.destroy("P-2")
    checked = keys("check")
    assert (checked.exit_code, checked.output.splitlines()[0]) == (0, "1 keys, 1 destroyed")
    changed = keys("change-master", "--new-master-file", str(tmp_path / "new.key"))
    assert changed.exit_code == 0, changed.output
    refused = keys("check")
    assert (refused.exit_code, "another master key opens this store" in refused.output) == (1, True)
    monkeypatch.setenv("DOSETWIN_KEYS_MASTER_FILE", str(tmp_path / "new.key"))
    assert keys("check").output == checked.output


def test_what_cannot_be_made_leaves_nothing_behind(places: tuple[Path, Path], tmp_path: Path) -> None:
    store, master = places
    inside = keys("create", "--master-file", str(store / "master.key"))
    assert (inside.exit_code, "lies in the store" in inside.output) == (1, True)
    assert not store.exists()
    store.mkdir()
    (store / "other").write_text("")
    refused = keys("create")
    assert (refused.exit_code, "is not empty" in refused.output, master.exists()) == (1, True, False)
    master.parent.mkdir(exist_ok=True)
    master.write_text("kept!")
    master.chmod(0o600)
    again = keys("create", "--store", str(tmp_path / "empty"))
    assert (again.exit_code, "is there already" in again.output, master.read_text()) == (1, True, "kept!")
    assert "is no base64" in keys("change-master", "--new-master-file", str(tmp_path / "new.key")).output


def test_without_a_store_check_says_how_one_is_made() -> None:
    found = keys("check")
    assert (found.exit_code, "'dosetwin keys create' makes a store" in found.output) == (1, True)
