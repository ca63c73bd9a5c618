"""``dosetwin demo``: the main job on this machine, with a page to look at."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from streams.terminal.options import examples

app = typer.Typer()


@app.command(epilog=examples("dosetwin demo", "dosetwin demo --seconds 60 --patients 24"))
def demo(
    seconds: Annotated[
        float | None,
        typer.Option(min=1, envvar="DEMO_SECONDS", help="stop so long after the first event; else when interrupted"),
    ] = None,
    patients: Annotated[int, typer.Option(min=1, max=500, envvar="DEMO_PATIENTS", help="patients of the ward")] = 8,
    speed: Annotated[
        float, typer.Option(min=1, max=86400, envvar="DEMO_SPEED", help="simulated seconds per second")
    ] = 1800.0,
) -> None:
    """Run a simulated ward through Kafka, twins, InfluxDB and console; the last line is the run's figures as JSON."""
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import TopicError
    from connectors.services.launch import ServerFailed
    from connectors.services.progress import CommandFailed, say_on_stderr
    from connectors.services.run_state import state_directory
    from connectors.settings import SettingsError
    from streams.demo import Demo, DemoFailed, DemoOptions

    shown = sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or sys.platform == "darwin")
    options = DemoOptions(seconds, patients, speed, open_page=shown)
    try:
        figures = Demo(options, state_directory() / "demo", say_on_stderr).run()
    except (
        DemoFailed,
        ServerFailed,
        CommandFailed,
        SettingsError,
        KafkaUnreachable,
        TopicError,
        TimeoutError,
    ) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(figures))
