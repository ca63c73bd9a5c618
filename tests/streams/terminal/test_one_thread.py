"""What a command computes, one thread computes, unless the environment says more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from streams.terminal.one_thread import ONE_THREAD, by_one_thread

COMMAND = """
import os, sys
from streams.cli import main
sys.argv = ["dosetwin", "--version"]
try:
    main()
finally:
    print(os.environ["OPENBLAS_NUM_THREADS"], "numpy" in sys.modules)
"""


def test_a_command_says_so_before_anything_numerical_is_loaded() -> None:
    without = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    done = subprocess.run([sys.executable, "-c", COMMAND], env=without, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 False"


def test_what_the_environment_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    by_one_thread()
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]) == ("4", "1")
