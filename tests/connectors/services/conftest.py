"""Every test has run state of its own, and no server is named by the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.services import down
from tests.connectors.services.processes import processes_of


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests start servers of their own, whatever the environment names."""
    for name in ("DOSETWIN_KAFKA", "DOSETWIN_INFLUX_URL", "DOSETWIN_INFLUX_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOSETWIN_SERVICES", "local")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Run state of a clone of this test's own; nothing runs in it afterwards."""
    yield tmp_path / "state"
    down(directory=tmp_path / "state")
    assert processes_of(tmp_path) == []
