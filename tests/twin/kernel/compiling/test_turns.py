"""What one process compiles another one waits for; what is compiled already nobody waits for."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from twin.kernel.cache import alone

WRITTEN = """
from twin.kernel.compiling.by_hand import compiled

@compiled
def doubled(x):
    return 2 * x
"""


def loaded(folder: Path) -> Any:
    """The function of a file as a new process would have it."""
    path = folder / "written_by_hand.py"
    if not path.exists():
        path.write_text(WRITTEN)
    spec = importlib.util.spec_from_file_location("written_by_hand", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.doubled


def test_a_function_written_by_hand_is_compiled_by_one_and_had_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, other = loaded(tmp_path), loaded(tmp_path)
    found: list[int] = []
    asking = threading.Thread(target=lambda: found.append(first(4)))
    with alone(first._cache._impl.filename_base):
        asking.start()
        asking.join(0.3)
        assert asking.is_alive(), "another one compiles it"
        assert found == []
    asking.join(60)
    assert found == [8]
    with alone(first._cache._impl.filename_base):
        assert other(4) == 8, "it is compiled already: there is nothing to wait for"
    assert sum(other.stats.cache_hits.values()) == 1
    assert list((tmp_path / "dosetwin" / "kernels").iterdir()) == []
