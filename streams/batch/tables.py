"""Tables of results: columns by name, which become a CSV file or a data frame.

In a file a number has ten digits, what is no number leaves its cell empty, and a truth is ``true`` or ``false``.
"""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

Cell = str | float | int | bool | datetime | None
Table = Mapping[str, Sequence[Cell]]
"""Columns of equal length by name, in their order."""


def write_table(path: Path, table: Table) -> None:
    """Write a table as CSV beside ``path`` and put it in place when it is complete.

    Raises:
        OSError: it cannot be written.
    """
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".unfinished-", newline="", delete=False) as file:
        try:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table)
            for row in zip(*table.values(), strict=True):
                writer.writerow(map(cell_text, row))
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).replace(path)


def cell_text(cell: Cell) -> str:
    """What stands in a file for a cell.

    >>> [cell_text(cell) for cell in (0.1, 2.0, float("nan"), True, "P-1")]
    ['0.1', '2', '', 'true', 'P-1']
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return "" if math.isnan(cell) else format(float(cell), ".10g")
    if isinstance(cell, datetime):
        return cell.isoformat()
    return "" if cell is None else str(cell)
