"""The kinds of output that a model may have, one file each.

In comes an output, of the kind that its model file names. Out goes the one object that knows what is special about its
kind (`twin.observation.kind.OutputKind`). To add a kind, write its file here: a docstring that says what it is, and a
``KIND``.
"""

from __future__ import annotations

from typing import Final

from twin.model.spec import OutputSpec
from twin.observation.kind import OutputKind
from twin.registry import attribute, discover

USUAL: Final = "continuous"
"""What an output is whose section in a model file names no kind."""


def kind_of(output: OutputSpec) -> OutputKind:
    """The kind of an output."""
    return KINDS[output.kind]


def found_in(room: str) -> dict[str, OutputKind]:
    """Kinds by name, of all the modules in a package.

    Raises:
        ImportError: a module that is no kind.
    """
    found = discover("kind of output", _offered, rooms=(room,), name_of=lambda kind: kind.name)
    if found.broken:
        raise ImportError("; ".join(str(broken) for broken in found.broken))
    return {plugin.name: plugin.offer for plugin in found.plugins}


def _offered(module: object) -> OutputKind:
    return attribute(module, "KIND", OutputKind, "write KIND = MyKind()")  # type: ignore[type-abstract]


KINDS = found_in(__name__)
"""All kinds by name."""
