"""Plates of ways in: there while they run, left by those that were killed, and taken down by who follows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.listeners import doorplate as module
from connectors.listeners.doorplate import Plate, doorplate, plates

EAST = Plate("mllp", "127.0.0.1:2575", ("lab-east",), ("ward.pem",))


def killed(folder: Path, plate: Plate) -> None:
    """A way in was killed: its plate is still up, and nobody holds it."""
    with doorplate(folder, plate):
        ((path, said),) = [(path, path.read_text()) for path in folder.iterdir()]
    path.write_text(said)


def test_a_plate_is_there_while_its_way_in_runs(tmp_path: Path) -> None:
    assert plates(tmp_path) == []
    with doorplate(tmp_path, EAST), doorplate(tmp_path, Plate("http", "[::1]:8502", ("a/b", "c"))):
        assert plates(tmp_path) == [Plate("http", "[::1]:8502", ("a/b", "c")), EAST]
    assert plates(tmp_path) == []


def test_one_that_was_killed_leaves_it_and_who_follows_takes_it_down(tmp_path: Path) -> None:
    killed(tmp_path, EAST)
    (left,) = plates(tmp_path)
    assert (left.address, left.sources, left.held) == (EAST.address, EAST.sources, False)
    elsewhere = Plate("mllp", "127.0.0.1:2576", ("lab-east",))
    with doorplate(tmp_path, elsewhere):
        assert plates(tmp_path) == [elsewhere]


def test_the_same_way_in_does_not_run_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOLD_SECONDS", 0.1)
    with doorplate(tmp_path, EAST):
        with pytest.raises(OSError, match=r"mllp at 127\.0\.0\.1:2575 for lab-east runs already"):
            doorplate(tmp_path, EAST).__enter__()
        assert plates(tmp_path) == [EAST]


def test_what_is_no_plate_is_not_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "half.way-in").write_text("{")
    assert plates(tmp_path) == []
