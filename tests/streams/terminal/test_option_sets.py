"""Sets of options as one parameter."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer
from typer.testing import CliRunner

from streams.terminal.option_sets import with_sets


class Colours(NamedTuple):
    """A set."""

    front: Annotated[str, typer.Option(help="of letters")] = "black"
    back: Annotated[list[str] | None, typer.Option(help="behind them; repeatable")] = None


class Page(NamedTuple):
    """A set with one that has to be given, and a set in it."""

    name: Annotated[str, typer.Argument(help="of the page")]
    wide: Annotated[bool, typer.Option("--wide", help="two columns")] = False
    colours: Colours = Colours()


app = typer.Typer()


@app.command()
@with_sets
def show(times: Annotated[int, typer.Option(help="how often")] = 1, *, page: Page, last: str = "end") -> None:
    """Show a page."""
    typer.echo(f"{times} {page} {last}")


def said(*given: str) -> str:
    result = CliRunner().invoke(app, list(given))
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_the_options_of_a_set_arrive_as_one_value_with_its_defaults() -> None:
    assert said("A") == f"1 {Page('A')} end"
    assert said("A", "--front", "red", "--wide", "--last", "z") == f"1 {Page('A', True, Colours('red'))} z"
    assert said("--back", "a", "--back", "b", "A") == f"1 {Page('A', False, Colours('black', ['a', 'b']))} end"


def test_what_a_set_needs_is_asked_for_and_help_has_every_option_in_its_place() -> None:
    assert CliRunner().invoke(app, []).exit_code == 2
    text = said("--help")
    places = [text.index(option) for option in ("--times", "--wide", "--front", "--back", "--last")]
    assert places == sorted(places)
    assert "Show a page." in text
