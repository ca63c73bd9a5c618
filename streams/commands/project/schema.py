"""``dosetwin schema``: print, write or check the generated descriptions of the event vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.options import examples

app = typer.Typer()


@app.command(epilog=examples("dosetwin schema", "dosetwin schema --check"))
def schema(
    write: Annotated[bool, typer.Option("--write", help="renew the committed files")] = False,
    check: Annotated[bool, typer.Option("--check", help="fail when a committed file is not current")] = False,
    folder: Annotated[Path, typer.Option("--docs", help="documentation folder")] = Path("docs"),
) -> None:
    """Print the JSON Schema of every event; --write and --check are for the files in docs/.

    Exit code 1 when a file is not what the models say now, 2 when asked for both.
    """
    from connectors.schema import documents

    if write and check:
        typer.echo("--write and --check exclude each other", err=True)
        raise typer.Exit(2)
    if write:
        for path in documents.write(folder):
            typer.echo(f"wrote {path}")
    elif check:
        stale = documents.stale(folder)
        for name in stale:
            typer.echo(f"{folder / name} is not current: run 'dosetwin schema --write'", err=True)
        if stale:
            raise typer.Exit(1)
        typer.echo(f"{len(documents.documents())} generated files are current")
    else:
        typer.echo(documents.documents()["schema/events.schema.json"], nl=False)
