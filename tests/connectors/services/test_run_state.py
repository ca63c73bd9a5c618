"""Run state is its owner's alone, also where its folder or a file stood open before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from connectors.services.run_state import open_private, private_directory


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_stood_open_is_shut(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.mkdir()
    place.chmod(0o755)
    assert mode(private_directory(place)) == 0o700
    assert mode(private_directory(tmp_path / "new" / "state")) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_somebody_else_is_refused_with_the_mend(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(PermissionError, match=r"belongs to another user.*DOSETWIN_STATE_DIR"):
        private_directory(tmp_path)


def test_what_is_written_is_its_owners_alone_also_in_a_file_that_was_not(tmp_path: Path) -> None:
    file = tmp_path / "out.ndjson"
    file.write_text("of another time")
    file.chmod(0o644)
    with open_private(file) as out:
        out.write(b"{}")
    assert (mode(file), file.read_bytes()) == (0o600, b"{}")
    with open_private(Path(os.devnull)) as out:
        out.write(b"{}")
