"""What every line-based feed hands back beside its events: the lines that could not be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out.

    Attributes:
        line: its number in the file, from 1.
        reason: what is wrong with it and how to mend it.
        file: in which it stands, where several may be read.
        patient: whose it is, where that is known.
        what: in a word what it would have said: a dose, a value, a covariate.
    """

    line: int
    reason: str
    file: Path | None = None
    patient: str = ""
    what: str = ""

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}: "
        return f"{place}line {self.line}: {self.reason}"
