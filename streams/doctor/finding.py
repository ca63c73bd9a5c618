"""What was found of one thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``mend`` says what to do about it; it is empty where all is well."""

    subject: str
    seen: str
    mend: str = ""

    @property
    def well(self) -> bool:
        return not self.mend
