"""Numbers in cells of data files, as NM-TRAN reads them: also as Fortran writes them, ``9.6D1``."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")


def is_number(cell: str) -> bool:
    """Whether a cell without blanks around it is a number."""
    return _NUMBER.fullmatch(cell) is not None


def as_number(cell: str) -> float:
    """The number in a cell, Fortran's ``D`` exponent included; NaN where there is none.

    >>> as_number("1.5D2"), as_number("A")
    (150.0, nan)
    """
    return float(cell.lower().replace("d", "e")) if is_number(cell) else float("nan")


def whole_number(cell: str) -> str | None:
    """A cell that is a whole number, in its plainest form (``"101.0"`` is ``"101"``), else ``None``."""
    value = as_number(cell)
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else None
