"""The ``dosetwin`` command: each subcommand lives in `streams.commands` and is imported only when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands import (
    bench,
    console,
    demo,
    estimate,
    feed,
    models,
    replay,
    services,
    sink,
    topics,
    validate,
    worker,
)

app = typer.Typer(name="dosetwin", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


app.add_typer(feed.app, name="feed")
app.add_typer(models.app, name="models")
app.add_typer(services.app, name="services")
app.add_typer(sink.app, name="sink")
app.add_typer(topics.app, name="topics")


app.command()(bench.bench)
app.command()(console.console)
app.command()(demo.demo)
app.command()(estimate.estimate)
app.command()(replay.replay)
app.command()(validate.validate)
app.command()(worker.worker)


@app.command()
def doctor() -> None:
    """Check Python, servers, topics and models; say what is wrong and how to mend it."""
    from streams.commands.doctor import doctor as examine

    examine()


@app.command()
def schema(
    write: Annotated[bool, typer.Option("--write", help="renew the committed files")] = False,
    check: Annotated[bool, typer.Option("--check", help="fail when a committed file is not current")] = False,
    folder: Annotated[Path, typer.Option("--docs", help="documentation folder")] = Path("docs"),
) -> None:
    """Print the JSON Schema of every event; --write and --check are for the files in docs/."""
    from streams.commands.schema import schema as describe

    describe(write=write, check=check, folder=folder)


def main() -> None:
    """Entry point of the ``dosetwin`` command."""
    app()
