"""Patients whose records stand in several files: what two of them say alike is said once.

A file of levels and one of counts often repeat the doses. So what is the same in two files, in time and content, counts
as often as in the file that has it most often; within one file every record counts. A dose that another file gives
otherwise at the same time is refused: one of the two is wrong, or they stand in one file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from twin.events import DoseGiven, InputEvent, encode

FactsOfFiles = dict[bytes, Counter[Path | None]]


class Joined:
    """What the files say of one patient so far, record by record."""

    def __init__(self) -> None:
        self.repeated = 0
        self._said: FactsOfFiles = {}
        self._doses: dict[tuple[str, str, datetime], tuple[DataRecord, DoseGiven]] = {}

    def new(self, record: DataRecord, events: Sequence[InputEvent]) -> list[InputEvent]:
        """Those of a record's events that no other file has said already.

        Raises:
            BadRecord: another file gives another dose at that time.
        """
        kept = [event for event in events if self._is_new(event, record.file)]
        for event in kept:
            if isinstance(event, DoseGiven):
                self._take(record, event)
        self.repeated += len(events) - len(kept)
        return kept

    def _is_new(self, event: InputEvent, file: Path | None) -> bool:
        content = encode(event.model_copy(update={"event_id": "-", "sequence": None}))
        said = self._said.setdefault(content, Counter())
        before = max(said.values(), default=0)
        said[file] += 1
        return said[file] > before

    def _take(self, record: DataRecord, dose: DoseGiven) -> None:
        first, given = self._doses.setdefault((dose.drug, dose.route, dose.time), (record, dose))
        if first.file != record.file:
            amounts = f"{dose.amount.value:g} mg, and {given.amount.value:g} mg at the same time in {first.place}"
            raise BadRecord(f"a dose of {amounts}; correct one of them, or put both into one file")
