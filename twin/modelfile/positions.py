"""Where in a TOML text a key stands: what a parser forgets and whoever mends the file wants to know.

The text is one that `tomllib` has accepted, so that nothing but the shape of its tokens matters here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[A-Za-z0-9_-]+")
_TEXT = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_PLAIN = re.compile(r"[^,\]}\n#]+")


@dataclass(frozen=True, slots=True)
class SourceRange:
    """Offsets into the text: of the key, and of the value from ``begin`` to ``end``."""

    key: int
    width: int
    begin: int
    end: int


def places(text: str) -> dict[str, SourceRange]:
    """Place of every key by its dotted path, as in ``parameters.CL.value`` or ``regimens[0].drug``.

    >>> text = '[parameters.CL]\\nvalue = 5'
    >>> place = places(text)["parameters.CL.value"]
    >>> text[place.begin : place.end]
    '5'
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.found


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[str, SourceRange] = {}
        self._listed: dict[str, int] = {}

    def document(self) -> None:
        prefix = ""
        self._skip()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                prefix = self._header()
            else:
                self._entry(prefix)
            self._skip()

    def _skip(self) -> None:
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def _header(self) -> str:
        start, many = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        words, _ = self._dotted()
        path = ""
        for word in words[:-1] if many else words:
            path = self._joined(path, word)
            if path in self._listed:
                path = f"{path}[{self._listed[path]}]"
            self._note(path, start, self.text.index("]", self.at) + 1 - start)
        if many:
            path = self._joined(path, words[-1])
            self._listed[path] = self._listed.get(path, -1) + 1
            self._note(path, start, self.text.index("]]", self.at) + 2 - start)
            path = f"{path}[{self._listed[path]}]"
        end = self.text.index("]", self.at) + (2 if many else 1)
        self._note(path, start, end - start)
        self.at = end
        return path

    def _entry(self, prefix: str) -> None:
        words, start = self._dotted()
        path = prefix
        for word in words:
            path = self._joined(path, word)
        width = self.at - start
        self.at = self.text.index("=", self.at) + 1
        while self.text[self.at] in " \t":
            self.at += 1
        begin = self.at
        self._value(path)
        self.found[path] = SourceRange(start, width, begin, self.at)

    def _dotted(self) -> tuple[list[str], int]:
        """The words of a dotted key and where it starts; ends just behind it."""
        words: list[str] = []
        start = self.at
        while True:
            while self.text[self.at] in " \t":
                self.at += 1
            start = start if words else self.at
            match = _KEY.match(self.text, self.at)
            assert match is not None, f"a key at offset {self.at}"
            words.append(match.group().strip("\"'"))
            self.at = match.end()
            behind = re.compile(r"[ \t]*\.").match(self.text, self.at)
            if behind is None:
                return words, start
            self.at = behind.end()

    def _value(self, path: str) -> None:
        if self.text[self.at] == "{":
            self.at += 1
            self._skip()
            while self.text[self.at] != "}":
                self._entry(path)
                self._separator()
            self.at += 1
        elif self.text[self.at] == "[":
            self.at += 1
            self._skip()
            number = 0
            while self.text[self.at] != "]":
                begin = self.at
                self._value(f"{path}[{number}]")
                self.found.setdefault(f"{path}[{number}]", SourceRange(begin, self.at - begin, begin, self.at))
                number += 1
                self._separator()
            self.at += 1
        else:
            match = _TEXT.match(self.text, self.at) or _PLAIN.match(self.text, self.at)
            assert match is not None, f"a value at offset {self.at}"
            self.at = match.start() + len(match.group().rstrip())

    def _separator(self) -> None:
        self._skip()
        if self.text[self.at] == ",":
            self.at += 1
            self._skip()

    def _note(self, path: str, start: int, width: int) -> None:
        self.found.setdefault(path, SourceRange(start, width, start, start + width))

    def _joined(self, path: str, word: str) -> str:
        return f"{path}.{word}" if path else word
