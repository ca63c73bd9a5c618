"""Data frames in and out: pandas, polars or what else `narwhals` knows.

What comes in is read as an NM-TRAN file would be, cell by cell. What goes out is of the kind that came in, and of
pandas where no frame did. A patient's ID is a number there where all of them are whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from streams.batch.tables import Cell, Table

Frame: TypeAlias = Any
"""A data frame of pandas, polars, pyarrow or another library that narwhals can read eagerly."""

PANDAS = import_module("pandas")

Cells = tuple[list[str], list[list[str]]]
"""Names of columns, and rows of cells as text."""


def is_frame(thing: object) -> bool:
    """Whether it is a data frame of some library."""
    return bool(nw.dependencies.is_into_dataframe(thing))


def frame_library(frame: Frame) -> ModuleType:
    """The library that a frame is of."""
    module: ModuleType = nw.get_native_namespace(nw.from_native(frame, eager_only=True))
    return module


def cells_of(frame: Frame, columns: Mapping[str, str]) -> Cells:
    """A frame as the cells that an NM-TRAN file of it would have; a TIME of dates becomes a date and a clock time.

    Args:
        columns: the frame's names for data items, where they differ.

    Raises:
        ValueError: two columns have one name.
    """
    try:
        table = nw.from_native(frame, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"the data frame has two columns of one name; rename one of them: {error}") from None
    time = {item.upper(): column for item, column in columns.items()}.get("TIME", "TIME").upper()
    header: list[str] = []
    cells: list[list[str]] = []
    for name in table.columns:
        values = table.get_column(name).to_list()
        if str(name).upper() == time and any(isinstance(value, datetime) for value in values):
            header += ["DAT2", str(name)]
            cells += [[_day(value) for value in values], [_clock(value) for value in values]]
        else:
            header.append(str(name))
            cells.append([_text(value) for value in values])
    return header, [list(row) for row in zip(*cells, strict=True)]


def frame_of(table: Table, kind: ModuleType) -> Frame:
    """A table as a frame of this kind; what is missing or no number is missing there."""
    found = {name: _plain(values) for name, values in table.items()}
    if "ID" in found:
        found["ID"] = _numbered(found["ID"])
    return nw.from_dict(found, backend=kind).to_native()


def rows_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Table:
    """The table of these rows."""
    found = list(rows)
    return {name: [row[i] for row in found] for i, name in enumerate(columns)}


def _plain(values: Sequence[Cell]) -> list[Cell]:
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]


def _numbered(ids: Sequence[Cell]) -> list[Cell]:
    whole = all(isinstance(one, str) and one.isdecimal() and (one == "0" or one[0] != "0") for one in ids)
    return [int(str(one)) for one in ids] if whole else list(ids)


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        return _day(value)
    if isinstance(value, date):
        return value.isoformat()
    return repr(float(value)) if isinstance(value, float) else str(value)


def _day(value: datetime | None) -> str:
    return "" if value is None or value != value else _utc(value).strftime("%Y-%m-%d")


def _clock(value: datetime | None) -> str:
    return "" if value is None or value != value else _utc(value).strftime("%H:%M:%S.%f")


def _utc(value: datetime) -> datetime:
    return value if value.tzinfo is None else value.astimezone(UTC)
