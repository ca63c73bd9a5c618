"""``dosetwin schema``: print, write or check the generated descriptions of the event vocabulary."""

from __future__ import annotations

from pathlib import Path

import typer


def schema(*, write: bool, check: bool, folder: Path) -> None:
    """Print the JSON Schema of every event, or keep the files below ``folder`` current.

    Exit code 1 when ``check`` finds a file that is not what the models say now, 2 when asked for both.
    """
    from connectors.schema import asyncapi

    if write and check:
        typer.echo("--write and --check exclude each other", err=True)
        raise typer.Exit(2)
    if write:
        for path in asyncapi.write(folder):
            typer.echo(f"wrote {path}")
    elif check:
        stale = asyncapi.stale(folder)
        for name in stale:
            typer.echo(f"{folder / name} is not current: run 'dosetwin schema --write'", err=True)
        if stale:
            raise typer.Exit(1)
        typer.echo(f"{len(asyncapi.documents())} generated files are current")
    else:
        typer.echo(asyncapi.documents()["schema/events.schema.json"], nl=False)
