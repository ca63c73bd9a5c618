"""What is built once is kept, whole or not at all."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from connectors.services.cache import cached
from connectors.services.progress import CommandFailed


def test_the_cache_is_filled_once_by_whoever_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.7)
        (folder / "program").write_text("x")

    said: list[str] = []
    threads = [threading.Thread(target=cached, args=("thing-1", make, said.append)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert (tmp_path / "dosetwin" / "thing-1" / "program").read_text() == "x"
    assert "another process is preparing thing-1; waiting for it" in said


def test_a_build_that_failed_leaves_no_half_made_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise CommandFailed("no")

    with pytest.raises(CommandFailed):
        cached("thing-2", fail, print)
    assert sorted(path.name for path in (tmp_path / "dosetwin").iterdir()) == ["thing-2.lock"]
