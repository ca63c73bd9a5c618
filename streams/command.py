"""The ``dosetwin`` command: each subcommand lives in `streams.commands` and is imported only when it is called."""

from __future__ import annotations

import typer

from streams.commands import services, topics

app = typer.Typer(name="dosetwin", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


app.add_typer(services.app, name="services")
app.add_typer(topics.app, name="topics")


@app.command()
def doctor() -> None:
    """Check Python, servers, topics and models; say what is wrong and how to mend it."""
    from streams.commands.doctor import doctor as examine

    examine()


def main() -> None:
    """Entry point of the ``dosetwin`` command."""
    app()
