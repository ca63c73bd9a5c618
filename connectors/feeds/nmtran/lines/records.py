"""NM-TRAN files as records: lines, comments, the header and its column map, cells by data item.

- Where the header stands and what separates cells: `connectors.feeds.nmtran.lines.layout`.
- ``#`` begins a comment line anywhere (NM-TRAN's default, ``IGNORE=#``). A lone ``C`` in the first cell does where the
  first column is called ``C`` (``IGNORE=C``), and else where the line is no record in any case: ``C`` may be a patient.
  The header may come again, as where files were joined.
- A cell that is empty, ``.`` or R's ``NA`` is missing ($INPUT in NONMEM Help: null, which is 0 there; here it is told
  from 0).
- Column names are compared without regard to case; ``LOGDV`` is another name of ``LNDV``. Numbers may be written as
  Fortran does, ``9.6D1``.

What a record means is the business of `connectors.feeds.nmtran.reader`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.lines.chosen import ChoiceError, Condition, chooser, refuse_nothing
from connectors.feeds.nmtran.lines.layout import (
    SEPARATORS,
    Header,
    LayoutError,
    find_header,
    has_decimal_commas,
    passes_over,
    split,
    with_points,
)
from connectors.feeds.nmtran.lines.numbers import as_number, is_number, whole_number

ITEMS = (
    "ID", "TIME", "DATE", "DAT1", "DAT2", "DAT3", "AMT", "RATE", "DUR", "ADDL", "II", "SS", "EVID", "MDV", "CMT", "DV",
    "LNDV", "DVID", "CENS", "BLQ", "LIMIT", "LLOQ",
)  # fmt: skip
"""Data items that are understood."""

MISSING = frozenset({"", ".", "NA"})
"""Cells in which nothing stands."""

_NO_HEADER = "no header: the first line must name the columns, as in ID,TIME,AMT,DV,EVID"


class NmtranError(ValueError):
    """The file as a whole cannot be read: no header, a column that is missing or named twice, a wrong column map."""


class BadRecord(ValueError):
    """One record cannot be used; the text becomes the reason of a `BadLine`."""


class DataRecord:
    """One record's cells, read by data item; ``line`` is its number, of a line from 1 or of a table's row from 0.

    What they mean together is filled in on the way: ``patient``, ``evid``, when in ``hours`` and ``millis`` since the
    origin, the ``sequence`` of the record among those of the same patient and ms, and how many ms ``apart`` from there
    it is placed, with what it says of characteristics as far apart as ``changed``. ``file`` names where it stands if
    several files are read as one.
    """

    def __init__(self, line: int, cells: list[str], positions: Mapping[str, int], counted: str = "line") -> None:
        self.line = line
        self.counted = counted
        self.cells = cells
        self._positions = positions
        self.patient = ""
        self.hours = 0.0
        self.millis = 0
        self.apart = 0
        self.changed = 0
        self.sequence = 0
        self.file: Path | None = None
        self.evid = 0

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"{self.counted} {self.line}" + ("" if self.file is None else f" of {self.file}")

    def has(self, item: str) -> bool:
        """Whether the file has the item at all."""
        return item in self._positions

    def text(self, item: str) -> str | None:
        """The cell, or ``None`` where it is missing."""
        if item not in self._positions:
            return None
        cell = self.cells[self._positions[item]].strip()
        return None if cell in MISSING else cell

    def number(self, item: str) -> float | None:
        cell = self.text(item)
        if cell is None:
            return None
        value = as_number(cell)
        if not abs(value) < float("inf"):
            comma = "; write it with a decimal point, and thousands without a comma" if "," in cell else ""
            raise BadRecord(f"{item} {cell!r} is not a finite number{comma}")
        return value

    def says(self, item: str) -> bool:
        """Whether the cell holds anything but a 0."""
        cell = self.text(item)
        return cell is not None and as_number(cell) != 0.0

    def integer(self, item: str) -> int | None:
        value = self.number(item)
        if value is not None and value != int(value):
            raise BadRecord(f"{item} {self.text(item)} is not a whole number")
        return None if value is None else int(value)


def read_records(
    lines: Iterable[str],
    covariates: Sequence[str],
    columns: Mapping[str, str],
    bad_lines: list[BadLine],
    notes: Counter[str],
    where: Sequence[Condition] = (),
) -> Iterator[DataRecord]:
    """Each line under the header as a record; lines that are none go to ``bad_lines``, remarks to ``notes``.

    Args:
        covariates: names besides `ITEMS` whose columns are read.
        columns: the file's names for items and covariates, where they differ.
        where: what a record must hold to be read.

    Raises:
        NmtranError: there is no usable header, or the column map or a condition does not fit it.
    """
    text = [line.lstrip("\ufeff").strip() for line in lines]
    header = _header(text, covariates, columns)
    positions = _positions(header.names, covariates, columns)
    _note_unread(header.names, positions, covariates, notes)
    _note_layout(header, notes)
    rows = list(_rows(text, header, bad_lines, notes))
    commas = has_decimal_commas(cells for _, cells in rows)
    rows = _chosen(rows, header.names, where, notes)
    if commas:
        notes["commas were read as decimal points"] += 1
    for number, cells in rows:
        if header.table is not None:
            # NONMEM writes every number with an exponent, those that name patients too.
            cells[positions["ID"]] = whole_number(cells[positions["ID"]].strip()) or cells[positions["ID"]]
        yield DataRecord(number, with_points(cells) if commas else cells, positions)


def _chosen(
    rows: list[tuple[int, list[str]]], header: Sequence[str], where: Sequence[Condition], notes: Counter[str]
) -> list[tuple[int, list[str]]]:
    try:
        takes = chooser(where, header)
        found = [(number, cells) for number, cells in rows if takes(cells)]
        if not found:
            refuse_nothing(where, header, [cells for _, cells in rows])
    except ChoiceError as error:
        raise NmtranError(str(error)) from None
    if where:
        notes[f"{len(rows) - len(found)} records were left out by --where {', '.join(map(str, where))}"] += 1
    return found


def _header(lines: Sequence[str], covariates: Sequence[str], columns: Mapping[str, str]) -> Header:
    known = {name.upper() for name in (*ITEMS, *covariates, *columns.values())}
    try:
        found = find_header(lines, known)
    except LayoutError as error:
        raise NmtranError(str(error)) from None
    if found is None:
        raise NmtranError(_NO_HEADER)
    return found


def _rows(
    lines: Sequence[str], header: Header, bad_lines: list[BadLine], notes: Counter[str]
) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each record under the header."""
    width = len(header.names)
    for number, text in enumerate(lines, start=1):
        if number <= header.line or not text or text.startswith("#"):
            continue
        try:
            if passes_over(text, header):
                continue
            cells = split(text, header.separator)
        except LayoutError as error:
            raise NmtranError(f"line {number}: {error}") from None
        except csv.Error as error:
            bad_lines.append(BadLine(number, f"not text separated by {SEPARATORS[header.separator]}: {error}"))
            continue
        lone_c = cells[0].strip() in ("C", "c")
        if [cell.strip() for cell in cells] == header.names:
            notes["repeated headers were passed over"] += 1
        elif lone_c and (len(cells) != width or header.names[0].upper() == "C"):
            notes["lines with a lone C in the first cell were passed over as comments"] += 1
        elif len(cells) != width:
            bad_lines.append(BadLine(number, f"{len(cells)} cells under a header of {width}{_hint(header, cells)}"))
        else:
            yield number, cells


