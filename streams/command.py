"""The ``dosetwin`` command: each subcommand lives in `streams.commands` and is imported only when it is called."""

from __future__ import annotations

import typer

app = typer.Typer(name="dosetwin", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Entry point of the ``dosetwin`` command."""
    app()
