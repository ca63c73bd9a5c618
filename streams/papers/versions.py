"""Which of two versions comes first, by the rules of each ecosystem: PEP 440, semver.org, and Maven's order.

Maven's is that of https://maven.apache.org/pom.html#version-order-specification: ``1-rc1 < 1 < 1-sp < 1-1 < 1.1``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

Semantic = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]

Token = tuple[str, int | str]
"""What stands before it, a dot or a hyphen, and a number or a word."""

WORDS = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
"""Maven's own words, in their order; others come after them."""

SAME = {"final": "", "ga": "", "release": "", "cr": "rc"}

SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
"""Where a number follows at once."""


def order(ecosystem: str) -> Callable[[str], Any]:
    """What orders versions of an ecosystem (as a package URL has it); it raises ValueError of what is no version."""
    if ecosystem == "pypi":
        from packaging.version import Version

        return Version
    return maven if ecosystem == "maven" else semantic


def semantic(version: str) -> Semantic:
    """What orders versions of semver.org; a release comes after all that lead to it.

    >>> semantic("v1.2.0-rc.1") < semantic("1.2.0") < semantic("1.10.0+incompatible")
    True
    >>> semantic("0.0.0-20200220183623-bac4c82f6975") < semantic("v0.36.0")
    True

    Raises:
        ValueError: it does not begin with a number.
    """
    core, _, before = version.removeprefix("v").partition("+")[0].partition("-")
    if not re.fullmatch(r"\d+(\.\d+)*", core):
        raise ValueError(f"{version!r} is no version")
    numbers = tuple(int(each) for each in core.split("."))
    if not before:
        return (*numbers, *(0,) * (3 - len(numbers))), ((2, 0, ""),)
    parted = tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in before.split("."))
    return (*numbers, *(0,) * (3 - len(numbers))), parted


def maven(version: str) -> Any:
    """What orders versions of Maven.

    >>> maven("2.0-beta9") < maven("2.0") == maven("2.0.0.Final") < maven("2.0-1") < maven("2.0.1")
    True

    Raises:
        ValueError: there is neither a letter nor a digit in it, or something else than those, dots and hyphens.
    """
    if not re.fullmatch(r"[\w.+-]*[^\W_][\w.+-]*", version, re.ASCII):
        raise ValueError(f"{version!r} is no version")
    return functools.cmp_to_key(_compare)(_tokens(version.lower()))


def _tokens(version: str) -> tuple[Token, ...]:
    """Its numbers and words without those that say nothing: noughts and "final" at the end, or before a hyphen."""
    found: list[Token] = []
    before = "."
    for separated in re.split(r"([._-])", version):
        if separated in (".", "-", "_"):
            before = "." if separated == "." else "-"
            continue
        parts = re.findall(r"\d+|[^\d]+", separated) or ["0"]
        for place, part in enumerate(parts):
            followed = place + 1 < len(parts)
            word = SHORT.get(part, part) if followed else part
            found.append((before if place == 0 else "-", int(part) if part.isdigit() else SAME.get(word, word)))
    for place in reversed(range(len(found))):
        last = place + 1 == len(found) or found[place + 1][0] == "-"
        if last and found[place][1] in (0, ""):
            del found[place]
    return tuple(found)


def _compare(one: tuple[Token, ...], other: tuple[Token, ...]) -> int:
    for mine, its in zip_longest(one, other):
        first, second = _rank(mine or _nothing(its)), _rank(its or _nothing(mine))
        if first != second:
            return -1 if first < second else 1
    return 0


def _nothing(like: Token) -> Token:
    """What a version has where another one has that."""
    return like[0], 0 if isinstance(like[1], int) else ""


def _rank(token: Token) -> tuple[int, int, str]:
    """Words before numbers after a hyphen, these before numbers after a dot."""
    before, what = token
    if isinstance(what, int):
        return (2 if before == "." else 1), what, ""
    return 0, WORDS.index(what) if what in WORDS else len(WORDS), what