def _hint(header: Header, cells: Sequence[str]) -> str:
    if header.separator == "," and len(cells) > len(header.names):
        return "; decimal commas need quotes, or cells separated by semicolons"
    if header.separator == " " and len(cells) < len(header.names):
        return "; where blanks separate cells, a missing one is a '.'"
    return ""


def _note_layout(header: Header, notes: Counter[str]) -> None:
    if header.table is not None:
        notes[f"table {header.table} of NONMEM: numbers as it writes them, patients' too"] += 1
    if header.separator != ",":
        notes[f"cells are separated by {SEPARATORS.get(header.separator, repr(header.separator))}"] += 1


def table_records(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    covariates: Sequence[str],
    columns: Mapping[str, str],
    notes: Counter[str],
) -> Iterator[DataRecord]:
    """Each row of a table as a record, numbered from 0; nothing in a table is a comment.

    Raises:
        NmtranError: the column map does not fit the header.
    """
    positions = _positions(header, covariates, columns)
    _note_unread(header, positions, covariates, notes)
    for number, cells in enumerate(rows):
        yield DataRecord(number, list(cells), positions, "row")


def _note_unread(
    header: Sequence[str], positions: Mapping[str, int], covariates: Sequence[str], notes: Counter[str]
) -> None:
    """Columns that are not read, and the covariates that one of them may have been meant for."""
    unread = ", ".join(cell for at, cell in enumerate(header) if at not in positions.values())
    lacking = ", ".join(name for name in covariates if name not in positions)
    if unread and lacking:
        notes[f"columns not read: {unread}; covariates without a column: {lacking} (a column map names it)"] += 1
    elif unread:
        notes[f"columns not read: {unread}"] += 1


def _positions(header: Sequence[str], covariates: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Where each item and covariate stands; names are compared without regard to case, as in NM-TRAN."""
    if all(is_number(cell) or cell in ("", ".") for cell in header):
        raise NmtranError(_NO_HEADER)
    folded = [cell.upper() for cell in header]
    known = {} if "LNDV" in folded else {"LOGDV": "LNDV"}
    known |= {name.upper(): name for name in (*covariates, *ITEMS)}
    positions = {known[cell]: at for at, cell in reversed(list(enumerate(folded))) if cell in known}
    for item, column in columns.items():
        if item.upper() not in known:
            raise NmtranError(f"column map: {item} is no data item and no covariate of the model")
        if column.upper() not in folded:
            there = ", ".join(header)
            raise NmtranError(f"column map: {item}={column}, but there is no column {column}; there are {there}")
        at = folded.index(column.upper())
        positions = {name: place for name, place in positions.items() if place != at}
        positions[known[item.upper()]] = at
    for at in sorted(positions.values()):
        if folded.count(folded[at]) > 1:
            raise NmtranError(f"column {header[at]} is there more than once; name it once")
    for item in ("ID", "TIME"):
        if item not in positions:
            raise NmtranError(f"no column {item}; say which one it is by the column map, {item}=COLUMN")
    if not {"DV", "LNDV", "AMT"} & set(positions):
        raise NmtranError("neither a column DV nor a column AMT; say which one it is by the column map, DV=COLUMN")
    return positions
