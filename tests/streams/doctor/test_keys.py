"""What the doctor says of the patients' keys."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from connectors.privacy.master_key import new_master_key
from connectors.privacy.patient_keys import create_store
from streams.doctor.keys import check_keys


def test_a_store_is_told_whether_it_is_set_opens_or_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (unset,) = check_keys()
    assert (unset.well, "stored in clear" in unset.seen) == (True, True)
    monkeypatch.setenv("DOSETWIN_KEYS_STORE", str(tmp_path / "keys"))
    (wrong,) = check_keys()
    assert (wrong.well, "without its master key" in wrong.seen) == (False, True)
    text = new_master_key()
    monkeypatch.setenv("DOSETWIN_KEYS_MASTER", text)
    create_store(tmp_path / "keys", base64.b64decode(text))
    (well,) = check_keys()
    assert (well.well, well.seen) == (True, "the master key opens the store: 0 keys, 0 destroyed")
