"""``dosetwin plugins``: every part that can be added, ours and of others, whose it is, and if it can be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from twin.registry import Found, Plugin

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


@app.command()
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
    for found in (_commands(), _feeds(), _output_kinds(), _rules(), _sinks()):
        yield from (_usable(plugin, plugin.summary) for plugin in found.plugins)
        yield from _broken(found)
    yield from _models()


def _models() -> Iterator[Listed]:
    """Models are read to the end: what is wrong with a file stands in the file."""
    from twin.modelfile import library

    for plugin in library.library().plugins:
        try:
            yield _usable(plugin, library.load_model(plugin.name).title)
        except (library.ModelError, OSError) as error:
            mend = f"correct the file, or get {plugin.origin} anew"
            yield Listed(plugin.kind, plugin.name, "", plugin.origin, str(error), mend)
    yield from _broken(library.library())


def _commands() -> Found[Any]:
    from streams.commands import commands

    return commands()


def _feeds() -> Found[Any]:
    from connectors.feeds import feeds

    return feeds()


def _output_kinds() -> Found[Any]:
    from twin.observation.kinds import kinds

    return kinds()


def _sinks() -> Found[Any]:
    from connectors.sinks import sinks

    return sinks()


def _rules() -> Found[Any]:
    from twin.alerts.rules import rules

    return rules()


def _usable(plugin: Plugin[Any], summary: str) -> Listed:
    # A command's docstring begins with how it is called.
    return Listed(plugin.kind, plugin.name, summary.rpartition("``: ")[2], plugin.origin)


def _broken(found: Found[Any]) -> Iterator[Listed]:
    return (Listed(one.kind, one.name, "", one.origin, one.reason, one.mend) for one in found.broken)


def _print(listed: list[Listed]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for head in ("kind", "name", "summary", "from", "state"):
        # Names must be copied whole; the rest may run over several lines.
        table.add_column(head, no_wrap=head in ("kind", "name"), overflow="fold")
    for one in listed:
        table.add_row(
            one.kind, one.name, one.summary, one.origin, f"{one.state}; {one.mend}" if one.mend else one.state
        )
    Console(markup=False, emoji=False, highlight=False).print(table)
