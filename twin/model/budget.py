"""How large a model file may be: enough for every published model several times over, and nothing that never ends.

A model file comes from somebody else. Each limit is checked before the work it bounds is begun, so that any file of a
megabyte is read, or refused with what is too much of it, within seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from twin.model.spec import ModelError
from twin.names import shown

LARGEST_FILE = 1_000_000
"""Largest model file in characters; those of the library have some 8,000."""

MOST_ENTRIES = 4000
"""Keys and values of a file; the largest of the library has some 700."""

DEEPEST_TABLE = 8
"""Tables within tables; a model needs five."""

LONGEST_KEY = 64
LONGEST_TEXT = 10_000

MOST_STATES = 150
"""States of a model; the largest of the library has 117, and each costs the compiler a quarter of a second."""

MOST_QUANTITIES = 250
"""Parameters, derived values, covariates and terms together; the largest of the library has 220."""

MOST_NODES = 5000
"""Numbers, names and operators in all formulas, terms written out; the largest of the library has some 2,400."""

DEEPEST_WRITTEN = 150
"""Deepest nesting of a formula with its terms written out, so that walking it never exhausts the stack."""

LARGEST_SOURCE = 90_000
"""Generated source in characters; the largest of the library has some 80,000, which compile in 20 s."""

MOST_CYCLES = 10_000
"""Doses of a regimen: of daily ones those of a lifetime."""

_DEEP_KEY = re.compile(r"""^[ \t]*\[{0,2}[ \t]*(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){16}""", re.MULTILINE)
"""A key of more than sixteen dotted words: the reader of TOML would take their number times the lines below."""


def check_text(text: str, file: str) -> None:
    """Check a text before it is read as TOML.

    Raises:
        ModelError: it is too large, or has a key of too many words.
    """
    if len(text) > LARGEST_FILE:
        raise ModelError(file, "", f"has more than {LARGEST_FILE} characters; this is not a model file")
    found = _DEEP_KEY.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise ModelError(
            file, "", f"line {line} has a key of more than 16 words; a model file nests {DEEPEST_TABLE} deep"
        )


def check_size(content: Mapping[str, object], file: str) -> None:
    """Check what a file holds, before anything of it is looked at.

    Raises:
        ModelError: it nests too deep, has too many entries, or one that is too long or too large a number.
    """
    layer: list[tuple[str, object]] = [("", content)]
    entries = 0
    for _ in range(DEEPEST_TABLE + 1):
        below: list[tuple[str, object]] = []
        for path, value in layer:
            entries += 1
            if entries > MOST_ENTRIES:
                raise ModelError(file, "", f"has more than {MOST_ENTRIES} entries; no model needs as many, split it")
            below += _within(path, value, file)
        layer = below
    if layer:
        path = layer[0][0]
        raise ModelError(file, path, f"is nested over {DEEPEST_TABLE} deep; a model file needs no more than five")


def _within(path: str, value: object, file: str) -> list[tuple[str, object]]:
    """The entries of a table or a list; what is neither is checked itself."""
    if isinstance(value, dict):
        for key in value:
            if len(key) > LONGEST_KEY:
                raise ModelError(file, path, f"has a key of {len(key)} characters, '{shown(key, 20)}'; shorten it")
        return [(f"{path}.{key}" if path else key, item) for key, item in value.items()]
    if isinstance(value, list):
        return [(f"{path}[{i}]", item) for i, item in enumerate(value[: MOST_ENTRIES + 1])]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ModelError(file, path, f"has {len(value)} characters, over {LONGEST_TEXT}; shorten it")
    if isinstance(value, int) and abs(value) > 10**300:
        raise ModelError(file, path, "is too large for a floating-point number; check it")
    return []


def check_quantities(names: Mapping[str, int], file: str) -> None:
    """Check how many states and other quantities a model has; ``names`` counts them by section.

    Raises:
        ModelError: too many.
    """
    states = names.get("states", 0)
    if states > MOST_STATES:
        raise ModelError(file, "states", f"are {states}, over {MOST_STATES}; lump those that move together")
    others = sum(count for section, count in names.items() if section != "states")
    if others > MOST_QUANTITIES:
        most = max((section for section in names if section != "states"), key=lambda section: names[section])
        problem = f"and their like are {others}, over {MOST_QUANTITIES}; write numbers into the formulas, or split it"
        raise ModelError(file, most, problem)
