"""The ``dosetwin`` command, made of all that stands in the rooms of `streams.commands`."""

from __future__ import annotations

import os

import typer

from streams.commands import commands

app = typer.Typer(name="dosetwin", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

for _command in commands().plugins:
    app.add_typer(_command.offer)


def main() -> None:
    """Entry point of the ``dosetwin`` command."""
    os.umask(0o077)  # files are of patients: nobody else reads what a command or a server of ours writes
    for broken in commands().broken:
        typer.echo(f"dosetwin: {broken}", err=True)
    app()
