from __future__ import annotations

from pathlib import Path

import pytest

from connectors.privacy.patient_keys import PatientKeys, create_store

MASTER = b"m" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a store of no keys, opened by `MASTER`."""
    create_store(tmp_path / "keys", MASTER)
    return tmp_path / "keys"


@pytest.fixture
def keys(folder: Path) -> PatientKeys:
    return PatientKeys(folder, MASTER)
