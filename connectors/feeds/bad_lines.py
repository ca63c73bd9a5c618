"""What every line-based feed hands back beside its events: the lines that could not be used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out.

    Attributes:
        line: its number in the file, from 1.
        reason: what is wrong with it and how to mend it.
    """

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
