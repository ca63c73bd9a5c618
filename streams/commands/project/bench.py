"""``dosetwin bench``: measure speed and size on this machine. Nothing is judged, whatever is found."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.terminal.options import examples

app = typer.Typer()


@app.command(epilog=examples("dosetwin bench --quick", "dosetwin bench --only update_ms --json"))
def bench(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, the last line on stdout")] = False,
    only: Annotated[str, typer.Option(help="figures to measure, as NAME,NAME; by default all")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="small clouds, short courses, few patients: to see that it runs")
    ] = False,
) -> None:
    """Measure kernel, twin and stream; progress is on stderr. A full run takes about ten minutes of a quiet machine."""
    import json

    from connectors.services.launch import ServerFailed
    from connectors.services.progress import CommandFailed, say_on_stderr
    from streams.bench.figures import FULL, QUICK, UnknownFigure, measure
    from streams.bench.reach import table
    from streams.bench.stream import BenchmarkFailed

    names = [name.strip() for name in only.split(",") if name.strip()]
    try:
        found = measure(QUICK if quick else FULL, names, say_on_stderr)
    except UnknownFigure as error:
        typer.echo(f"dosetwin: --only: {error}", err=True)
        raise typer.Exit(2) from None
    except (ServerFailed, CommandFailed, BenchmarkFailed) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"quick": True, **found} if quick else found))
    else:
        typer.echo(table(found))
