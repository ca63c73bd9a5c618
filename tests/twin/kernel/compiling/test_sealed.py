"""Compiled code is used again only as it was compiled, and only for the source that it was compiled from."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.twin import toys
from twin.kernel import kernel as compiler
from twin.kernel.cache import CacheError
from twin.kernel.kernel import Kernel, compile_model
from twin.solver.linear_system import individual_parameters


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for held in ("_KERNELS", "_MODULES"):
        monkeypatch.setattr(compiler, held, {})
    return tmp_path / "dosetwin" / "kernels"


def used() -> Kernel:
    """The bolus toy as a new process would have it, its parameters computed."""
    compiler._KERNELS.clear()
    compiler._MODULES.clear()
    kernel = compile_model(toys.bolus())
    assert np.allclose(individual_parameters(kernel, np.zeros((3, 2)), np.empty(0)), [5.0, 20.0])
    return kernel


def hits(kernel: Kernel) -> int:
    return int(sum(kernel.individual.stats.cache_hits.values()))  # type: ignore[attr-defined]


ASKS = """
import sys
import numba
import numpy as np
from numba.core import event
from tests.twin import toys
from twin.kernel.kernel import compile_model
from twin.solver.linear_system import individual_parameters

class Begun(event.Listener):
    def on_start(self, begun):
        if begun.data["dispatcher"].py_func.__name__ == "individual":
            print("compiles", flush=True)
            sys.stdin.readline()
    def on_end(self, ended):
        pass

numba.njit(lambda x: x)(1.0)  # the compiler's own start
print("asks", flush=True)
with event.install_listener("numba:compile", Begun()):
    kernel = compile_model(toys.bolus())
individual_parameters(kernel, np.zeros((3, 2)), np.empty(0))
print(sum(kernel.individual.stats.cache_hits.values()))
"""
"""The bolus toy in a process that says when it asks for it, and when it compiles the first function, and waits then."""


class _Trap:
    """What a pickle that was put in the place of compiled code would do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch DOSETWIN_CANARY",)


def test_compiled_code_is_used_again(shelf: Path) -> None:
    assert [hits(used()), hits(used())] == [0, 1]
    assert {path.suffix for path in shelf.iterdir()} == {".py", ".nbi", ".nbc"}


@pytest.mark.slow
def test_two_processes_that_ask_at_once_compile_it_once(shelf: Path) -> None:
    def asking() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", ASKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def said(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline()

    with asking() as first:
        assert [said(first), said(first)] == ["asks\n", "compiles\n"]
        with asking() as second:
            assert said(second) == "asks\n"
            with pytest.raises(subprocess.TimeoutExpired):
                second.communicate("\n", timeout=3)
            assert first.communicate("\n", timeout=60)[0] == "0\n"
            assert second.communicate(timeout=60)[0] == "1\n", "it compiles nothing"
    assert {path.suffix for path in shelf.iterdir()} == {".py", ".nbi", ".nbc"}


def test_an_edited_kernel_is_never_run_and_is_put_right(shelf: Path) -> None:
    used()
    (path,) = shelf.glob("individual_*.py")
    whole = path.read_text()
    path.write_text(whole.replace("5.0 * math.exp", "2.5 * math.exp"))
    assert path.read_text() != whole
    used()
    assert path.read_text() == whole


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_changed_byte_of_compiled_code_is_compiled_anew(shelf: Path, suffix: str) -> None:
    used()
    (path,) = shelf.glob(f"*individual*{suffix}")
    whole = path.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert hits(used()) == 0
    assert hits(used()) == 1


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_what_stands_in_the_place_of_compiled_code_is_not_unpickled(
    shelf: Path, suffix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    used()
    monkeypatch.chdir(tmp_path)
    (path,) = shelf.glob(f"*individual*{suffix}")
    path.write_bytes(pickle.dumps(_Trap()))
    assert hits(used()) == 0
    path.write_bytes(path.read_bytes()[:32] + pickle.dumps(_Trap()))
    assert hits(used()) == 0
    assert not (tmp_path / "DOSETWIN_CANARY").exists()


@pytest.mark.slow
def test_no_kernel_comes_from_a_folder_that_others_may_write_to(shelf: Path) -> None:
    used()
    shelf.chmod(0o777)
    with pytest.raises(CacheError, match="chmod 700"):
        used()
