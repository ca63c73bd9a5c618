"""Ways in: files, formats and a simulated ward, one file or folder each.

In come bytes of an outside source. Out go typed events, and lines that cannot be read with the reason why.

A feed is a module or folder that stands here (``apple_health`` is ``dosetwin feed apple-health``), or a module that a
package names in the entry point group ``dosetwin.feeds``. The first line of its docstring says what it brings, and its
function ``open_feed`` brings it:

    def open_feed(
        file: Annotated[Path, "one message a line"],
        *,
        site: Annotated[str, "prefix of every patient's id"] = "",
    ) -> Stream: ...

Its parameters are the arguments of ``dosetwin feed NAME``, each with its type, default and a word of help; those before
the ``*`` have no option name, and a path among them is a file that must exist, or a folder where `OR_FOLDER` stands
after its help. Whoever opens a feed takes what it says, one item after another, and publishes, counts and reports it: a
feed knows nothing of topics or terminals.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast, get_args, get_origin

from twin.registry import Found, PluginError, discover

if TYPE_CHECKING:
    from connectors.feeds.stream import Stream

GROUP = "dosetwin.feeds"

SHARED = ("speed", "out", "kafka", "prefix", "metrics_port", "metrics_host", "log_level", "log_format")
"""Options that every feed has; `streams.commands.live.feed` gives them their meaning."""

OR_FOLDER = "or folder"
"""After its help: a path that may be a folder."""

SCALARS = (str, int, float, bool, Path)


class Feed(Protocol):
    """What a feed's module offers."""

    open_feed: Callable[..., Stream]
    """Opens the feed; raises `ValueError` or `OSError` with what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Option:
    """A parameter of ``open_feed``. ``default`` is `inspect.Parameter.empty` where it must be given."""

    name: str
    type: Any
    help: str
    default: Any
    positional: bool
    folder: bool = False


@functools.cache
def feeds() -> Found[Feed]:
    """Every feed, and what offered itself as one and cannot be used."""
    return discover("feed", _feed, rooms=[__name__], group=GROUP, mark="open_feed", spelled=_as_a_command)


def _as_a_command(module: str) -> str:
    return module.replace("_", "-")


def options_of(feed: Feed) -> tuple[Option, ...]:
    """What a feed asks for, in the order of its parameters.

    Raises:
        PluginError: a parameter without type or help, of a type that no command line has, or of a name that is taken.
    """
    try:
        parameters = inspect.signature(feed.open_feed, eval_str=True).parameters.values()
    except (NameError, TypeError, ValueError, SyntaxError) as error:
        raise PluginError(f"the signature of open_feed cannot be read ({error})", "import the types it names") from None
    return tuple(_option(parameter) for parameter in parameters)


def _option(parameter: inspect.Parameter) -> Option:
    name, annotation = parameter.name, parameter.annotation
    positional = parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    if not positional and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise PluginError(f"open_feed's parameter {name} cannot be named in a call", "write it without *, ** and /")
    if get_origin(annotation) is not Annotated or not isinstance(annotation.__metadata__[0], str):
        raise PluginError(f"open_feed's parameter {name} has no help", f"write {name}: Annotated[str, 'what it is']")
    if name in SHARED:
        raise PluginError(f"open_feed's parameter {name} is an option of every feed", "give it another name")
    kind = annotation.__origin__
    if not _typed(kind):
        known = ", ".join(scalar.__name__ for scalar in SCALARS)
        raise PluginError(f"open_feed's parameter {name} is of type {kind}", f"use {known}, a list of them, or | None")
    folder = OR_FOLDER in annotation.__metadata__[1:]
    return Option(name, kind, annotation.__metadata__[0], parameter.default, positional, folder)


def _typed(kind: Any) -> bool:
    """A scalar, a list of one, or either or None."""
    members = [member for member in get_args(kind) or (kind,) if member is not type(None)]
    if get_origin(kind) is list:
        return members[0] in SCALARS
    return len(members) == 1 and (members[0] in SCALARS or (get_origin(members[0]) is list and _typed(members[0])))


def _feed(offered: object) -> Feed:
    if not callable(getattr(offered, "open_feed", None)):
        raise PluginError("has no open_feed(...)", "write a function that returns a connectors.feeds.stream.Stream")
    feed = cast(Feed, offered)
    options_of(feed)
    return feed
