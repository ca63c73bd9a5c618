"""A group of commands that come from plugins, beside any of its own; they are looked for only when somebody asks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer
from typer.core import TyperGroup

from twin.registry import nearest

if TYPE_CHECKING:
    from typer._click.core import Command, Context

    from twin.registry import Found, Plugin

T = TypeVar("T")


def plugin_group(
    found: Callable[[], Found[T]], callback_of: Callable[[Plugin[T]], Callable[..., None]]
) -> type[TyperGroup]:
    """A group for `typer.Typer`'s ``cls``: a command for each plugin, with what ``callback_of`` makes of it.

    Its help is the callback's docstring. A plugin that cannot be used ends the command with the reason and code 1.
    """

    class PluginGroup(TyperGroup):
        def list_commands(self, ctx: Context) -> list[str]:
            return [*found().names, *super().list_commands(ctx)]

        def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
            plugin = found().named(cmd_name)
            if plugin is None:
                for broken in found().broken:
                    if broken.name == cmd_name:
                        typer.echo(f"dosetwin: {broken}", err=True)
                        raise typer.Exit(1)
                return super().get_command(ctx, cmd_name)
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(plugin.name)(callback_of(plugin))
            return typer.main.get_command(alone)

        def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
            if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
                ctx.fail(f"No such command '{args[0]}': {nearest(args[0], found().names)}")
            return super().resolve_command(ctx, args)

    return PluginGroup


def with_options(run: Callable[..., None], own: list[inspect.Parameter], says: str) -> Callable[..., None]:
    """``run`` as a function that typer can read: the plugin's ``own`` parameters, then the keywords that all share."""
    shared = [p for p in inspect.signature(run, eval_str=True).parameters.values() if p.kind is p.KEYWORD_ONLY]
    run.__signature__ = inspect.Signature(own + shared)  # type: ignore[attr-defined]
    run.__annotations__ = {}  # all of them stand in the signature
    run.__doc__ = says
    return run
