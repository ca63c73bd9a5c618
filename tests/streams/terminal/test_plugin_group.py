"""Commands that come from plugins: each has its own help, and one that cannot be used says why."""

from __future__ import annotations

from collections.abc import Callable

import typer
from typer.testing import CliRunner, Result

from streams.terminal.plugin_group import plugin_group
from twin.registry import BrokenPlugin, Found, Plugin

FOUND = Found(
    (Plugin("greeting", "hello", "Says hello.", "dosetwin", "hello"),),
    (BrokenPlugin("greeting", "ciao", "guest 1.0", "has no GREETING", "write it"),),
)


def callback_of(plugin: Plugin[str]) -> Callable[..., None]:
    def greet(times: int = 1) -> None:
        """Says hello, as often as is wanted."""
        typer.echo(" ".join([plugin.offer] * times))

    return greet


def run(*arguments: str) -> Result:
    app = typer.Typer(cls=plugin_group(lambda: FOUND, callback_of))
    app.callback()(lambda: None)
    return CliRunner().invoke(app, arguments)


def test_a_plugin_is_a_command_with_its_own_options_and_help() -> None:
    assert run("hello", "--times", "2").output == "hello hello\n"
    assert "Says hello, as often as is wanted." in run("--help").output
    assert "--times" in run("hello", "--help").output


def test_one_that_cannot_be_used_says_why_and_a_stranger_is_wrong_usage() -> None:
    broken = run("ciao")
    assert broken.exit_code == 1
    assert broken.output == "dosetwin: greeting ciao of guest 1.0: has no GREETING; write it\n"
    stranger = run("salut")
    assert stranger.exit_code == 2
    assert "guest" not in stranger.output
