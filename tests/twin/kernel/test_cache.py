from __future__ import annotations

from pathlib import Path

import pytest

from twin.kernel.cache import keep, place_of, recalled


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dosetwin" / "kernels"


def test_what_was_kept_is_recalled_and_nothing_else_lies_beside_it(shelf: Path) -> None:
    assert recalled("steps.json") is None
    assert keep("steps.json", "[1, 2]") == shelf / "steps.json"
    assert recalled("steps.json") == "[1, 2]"
    assert [path.name for path in shelf.iterdir()] == ["steps.json"]


def test_keeping_again_replaces_the_text() -> None:
    keep("steps.json", "old")
    keep("steps.json", "new µ")
    assert recalled("steps.json") == "new µ"


def test_the_folder_is_the_users_own_and_for_nobody_else(shelf: Path) -> None:
    assert place_of("anything").parent == shelf
    assert shelf.stat().st_mode & 0o077 == 0
