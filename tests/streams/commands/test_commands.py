"""Every command is found because it stands in its room, and asking for help imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import typer

from streams.cli import app
from streams.commands import commands

HEAVY = {"faust", "influxdb_client", "kafka", "msgspec", "numba", "numpy", "pint", "pydantic", "starlette"}


def test_every_command_is_found_and_named_after_its_file() -> None:
    found = commands()
    assert found.broken == ()
    assert set(found.names) >= {"bench", "doctor", "feed", "models", "replay", "sink", "worker"}
    group = typer.main.get_command(app)
    assert sorted(getattr(group, "commands", {})) == list(found.names)


def test_help_imports_nothing_heavy() -> None:
    said = "import sys; from streams.cli import app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.split()) & HEAVY == set()
    assert "importlib.metadata" not in done.stdout.split()


def test_a_command_that_cannot_be_imported_is_named_and_the_others_work() -> None:
    broken = """
import sys
sys.modules["streams.commands.project.schema"] = None
from streams.cli import main
sys.argv = ["dosetwin", "doctor", "--help"]
main()
"""
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith("dosetwin: command schema of dosetwin: cannot be imported (")
    assert "Check Python" in done.stdout
