"""The commands of ``dosetwin``: one file each in the rooms here, found because they stand there.

A command is a module with ``app``, a Typer of one command or, under a name, of several. In come arguments. Out go exit
codes, results on stdout and all else on stderr; heavy imports stay inside the functions, so that help is quick.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from twin.registry import Found, attribute, discover, modules_of

if TYPE_CHECKING:
    import typer


@functools.cache
def commands() -> Found[typer.Typer]:
    """Every command, and what cannot be used of them."""
    return discover("command", _app, rooms=modules_of(__name__))


def _app(offered: object) -> typer.Typer:
    import typer

    return attribute(offered, "app", typer.Typer, "write app = typer.Typer()")
