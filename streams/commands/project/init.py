"""``dosetwin init``: a folder with a ready configuration for a ward."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.options import examples

app = typer.Typer()


@app.command(
    epilog=examples(
        "dosetwin init haematology-3",
        "dosetwin init day-clinic --zone Europe/Berlin --model fluorouracil_yamada2025 --workers 1",
    )
)
def init(
    ward: Annotated[str, typer.Argument(help="name of the ward: lower-case letters, digits, hyphens")],
    folder: Annotated[Path | None, typer.Option(help="new or empty folder; the ward's name here when not said")] = None,
    zone: Annotated[str, typer.Option(help="time zone of what its devices and laboratory say")] = "UTC",
    model: Annotated[
        list[str] | None, typer.Option(help="model that workers have ready when they start; repeatable")
    ] = None,
    workers: Annotated[int, typer.Option(help="workers that share its patients")] = 3,
    partitions: Annotated[int, typer.Option(help="of every topic; they can never be changed")] = 12,
) -> None:
    """Write settings, secrets, thresholds, a source, containers and dashboards for a ward; nothing is overwritten.

    Exit code 2 names what cannot be so, or what is there already.
    """
    from streams.installation.folder import Ward, WardError, write

    target = folder if folder is not None else Path(ward)
    try:
        given = Ward(ward, zone, tuple(model), workers, partitions) if model else None
        written = write(given or Ward(ward, zone, workers=workers, partitions=partitions), target)
    except (WardError, OSError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(2) from None
    for path in written:
        if path.parent == target or path.parent.name == "sources":
            typer.echo(path)
    typer.echo(f"{len(written)} files; {target / 'README.md'} says how to start", err=True)
