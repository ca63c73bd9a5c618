"""How a data file is laid out: where its header stands, what separates cells, and how decimals are written.

Read are cells separated by commas, semicolons, tabs, bars or blanks, whichever makes of the header the names that are
known; a header behind ``#`` or ``@``, as other programs want it; a table that NONMEM wrote (``TABLE NO.``, all its
numbers with exponents, those of patients too); and decimal commas, where a number of the file can be nothing
else. What could be read in two ways stays as it is, and is refused where it is used.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}

_TABLE = re.compile(r"TABLE NO\.?\s*(\d+)", re.IGNORECASE)
_SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


class Header(NamedTuple):
    """The names of the columns, on which line (from 1) they stand, and how cells are separated.

    ``table`` is the number of the table where NONMEM wrote the file.
    """

    line: int
    names: list[str]
    separator: str
    table: str | None = None


class LayoutError(ValueError):
    """The header is no row of cells; the text says where and why."""


def find_header(lines: Sequence[str], known: Collection[str]) -> Header | None:
    """The header of a file, ``None`` where it has no line but comments.

    Args:
        known: names of columns that are looked for, in capitals.

    Raises:
        LayoutError: its cells cannot be told apart.
    """
    table, separators = None, tuple(SEPARATORS)
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if found := _TABLE.match(text):
            table = found[1]
        elif found := _SEPARATOR_LINE.fullmatch(text):
            separators = (found[1],)
        elif text and (not text.startswith("#") or _is_header(text[1:].strip(), separators, known)):
            plain = text.lstrip("#@").strip()
            separator = max(separators, key=lambda one: _known_names(plain, one, known))
            try:
                return Header(number, [cell.strip() for cell in split(plain, separator)], separator, table)
            except csv.Error as error:
                raise LayoutError(f"line {number}: the header is not comma-separated text: {error}") from None
    return None


def split(text: str, separator: str) -> list[str]:
    """The cells of a line.

    Raises:
        csv.Error: a quote that is not closed.
    """
    if separator == " ":
        return next(csv.reader([" ".join(text.split())], delimiter=" ", strict=True))
    return next(csv.reader([text], delimiter=separator, strict=True))


def passes_over(text: str, header: Header) -> bool:
    """Whether a line repeats what NONMEM writes above a header.

    Raises:
        LayoutError: another table begins there.
    """
    found = _TABLE.match(text)
    if found is None or header.table is None:
        return False
    if found[1] != header.table:
        raise LayoutError(f"table {found[1]} begins below table {header.table}; give each a file of its own")
    return True


def has_decimal_commas(rows: Iterable[Sequence[str]]) -> bool:
    """Whether commas are decimal points: some number can be read in no other way, and none has a point."""
    certain = False
    for row in rows:
        for cell in row:
            text = cell.strip()
            if "," in text:
                certain = certain or (bool(_COMMA_NUMBER.fullmatch(text)) and not _THOUSANDS.fullmatch(text))
            elif "." in text and _POINT_NUMBER.fullmatch(text):
                return False
    return certain


def with_points(cells: Sequence[str]) -> list[str]:
    """Cells whose decimal commas are points."""
    return [cell.replace(",", ".") if _COMMA_NUMBER.fullmatch(cell.strip()) else cell for cell in cells]


def _is_header(text: str, separators: Sequence[str], known: Collection[str]) -> bool:
    """Whether what stands behind ``#`` is a header rather than a comment: names of columns, most of them known."""
    found = max(separators, key=lambda one: _known_names(text, one, known))
    return 1 < _known_names(text, found, known) >= len(text.split(found)) / 2


def _known_names(text: str, separator: str, known: Collection[str]) -> int:
    try:
        return sum(cell.strip().upper() in known for cell in split(text, separator))
    except csv.Error:
        return 0
