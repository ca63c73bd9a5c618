"""The order of an NM-TRAN file's records: what a line below another says of the same time, and time that goes back.

NONMEM reads a patient's records in the order of their lines, and never sorts them. So a record that shares its time
with others has a place among them, and one whose ``TIME`` lies before that of the line above is refused: whether it is
a typing error, lines out of order or another day, only its author knows. After a reset (``EVID`` 3 or 4) NONMEM lets
``TIME`` begin anew: nothing of what was before is left in the states then. So that it does not lie among what was
before, it is moved on, with all that follows, to `LATER_MS` after the record above; clock times never are.

A dose that ``ADDL`` adds is given before the records of its time, as NONMEM does (mrgsolve issue 424).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from connectors.feeds.nmtran.times import DATES
from twin.clock import HOUR_MS
from twin.events import DoseGiven, InputEvent, Measurement
from twin.record.held.far import AHEAD_MS

BEFORE_RECORDS = 0
"""Sequence of what no line of its time says; those of records begin at 1."""

LATER_MS = HOUR_MS
"""After the record above comes a reset at which TIME begins anew; how long it really was is not said."""

_MEND = (
    "sort the patient's records by TIME, or correct it: records count in the order of their lines (of a file of several"
    " data sets choose one, as with --where SET=1)"
)


def to_record_millis(hours: float) -> int:
    """Hours since the origin in whole ms: records of one ms are of one time."""
    return round(hours * HOUR_MS)


class RecordOrder:
    """Gives every record of a file its place, line by line.

    Args:
        clock: whether TIME is a clock time.
        notes: where it is counted that TIME began anew.
    """

    def __init__(self, clock: bool, notes: Counter[str]) -> None:
        self._clock = clock
        self._notes = notes
        self._above: dict[str, DataRecord] = {}
        self._moved: Counter[str] = Counter()
        self._at: Counter[tuple[str, int]] = Counter()

    def place(self, record: DataRecord) -> None:
        """Set the ``millis`` and the ``sequence`` of a record.

        Raises:
            BadRecord: its time goes back; with the line above and the mend.
        """
        self._move(record, self._moved[record.patient])
        above = self._above.get(record.patient)
        if above is not None and record.millis < above.millis:
            back = f"TIME {_shown(record)} is before {_shown(above)} at {above.place}"
            if not self._clock and {record.evid, above.evid} & {3, 4}:
                self._begin_anew(record, above)
                return
            another_day = self._clock and _date(record) is None
            raise BadRecord(f"{back}; {'a clock time of another day needs a DATE' if another_day else _MEND}")
        self._take(record)

    def _begin_anew(self, record: DataRecord, above: DataRecord) -> None:
        further = above.millis + LATER_MS - record.millis
        self._moved[record.patient] += further
        self._move(record, further)
        self._notes[
            "TIME begins anew with a reset: what follows was placed after what was before, an hour on; t in formulas,"
            " occasions by time and drift count through"
        ] += 1
        self._take(record)

    def _move(self, record: DataRecord, millis: int) -> None:
        record.hours += millis / HOUR_MS
        record.millis = to_record_millis(record.hours)

    def _take(self, record: DataRecord) -> None:
        above = self._above.get(record.patient)
        if above is not None and record.millis - above.millis > AHEAD_MS:
            self._notes["records more than two years after the one above them: look whether their TIME is right"] += 1
        self._above[record.patient] = record
        self._at[record.patient, record.millis] += 1
        record.sequence = self._at[record.patient, record.millis]


def merged(records: list[DataRecord]) -> list[DataRecord]:
    """One patient's records of several files, given file by file, in one order: by time, then by file."""
    together = sorted(records, key=lambda record: record.millis)
    at: Counter[int] = Counter()
    for record in together:
        at[record.millis] += 1
        record.sequence = at[record.millis]
    return together


def levels_above_steady(events: Sequence[InputEvent]) -> int:
    """How many values of a patient, whose events are in line order, stand above a steady state of their time."""
    steady = {e.time: e.sequence or 0 for e in events if isinstance(e, DoseGiven) and e.steady_every is not None}
    values = [event for event in events if isinstance(event, Measurement)]
    return sum(event.time in steady and (event.sequence or 0) < steady[event.time] for event in values)


def _date(record: DataRecord) -> str | None:
    return next((record.text(item) for item in DATES if record.has(item)), None)


def _shown(record: DataRecord) -> str:
    return " ".join(cell for cell in (_date(record), record.text("TIME")) if cell is not None)
