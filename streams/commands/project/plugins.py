"""``dosetwin plugins``: every part that can be added, ours and of others, whose it is, and if it can be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.terminal.options import examples

if TYPE_CHECKING:
    from twin.registry import Found

app = typer.Typer()

OK = "ok"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the table. ``state`` is `OK`, or what is wrong; ``mend`` then says what to do about it."""

    kind: str
    name: str
    summary: str
    origin: str
    state: str = OK
    mend: str = ""


@app.command(epilog=examples("dosetwin plugins --json"))
def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON list")] = False,
) -> None:
    """List rules, feeds, sinks, models, output kinds and commands, ours and of others; 1 if one cannot be used."""
    import json

    listed = list(everything())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in listed]))
    else:
        _print(listed)
    if any(one.state != OK for one in listed):
        raise typer.Exit(1)


def everything() -> Iterator[Listed]:
    """All that was found, by kind and name; what cannot be used comes last of its kind."""
    for found in (_commands(), _feeds(), _models(), _output_kinds(), _rules(), _sinks()):
        for plugin in found.plugins:
            # A command's docstring begins with how it is called.
            yield Listed(plugin.kind, plugin.name, plugin.summary.rpartition("``: ")[2], plugin.origin)
        for broken in found.broken:
            yield Listed(broken.kind, broken.name, "", broken.origin, broken.reason, broken.mend)


def _commands() -> Found[Any]:
    from streams.commands import commands

    return commands()


def _feeds() -> Found[Any]:
    from connectors.feeds import feeds

    return feeds()


def _models() -> Found[Any]:
    from twin.modelfile.library import loaded_library

    return loaded_library()


def _output_kinds() -> Found[Any]:
    from twin.observation.kinds import kinds

    return kinds()


def _rules() -> Found[Any]:
    from twin.alerts.rules import rules

    return rules()


def _sinks() -> Found[Any]:
    from connectors.sinks import sinks

    return sinks()


def _print(listed: list[Listed]) -> None:
    """A table a kind, so that long names of one leave the others their room."""
    from itertools import groupby

    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False, highlight=False)
    for kind, ones in groupby(listed, key=lambda one: one.kind):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(kind, no_wrap=True)  # names must be copied whole
        table.add_column("from", no_wrap=True)
        table.add_column("what it is", overflow="fold", ratio=1)
        for one in ones:
            what = one.summary if one.state == OK else f"cannot be used: {one.state}; {one.mend}"
            table.add_row(one.name, one.origin, what)
        console.print(table)
