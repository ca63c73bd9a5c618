"""The package as a user meets it: quick to import, its names, its examples."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

import dosetwin


def test_importing_the_package_loads_neither_compiler_nor_frames_nor_figures() -> None:
    code = "import sys, dosetwin; print([m for m in ('numba', 'pandas', 'matplotlib', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    assert set(dir(dosetwin)) == set(dosetwin.__all__)
    for name in dosetwin.__all__:
        assert getattr(dosetwin, name) is not None


def test_another_name_is_told_from_those_that_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'fit'; it has .*estimate"):
        _ = dosetwin.fit


def test_all_of_it_is_typed() -> None:
    for package in ("dosetwin", "streams", "connectors", "twin"):
        assert (importlib.resources.files(package) / "py.typed").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    ["", "records", "estimation", "events", "models", "replaying", "simulating", "validating", "dosing"],
)
def test_the_examples_in_docstrings_run(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"dosetwin.{module}".rstrip(".")))
    assert (found.failed, found.attempted > 0) == (0, True)
