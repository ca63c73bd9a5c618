"""Whose record it is: the cell under ``ID`` as a patient's id.

An id is text, and two texts are two patients. Only plain digits are a number, of which one may be written in several
ways, ``7``, ``007`` and ``7.0``: they are one patient, and a note says so. ``1E2`` and ``10D1`` are names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord

_PATIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGITS = re.compile(r"([0-9]+)(\.0*)?")
_EXPONENT = re.compile(r"[0-9]+(\.[0-9]*)?[eEdD]\+[0-9]+")


class Identity:
    """Names the patients of one file; each name begins with ``prefix``."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._spelled: dict[str, list[str]] = {}

    def patient_of(self, record: DataRecord) -> str:
        """The patient of a record.

        Raises:
            BadRecord: no id, or one that cannot stand on the wire.
        """
        cell = record.text("ID")
        if cell is None:
            raise BadRecord("ID is missing")
        digits = _DIGITS.fullmatch(cell)
        patient = self._prefix + ((digits[1].lstrip("0") or "0") if digits else cell)
        if not _PATIENT.fullmatch(patient):
            written = "; write a number out, as in 100000" if _EXPONENT.fullmatch(cell) else ""
            raise BadRecord(f"ID {patient!r}: use letters, digits, '.', '_' and '-', at most 64{written}")
        spelled = self._spelled.setdefault(patient, [])
        if cell not in spelled:
            spelled.append(cell)
        return patient

    def notes(self) -> Iterator[str]:
        """What was written in several ways, and how lines with the id ``C`` were read."""
        several = {patient: spelled for patient, spelled in self._spelled.items() if len(spelled) > 1}
        for patient, spelled in several.items():
            ways = f"{', '.join(spelled[:-1])} and {spelled[-1]}"
            more = f", and so with {len(several) - 1} more" if len(several) > 1 else ""
            yield f"ID {ways} were taken as one patient, {patient}{more}"
            break
        if {"C", "c"} & {cell for spelled in self._spelled.values() for cell in spelled}:
            yield "lines with ID C were read as records of a patient C; begin a comment with #"
