"""The ``dosetwin`` command, made of all that stands in the rooms of `streams.commands`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from streams.commands import commands
from streams.terminal.one_thread import by_one_thread
from streams.terminal.options import examples

app = typer.Typer(name="dosetwin", no_args_is_help=True, pretty_exceptions_enable=False)


def _say_version(asked: bool) -> None:
    if asked:
        from streams.terminal.version import version

        typer.echo(f"dosetwin {version()}")
        raise typer.Exit


@app.callback(
    epilog=examples("dosetwin demo", "dosetwin models list", "dosetwin doctor", "dosetwin --install-completion")
)
def dosetwin(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say which version this is")
    ] = False,
) -> None:
    """A streaming digital twin for every patient on chemotherapy: decision support for research."""


for _command in commands().plugins:
    app.add_typer(_command.offer)


def main() -> None:
    """Entry point of the ``dosetwin`` command."""
    os.umask(0o077)  # files are of patients: nobody else reads what a command or a server of ours writes
    by_one_thread()
    for broken in commands().broken:
        typer.echo(f"dosetwin: {broken}", err=True)
    app()
