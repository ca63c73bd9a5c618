"""The cache folder keeps what was made, gives it back unchanged or not at all, and is nobody else's."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from twin.kernel.cache import CacheError, alone, folder, keep, keep_text, recalled

HOLDS = """
import sys, time
from twin.kernel.cache import alone
with alone("steps"):
    print("holds", flush=True)
    time.sleep(float(sys.argv[1]))
"""


def held(seconds: float) -> subprocess.Popen[str]:
    """Another process that makes something for so long."""
    other = subprocess.Popen([sys.executable, "-c", HOLDS, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "holds\n"
    return other


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dosetwin" / "kernels"


def test_what_was_kept_is_recalled_and_nothing_else_lies_beside_it(shelf: Path) -> None:
    assert recalled("steps.json", b"model") is None
    assert keep("steps.json", b"model", b"[1, 2]") == shelf / "steps.json"
    assert recalled("steps.json", b"model") == b"[1, 2]"
    assert [path.name for path in shelf.iterdir()] == ["steps.json"]


def test_keeping_again_replaces_the_content() -> None:
    keep("steps.json", b"model", b"old")
    keep("steps.json", b"model", b"new")
    assert recalled("steps.json", b"model") == b"new"


def test_a_changed_byte_another_name_or_another_origin_is_as_good_as_nothing(shelf: Path) -> None:
    path = keep("steps.json", b"model", b"[1, 2]")
    assert recalled("steps.json", b"another model") is None
    (shelf / "other.json").write_bytes(path.read_bytes())
    assert recalled("other.json", b"model") is None
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert recalled("steps.json", b"model") is None
    path.write_bytes(b"")
    assert recalled("steps.json", b"model") is None


def test_a_text_for_people_is_written_where_it_is_missing_or_was_changed() -> None:
    path = keep_text("kernel.py", "x = 1\n")
    first = path.stat().st_mtime_ns
    assert keep_text("kernel.py", "x = 1\n").stat().st_mtime_ns == first
    path.write_text("x = 2\n")
    assert keep_text("kernel.py", "x = 1\n").read_text() == "x = 1\n"


def test_the_folder_is_the_users_own_and_for_nobody_else(shelf: Path) -> None:
    before = os.umask(0o002)
    try:
        assert folder() == shelf
    finally:
        os.umask(before)
    assert shelf.stat().st_mode & 0o077 == 0
    assert shelf.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_folder_that_others_may_write_to_is_refused_with_the_mend(shelf: Path, mode: int) -> None:
    keep("steps.json", b"model", b"[1, 2]")
    shelf.chmod(mode)
    for used in (folder, lambda: recalled("steps.json", b"model"), lambda: keep("steps.json", b"model", b"[]")):
        with pytest.raises(CacheError, match=rf"by others \(mode {mode:04o}\).*; chmod 700 .*kernels, or"):
            used()
    shelf.chmod(0o700)
    shelf.parent.chmod(0o777)
    with pytest.raises(CacheError, match=r"dosetwin: may be written by others \(mode 0777\)"):
        folder()


def test_where_nothing_can_be_written_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    keep_text("source.py", "pass\n")
    keep("steps.json", b"model", b"[]")
    assert recalled("steps.json", b"model") is None


def test_a_disk_that_fills_up_keeps_no_half_file(shelf: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    keep("steps.json", b"model", b"old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        keep("steps.json", b"model", bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert recalled("steps.json", b"model") == b"old"
    assert [path.name for path in shelf.iterdir()] == ["steps.json"]


def test_a_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    folder()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(CacheError, match=rf"belongs to user {me}, not to {me + 1}, .*; delete it, or name"):
        folder()


def test_a_link_to_another_folder_is_refused(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    shelf.parent.mkdir()
    shelf.symlink_to(tmp_path / "theirs")
    with pytest.raises(CacheError, match="is no folder of its own"):
        folder()


def test_what_another_process_makes_is_waited_for(shelf: Path) -> None:
    with held(0.3) as other, alone("steps"):
        assert other.wait(30) == 0
    assert list(shelf.iterdir()) == [], "no lock is left"


def test_one_who_dies_lets_the_next_one_in_at_once(shelf: Path) -> None:
    with held(3600.0) as other:
        threading.Timer(0.2, other.kill).start()
        with alone("steps", patience_s=3600.0):
            assert other.wait(30) < 0
    assert list(shelf.iterdir()) == []


def test_who_is_waited_for_too_long_and_what_is_made_of_another_name_hold_nobody_up() -> None:
    with held(3600.0) as other:
        with alone("others", patience_s=3600.0), alone("steps", patience_s=0.1):
            assert other.poll() is None
        other.kill()


def test_where_there_is_no_lock_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    with alone("steps"):
        assert recalled("steps.json", b"model") is None


def test_an_error_while_it_is_made_is_passed_on_and_lets_others_in(shelf: Path) -> None:
    with pytest.raises(ZeroDivisionError), alone("steps"):
        raise ZeroDivisionError
    with alone("steps", patience_s=3600.0):
        pass
    assert list(shelf.iterdir()) == []
