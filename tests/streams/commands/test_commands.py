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
