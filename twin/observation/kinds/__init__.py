"""The kinds of output that a model may have, one file each, or an entry point in the group ``dosetwin.output_kinds``.

In comes an output, of the kind that its model file names. Out goes the one object that knows what is special about its
kind (`twin.observation.kind.OutputKind`). To add a kind, write its file here: a docstring that says what it is, and a
``KIND``.
"""

from __future__ import annotations

import functools
from typing import Final

from twin.model.spec import OutputSpec
from twin.observation.kind import OutputKind
from twin.registry import Found, attribute, discover

GROUP = "dosetwin.output_kinds"

USUAL: Final = "continuous"
"""What an output is whose section in a model file names no kind."""


# Found when first asked for, not on import: a kind may itself import what imports the kinds.
@functools.cache
def kinds() -> Found[OutputKind]:
    """Every kind, and what offered itself as one and cannot be used."""
    return discover("output kind", _offered, rooms=(__name__,), group=GROUP, name_of=lambda kind: kind.name)


@functools.cache
def kind_named(name: str) -> OutputKind:
    """The kind of this name.

    Raises:
        ValueError: there is none.
    """
    found = kinds().named(name)
    if found is None:
        raise ValueError(f"'{name}' is no kind of output; there are {', '.join(kinds().names)}")
    return found.offer


def kind_of(output: OutputSpec) -> OutputKind:
    """The kind of an output of a checked model."""
    return kind_named(output.kind)


def _offered(module: object) -> OutputKind:
    return attribute(module, "KIND", OutputKind, "write KIND = MyKind()")  # type: ignore[type-abstract]
