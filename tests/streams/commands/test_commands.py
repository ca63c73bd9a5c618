"""Every command is found because it stands in its room, and asking for help imports nothing heavy."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import commands
from streams.terminal.version import version

HEAVY = {"faust", "influxdb_client", "kafka", "msgspec", "numba", "numpy", "pint", "pydantic", "starlette"}


def test_every_command_is_found_and_named_after_its_file() -> None:
    found = commands()
    assert found.broken == ()
    assert set(found.names) >= {"bench", "doctor", "feed", "models", "replay", "sink", "worker"}
    group = typer.main.get_command(app)
    assert sorted(getattr(group, "commands", {})) == list(found.names)


def every_command(command: Any, path: str = "dosetwin") -> Iterator[tuple[str, Any]]:
    """Each command with its path; those of plugins are looked up by name and left out."""
    yield path, command
    for name, each in sorted(getattr(command, "commands", {}).items()):
        yield from every_command(each, f"{path} {name}")


@functools.cache
def the_command() -> Any:
    return typer.main.get_command(app)


def accept(words: list[str]) -> None:
    """Read a command line as dosetwin does, and run nothing."""
    command = the_command()
    context = command.make_context("dosetwin", words.copy(), resilient_parsing=True)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        _, command, words = command.resolve_command(context, rest)
        context = command.make_context(command.name, words.copy(), parent=context)


def test_every_command_has_an_example_that_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOSETWIN_SIGNING_PASSPHRASE", "asked for where nobody gives it")
    lacking = []
    for path, command in every_command(the_command()):
        if not getattr(command, "commands", None) or path == "dosetwin":
            lines = [line for line in (command.epilog or "").split("\n\n") if line.startswith(path)]
            lacking += [] if lines else [path]
            for words in map(shlex.split, lines):
                for named in (word for word in words if re.fullmatch(r"[\w-]+\.[a-z]\w+", word)):
                    (tmp_path / named).touch()
                for named in (word for word in words if re.fullmatch(r"[\w-]+/", word)):
                    (tmp_path / named).mkdir(exist_ok=True)
                accept(words[1:])
    assert lacking == []


def test_an_example_that_is_not_taken_would_be_noticed() -> None:
    with pytest.raises(Exception, match="no-such"):
        accept(["worker", "--no-such"])


def test_the_version_and_completion_are_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"dosetwin {version()}\n"
    help_text = CliRunner().invoke(app, ["--help"]).output
    assert "--install-completion" in help_text


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["sink", "influks"], "'influx'"), (["feed", "wrd"], "'ward'"), (["wroker"], "'worker'"),
     (["models", "show", "docetaxel_ozawa"], "'docetaxel_ozawa2007'"),
     (["bench", "--only", "updat_ms"], "'update_ms'")],
)  # fmt: skip
def test_a_wrong_name_is_answered_with_the_nearest(words: list[str], hint: str) -> None:
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code != 0
    assert f"did you mean {hint}" in " ".join(outcome.output.replace("│", "").split()).replace("Did", "did")


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
