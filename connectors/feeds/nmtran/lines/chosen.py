"""Which records of a file are read, as NM-TRAN's ``ACCEPT`` and ``IGNORE`` choose them: ``SET=3``, ``STUDY!=2``.

Cells that are numbers, ``1.5D2`` too, are compared as numbers, others as text. All conditions must hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.feeds.nmtran.lines.numbers import as_number, is_number

_CONDITION = re.compile(r"\s*([^=!\s]+)\s*(!?=)=?\s*(.+?)\s*")
LISTED = 8
"""Values of a column that a refusal names."""


class ChoiceError(ValueError):
    """A condition that cannot be read, or holds for nothing; the message has the mend."""


@dataclass(frozen=True)
class Condition:
    """What a column must hold: ``value``, or with ``other`` anything else."""

    column: str
    value: str
    other: bool

    def __str__(self) -> str:
        return f"{self.column}{'!=' if self.other else '='}{self.value}"

    def holds(self, cell: str) -> bool:
        """Of a cell."""
        return (_comparable(cell) == _comparable(self.value)) is not self.other


def conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Conditions as given on the command line.

    >>> [str(one) for one in conditions(["SET = 3", "STUDY!=2"])]
    ['SET=3', 'STUDY!=2']

    Raises:
        ChoiceError: one cannot be read.
    """
    return tuple(map(_condition, texts))


def chooser(where: Sequence[Condition], header: Sequence[str]) -> Callable[[Sequence[str]], bool]:
    """Whether a record's cells are chosen, under these names of columns.

    Raises:
        ChoiceError: a condition names a column that is not there.
    """
    places = [(_place(one, header), one) for one in where]
    return lambda cells: all(one.holds(cells[at]) for at, one in places)


def refuse_nothing(where: Sequence[Condition], header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Refuse conditions of which none of the rows is left, with what stands in the columns.

    Raises:
        ChoiceError: always, if there are rows.
    """
    if not rows:
        return
    told = []
    for column, at in {one.column: _place(one, header) for one in where}.items():
        values = list(dict.fromkeys(cells[at].strip() for cells in rows))
        told.append(f"{column} is {', '.join(values[:LISTED])}{' and others' if len(values) > LISTED else ''}")
    raise ChoiceError(f"--where {', '.join(map(str, where))}: no record is left; {'; '.join(told)}")


def _place(condition: Condition, header: Sequence[str]) -> int:
    folded = [name.strip().upper() for name in header]
    if condition.column.upper() not in folded:
        raise ChoiceError(f"--where {condition}: there is no column {condition.column}; there are {', '.join(header)}")
    return folded.index(condition.column.upper())


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ChoiceError(f"--where {text!r} is not 'COLUMN=VALUE' or 'COLUMN!=VALUE', as in SET=3")
    column, sign, value = found.groups()
    return Condition(column, value, other=sign == "!=")


def _comparable(cell: str) -> float | str:
    plain = cell.strip()
    return as_number(plain) if is_number(plain) else plain
