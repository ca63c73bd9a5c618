"""Doses that ``ADDL`` writes out: how many a file may have, and which of them are cancelled before they are given.

Where all states are set anew (EVID 3 and 4, and a dose with SS 1) the doses still to come of the records above are
cancelled (NONMEM Help, "EVID data item" and "SS data item"). What a line of its own gives after it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from connectors.feeds.nmtran.lines.records import DataRecord, NmtranError
from twin.events import DoseGiven, InputEvent, StateReset

MOST_WRITTEN_OUT, MOST_A_RECORD = 20_000, 400
"""Written-out doses of a whole file: so many, or so many for each of its records where that is more. (A year of daily
doses behind each of a thousand records is usual; a few hundred lines that make a million doses are a slip.)"""

Said = tuple[DataRecord, Sequence[InputEvent]]
"""A record and its events."""


class Allowance:
    """How many doses the ``records`` of a file may have written out in all."""

    def __init__(self, records: int) -> None:
        self.most = max(MOST_WRITTEN_OUT, MOST_A_RECORD * records)
        self.records = records
        self.used = 0

    def take(self, doses: int, record: DataRecord) -> None:
        """Count the doses that a record writes out.

        Raises:
            NmtranError: they are too many.
        """
        self.used += doses
        if self.used > self.most:
            raise NmtranError(
                f"{record.place}: with ADDL {doses} the {self.records} records make more than {self.most} doses; mend"
                " ADDL, or write the doses out"
            )


def without_cancelled(said: Sequence[Said], notes: Counter[str]) -> list[InputEvent]:
    """The events of a patient's records, which are in order of time, without the doses that were cancelled."""
    kept: list[Sequence[InputEvent]] = []
    until: datetime | None = None
    ended_by = ""
    for record, events in reversed(said):
        doses = [event for event in events if isinstance(event, DoseGiven)]
        gone = {dose.event_id for dose in doses[1:] if until is not None and dose.time >= until}
        if gone:
            notes[f"{record.place}: {len(gone)} doses of ADDL still to come were cancelled by {ended_by}"] += 1
        kept.append([event for event in events if event.event_id not in gone])
        if any(isinstance(event, StateReset) or _is_steady(event) for event in events):
            what = "the steady state" if record.evid == 1 else f"EVID {record.evid}"
            until, ended_by = min(event.time for event in events), f"{what} at {record.place}"
    return [event for events in reversed(kept) for event in events]


def _is_steady(event: InputEvent) -> bool:
    return isinstance(event, DoseGiven) and event.steady_every is not None
