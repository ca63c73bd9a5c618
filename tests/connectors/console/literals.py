"""The strings of a script, and the texts of a page, as they stand in the files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_SKIPPED = re.compile(r"\s+|//[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
_BEFORE_REGEX = {*"(,=:[!&|?{};+-*<>~^", "return"}
_CODE = re.compile(r"[\w$]+|.", re.DOTALL)


@dataclass(frozen=True)
class Literal:
    """A string, or one piece of a template beside what is put in (``part``)."""

    text: str
    part: bool = False


def literals(source: str) -> list[Literal]:
    """Every string of a script, comments and regular expressions left out."""
    found: list[Literal] = []
    _read(source, 0, found, within=False)
    return found


def _read(source: str, at: int, found: list[Literal], *, within: bool) -> int:
    """Read code up to its end, or ``within`` a template up to the brace that closes what is put in."""
    depth, before = 0, "("
    while at < len(source):
        if skipped := _SKIPPED.match(source, at):
            at = skipped.end()
            continue
        sign = source[at]
        if sign == "`":
            at, before = _template(source, at + 1, found), "x"
        elif sign in "\"'":
            string = _STRING.match(source, at)
            assert string, source[at : at + 60]
            found.append(Literal(string[0][1:-1]))
            at, before = string.end(), "x"
        elif (
            sign == "/" and (before in "(,=:[!&|?{};+-*<>~^" or before == "return") and (r := _REGEX.match(source, at))
        ):
            at, before = r.end(), "x"
        else:
            code = _CODE.match(source, at)
            assert code
            depth += (code[0] == "{") - (code[0] == "}")
            if within and depth < 0:
                return at + 1
            at, before = code.end(), code[0]
    return at


def _template(source: str, at: int, found: list[Literal]) -> int:
    piece, whole = at, True
    while source[at] != "`":
        if source[at] == "\\":
            at += 2
        elif source.startswith("${", at):
            found.append(Literal(source[piece:at], part=True))
            whole, at = False, _read(source, at + 2, found, within=True)
            piece = at
        else:
            at += 1
    found.append(Literal(source[piece:at], part=not whole))
    return at + 1


@dataclass
class Page(HTMLParser):
    """A page's texts outside ``noscript`` and what stands on keys, in its attributes also, and its keys of messages."""

    texts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._unscripted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unscripted += tag in ("noscript", "kbd")
        for name, value in attrs:
            if name in ("aria-label", "title", "placeholder", "alt"):
                self.texts.append(value or "")
            if name in ("data-text", "data-text-label"):
                self.keys.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._unscripted -= tag in ("noscript", "kbd")

    def handle_data(self, data: str) -> None:
        if not self._unscripted and data.strip():
            self.texts.append(data.strip())
