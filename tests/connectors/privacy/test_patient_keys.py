"""The store of patients' keys: one a patient however many ask, gone for good when destroyed, and no word of whom."""

from __future__ import annotations

import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.privacy.cipher import NotOpened
from connectors.privacy.master_key import KeysUnusable, new_master_key
from connectors.privacy.patient_keys import (
    KeyDestroyed,
    KeyMissing,
    PatientKeys,
    change_master,
    create_store,
    patient_keys,
)
from tests.connectors.privacy.conftest import MASTER


def test_each_patient_has_a_key_that_others_read_from_the_folder(keys: PatientKeys, folder: Path) -> None:
    hidden = keys.cipher_for("P-1").encrypted(b"row", b"facts")
    other = PatientKeys(folder, MASTER)
    assert other.cipher("P-1").opened(b"row", hidden) == b"facts"
    with pytest.raises(NotOpened):
        other.cipher_for("P-2").opened(b"row", hidden)
    with pytest.raises(KeyMissing, match="the patient's key is not in the store; put the file back"):
        other.cipher("P-3")
    assert keys.counted() == (2, 0)


def test_workers_that_meet_a_patient_at_once_go_on_with_one_key(folder: Path) -> None:
    stores = [PatientKeys(folder, MASTER) for _ in range(8)]
    for number in range(10):
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(lambda one, at=number: one.cipher_for(f"P-{at}").encrypted(b"r", b"f"), stores))
        assert len(found) == 1
    assert not list(folder.glob("patients/??/.*")), "nothing half made is left"


def test_a_destroyed_key_opens_nothing_and_is_never_made_again(keys: PatientKeys, folder: Path) -> None:
    (before,) = [keys.cipher_for("P-1").encrypted(b"row", b"facts")]
    (path,) = folder.glob("patients/??/*")
    wrapped = path.read_bytes()
    at = keys.destroy("P-1")
    for one in (keys, PatientKeys(folder, MASTER)):
        for asks in (one.cipher, one.cipher_for):
            with pytest.raises(KeyDestroyed, match="the patient's key was destroyed on 20"):
                asks("P-1")
    assert keys.destroy("P-1") == keys.destroyed("P-1") == at, "who destroys it again changes nothing"
    assert wrapped[4:] not in path.read_bytes()
    assert keys.destroyed("P-2") is None
    keys.destroy("P-2")
    with pytest.raises(KeyDestroyed):
        keys.cipher_for("P-2")
    assert keys.counted() == (0, 2)
    with pytest.raises(NotOpened):
        keys.cipher_for("P-3").opened(b"row", before)


def test_the_folder_tells_nobody_whose_keys_it_has_and_is_its_owners_alone(keys: PatientKeys, folder: Path) -> None:
    keys.cipher_for("P-0009")
    keys.destroy("P-0010")
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert "P-00" not in path.name
        assert not (path.is_file() and b"P-00" in path.read_bytes())


def test_another_master_key_opens_the_same_keys_and_the_old_one_none(keys: PatientKeys, folder: Path) -> None:
    hidden, signer = keys.cipher_for("P-1").encrypted(b"row", b"facts"), keys.signer().public_key()
    change_master(folder, MASTER, b"n" * 32)
    now = PatientKeys(folder, b"n" * 32)
    assert now.cipher("P-1").opened(b"row", hidden) == b"facts"
    assert now.signer().public_key() == signer
    with pytest.raises(KeysUnusable, match="another master key opens this store"):
        PatientKeys(folder, MASTER)
    with pytest.raises(KeysUnusable, match="another master key opens this store"):
        change_master(folder, MASTER, b"x" * 32)


def test_a_store_that_cannot_be_used_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match="is not empty; name a new folder"):
        create_store(folder, MASTER)
    with pytest.raises(KeysUnusable, match=r"has no store\.json; 'dosetwin keys create' makes a store"):
        PatientKeys(tmp_path / "none", MASTER)
    folder.chmod(0o750)
    with pytest.raises(KeysUnusable, match=r"may be read by others \(mode 750\).*chmod 700"):
        PatientKeys(folder, MASTER)
    folder.chmod(0o700)
    for text in ("{", "[]", '{"key": 3}', '{"key": "!"}', '{"key": ""}'):
        (folder / "store.json").write_text(text)
        with pytest.raises(KeysUnusable, match=r"store\.json is damaged|another master key"):
            PatientKeys(folder, MASTER)


def test_a_key_that_is_damaged_or_another_stores_is_not_taken(keys: PatientKeys, folder: Path, tmp_path: Path) -> None:
    keys.cipher_for("P-1")
    (path,) = folder.glob("patients/??/*")
    sound = path.read_bytes()
    for damaged in (sound[:-1], sound[:9], b"", sound[:-1] + bytes([sound[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(KeysUnusable, match="is damaged, or of another store; put it back"):
            PatientKeys(folder, MASTER).cipher("P-1")
    create_store(tmp_path / "other", MASTER)
    PatientKeys(tmp_path / "other", MASTER).cipher_for("P-2")
    (foreign,) = (tmp_path / "other").glob("patients/??/*")
    shutil.copy(foreign, path)
    with pytest.raises(KeysUnusable, match="is damaged, or of another store"):
        PatientKeys(folder, MASTER).cipher("P-1")


def test_a_store_that_cannot_be_written_says_so(keys: PatientKeys, folder: Path) -> None:
    (folder / "patients").rmdir()
    (folder / "patients").write_text("in the way")
    for asks in (keys.cipher_for, keys.destroy):
        with pytest.raises(KeysUnusable, match=r"store of keys .*Not a directory.*must be a folder"):
            asks("P-1")


def test_the_environment_names_the_store_or_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert patient_keys() is None
    monkeypatch.setenv("DOSETWIN_KEYS_MASTER", new_master_key())
    with pytest.raises(KeysUnusable, match="set without DOSETWIN_KEYS_STORE"):
        patient_keys()
    monkeypatch.setenv("DOSETWIN_KEYS_STORE", str(folder))
    with pytest.raises(KeysUnusable, match="another master key opens this store"):
        patient_keys()
