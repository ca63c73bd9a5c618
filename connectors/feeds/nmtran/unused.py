"""What stands in records and is not used: it is told, with its line, and kept for the patient's result.

NONMEM passes over a DV where MDV is 1, and takes an amount on a record that gives nothing for an error. Here a DV other
than 0 that nobody weighs is noted, and an amount that nobody gets is refused.
"""

from __future__ import annotations

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord

LISTED = 12
"""Lines that a note names."""

UNTOLD = -1
"""EVID of a record of which it cannot be read; what it would have said may be a dose."""

WHAT = {UNTOLD: "record", 0: "value", 1: "dose", 2: "covariates", 3: "reset", 4: "reset and dose"}
"""What a record of each EVID says."""


def refuse_amount(record: DataRecord) -> None:
    """Refuse an amount on a record that gives nothing.

    Raises:
        BadRecord: there is one.
    """
    amount = record.number("AMT")
    if amount and record.evid in (0, 2, 3):
        means = {0: "an observation (EVID 0)", 2: "a record of covariates (EVID 2)", 3: "a reset (EVID 3)"}
        dose = "EVID 4" if record.evid == 3 else "EVID 1"
        raise BadRecord(f"{means[record.evid]} with AMT {amount:g}; a dose needs {dose}, else leave AMT out")


class Unused:
    """Collects values that were passed over, each as a `BadLine` of a record that is otherwise used."""

    def __init__(self) -> None:
        self.found: list[BadLine] = []

    def take_down(self, record: DataRecord, mdv: int | None) -> None:
        """Take down a DV that a record holds and that is not an observation."""
        if record.evid == 0 and mdv != 1:
            return
        why = {0: "with MDV 1", 1: "on dose records", 4: "on dose records"}.get(
            record.evid, f"beside EVID {record.evid}"
        )
        for item in ("DV", "LNDV"):
            if record.says(item):
                self.found.append(BadLine(record.line, f"{item} {why}", record.file, record.patient, "value"))

    def notes(self, counted: str) -> list[str]:
        """One note for each kind, with its lines or rows as they are ``counted``."""
        lines: dict[str, list[int]] = {}
        for one in self.found:
            lines.setdefault(one.reason, []).append(one.line)
        return [
            f"{reason} was not used ({len(where)}x): {listed(where, counted)}"
            for reason, where in sorted(lines.items())
        ]


def listed(numbers: list[int], counted: str) -> str:
    """Lines in words, the first of them.

    >>> listed([3, 9], "line"), listed([4], "row")
    ('lines 3, 9', 'row 4')
    """
    named = ", ".join(map(str, sorted(numbers)[:LISTED]))
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    return f"{counted}{'s' if len(numbers) > 1 else ''} {named}{more}"
