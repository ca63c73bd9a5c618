"""Accounts of each role, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connectors.access.accounts import AccountsFile
from tests.connectors.access.keys import accounts_in


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accounts_in(tmp_path_factory.mktemp("accounts")).path


@pytest.fixture
def file(made: Path, tmp_path: Path) -> AccountsFile:
    return AccountsFile(Path(shutil.copy2(made, tmp_path / "accounts.json")))
