"""The README keeps its word: its example runs, and the commands it names exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.listed import listed
from tests.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = "\n".join(block or span for block, span in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", README, re.DOTALL))
COMMANDS = sorted(
    set(re.findall(r"^dosetwin ((?:feed|sink|models|services|topics) [a-z]+|[a-z]+)\b", CODE, re.MULTILINE))
)


def test_the_first_python_example_runs_and_says_what_was_expected() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    done = subprocess.run([sys.executable, "-c", example[1]], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"expected \d+\.\d to \d+\.\d, observed 1\.1\n", done.stdout)


def test_the_readme_names_commands() -> None:
    assert {"replay", "worker", "console", "doctor", "sink influx", "feed nmtran"} <= set(COMMANDS)


def test_the_list_of_models_is_what_the_model_files_say() -> None:
    assert listed(README) == README, "renew it with 'python -m tests.listed'"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_named_exists(command: str) -> None:
    import typer

    from streams.cli import app

    found = typer.main.get_command(app)
    context = typer.Context(found)
    for word in command.split():
        inner = found.get_command(context, word) if hasattr(found, "get_command") else None
        assert inner is not None, f"README names 'dosetwin {command}', which does not exist"
        found = inner
