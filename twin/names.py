"""Names and texts from outside: what may enter code, paths, tags, queries and a terminal.

A model file is written by somebody else. Its names go into generated code, into file names, into tags and queries of
a data base and onto terminals, so there is one strict pattern for all of them. What is free text (a title, a note, a
source) goes to people only, and may hold nothing that a terminal would obey.

>>> is_name("docetaxel_ozawa2007"), is_name("../x"), is_name("x\\n")
(True, False, False)
"""

from __future__ import annotations

import re
import unicodedata

NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"
"""A name: of a model, a drug, an output, a state, a parameter, a covariate, a term."""

NAME_IN_WORDS = "begin with a letter and use letters, digits and '_', at most 64"
"""The pattern, for messages."""

ALIAS = r"[A-Za-z0-9][A-Za-z0-9_.+/-]{0,63}"
"""Another name of an analyte, as laboratories write them: IL-6, CA-125."""

UNIT = r"[A-Za-z0-9*/.()\[\]{}_%^+°µμ²³-]{1,64}"
"""Characters of a UCUM code, and those of local spellings; whether it is a code is for `twin.units` to say."""

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that a terminal obeys, that turn a text around, or that nobody sees."""


def is_name(text: str) -> bool:
    """Whether a text is a name that may enter code, paths, tags and queries."""
    return re.fullmatch(NAME, text) is not None


def is_alias(text: str) -> bool:
    """Whether a text may be another name of an analyte."""
    return re.fullmatch(ALIAS, text) is not None


def is_unit_text(text: str) -> bool:
    """Whether a text has no character that a unit code never has."""
    return re.fullmatch(UNIT, text) is not None


def unprintable(text: str) -> str | None:
    """The first character of a text that may not go to a terminal, as ``U+001B``; ``None`` when all may.

    >>> unprintable("a\\x1b[2J"), unprintable("two\\nlines")
    ('U+001B', None)
    """
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in _OBEYED:
            return f"U+{ord(character):04X}"
    return None


def shown(text: str, longest: int = 1000) -> str:
    """A text as it may be printed: what a terminal would obey is written out, and what is long is cut.

    >>> shown("a\\x1b[2J")
    'a\\\\x1b[2J'
    """
    cut = text if len(text) <= longest else f"{text[: longest - 3]}..."
    if unprintable(cut) is None:
        return cut
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in _OBEYED else c.encode("unicode_escape").decode() for c in cut
    )
