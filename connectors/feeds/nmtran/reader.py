"""NM-TRAN feed: a pharmacometrician's data file becomes typed events, one fact an event.

The file has one record a line, under a header that names the columns; a column map translates other names
(``TIME=TIME_DAYS,AMT=AMT_6MP``). The rules are those of NONMEM Help, of Monolix where NONMEM has none, and of this
house where both have none; a record that they refuse is reported with its line and reason and left out whole, and what
of a record is not used is noted with its line.

- *Lines and cells*: `connectors.feeds.nmtran.lines.records`. *Patients*: `connectors.feeds.nmtran.patients`. *TIME and
  dates*: `connectors.feeds.nmtran.times`. *Doses*: `connectors.feeds.nmtran.doses` and `.additional`. *Observations*:
  `connectors.feeds.nmtran.observations`. *What is not used*: `connectors.feeds.nmtran.unused`.
- *Events* (NONMEM Help, "EVID data item"). ``EVID`` 0 is an observation unless ``MDV`` is 1, 1 a dose, 2 a change of
  covariates alone, 3 a reset of all states, 4 a reset and a dose. Without ``EVID`` a record with ``AMT`` or ``RATE``
  is a dose. A ``TIME`` that begins anew with a reset is moved on, behind what was before. One thing differs from
  NONMEM: a ``DV`` on a dose record that ``MDV`` 0 says to be measured is refused. With the first record of a patient,
  whatever it is, the follow-up begins.
- *Order* (`connectors.feeds.nmtran.patients.record_order`). A patient's records are read in the order of their lines,
  as NONMEM does: at one ``TIME`` an observation above a dose was drawn before it, one below it after it, and a ``TIME``
  that goes back without a reset is refused. A dose that ``ADDL`` adds comes before the records of its time.
- *Covariates.* A column named as a covariate of the model says its value at the record's time. Whether that holds from
  then on or, as in NONMEM, since the record before, is for the model to say (``carry``). A categorical one may be the
  name of a level. ``OCC`` is such a column where the model's occasions go by it; carried backward, a record belongs to
  the occasion that it names, as in NONMEM (`connectors.feeds.nmtran.patients.characteristics`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.feeds.analytes import drug_of
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.additional import Allowance, without_cancelled
from connectors.feeds.nmtran.compartments import compartment
from connectors.feeds.nmtran.doses import dose_of
from connectors.feeds.nmtran.lines.chosen import Condition
from connectors.feeds.nmtran.lines.records import (
    BadRecord,
    DataRecord,
    NmtranError,
    read_records,
    table_records,
)
from connectors.feeds.nmtran.observations import Observer
from connectors.feeds.nmtran.patients.characteristics import Characteristics
from connectors.feeds.nmtran.patients.identity import Identity
from connectors.feeds.nmtran.patients.joined import Joined
from connectors.feeds.nmtran.patients.record_order import (
    BEFORE_RECORDS,
    RecordOrder,
    levels_above_steady,
    merged,
    to_record_millis,
)
from connectors.feeds.nmtran.times import ORIGIN, place_in_time
from connectors.feeds.nmtran.unused import UNTOLD, WHAT, Unused, refuse_amount
from twin.clock import UNIT_HOURS
from twin.events import (
    Covariate,
    DoseGiven,
    DrugLevel,
    Enrolment,
    FollowUpBegun,
    InputEvent,
    LabResult,
    Quantity,
    StateReset,
    event_id,
)
from twin.model.spec import Model

SOURCE = "nmtran"

ABOVE_STEADY = (
    "values above a dose with SS 1 of their TIME were taken as drawn before that steady state; a trough of it belongs"
    " at the end of an interval"
)


@dataclass(frozen=True)
class NmtranEvents:
    """What a file says.

    Attributes:
        events: in event-time order; each patient begins with the enrolment.
        bad_lines: in line order.
        notes: what was decided for the reader where the file left it open, and what was not used.
        unused: values of records that are otherwise used.
        line_of: event id to the line that it was read from (an enrolment is on none).
        dated: whether TIME was a clock time, so that `ORIGIN` is not its 0.
        file_of: event id to the file, where several were read as one.
    """

    events: tuple[InputEvent, ...]
    bad_lines: tuple[BadLine, ...]
    notes: tuple[str, ...]
    line_of: Mapping[str, int] = field(default_factory=dict)
    dated: bool = False
    unused: tuple[BadLine, ...] = ()
    file_of: Mapping[str, Path] = field(default_factory=dict)

    def by_patient(self) -> dict[str, tuple[InputEvent, ...]]:
        """The events of each patient, in event-time order."""
        found: dict[str, list[InputEvent]] = {}
        for event in self.events:
            found.setdefault(event.patient_id, []).append(event)
        return {patient: tuple(events) for patient, events in found.items()}


def parse_columns(text: str) -> dict[str, str]:
    """A column map as given on the command line: data item or covariate to the file's column.

    >>> parse_columns("TIME=TIME_DAYS, DV=ANC_G_PER_L")
    {'TIME': 'TIME_DAYS', 'DV': 'ANC_G_PER_L'}
    """
    columns: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        item, equals, column = (part.strip() for part in pair.partition("="))
        if not (item and equals and column):
            raise NmtranError(f"column map: {pair!r} is not 'ITEM=COLUMN', as in TIME=TIME_DAYS")
        if item in columns:
            raise NmtranError(f"column map: {item} is given twice ({columns[item]} and {column})")
        columns[item] = column
    return columns


def read_nmtran(
    lines: Iterable[str],
    model: Model,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    prefix: str = "",
    where: Sequence[Condition] = (),
) -> NmtranEvents:
    """Events of every patient in the file (see the module's text for how records are read).

    Args:
        lines: of the file, the header first.
        model: gives DV, CMT, covariates and the unit of TIME their meaning; patients are enrolled with it.
        columns: the file's names for data items and covariates, where they differ.
        output: name of the output that DV holds where there is no DVID.
        prefix: of every patient's id.
        where: what a record must hold to be read.

    Raises:
        NmtranError: the header, the column map, ``output`` or a condition cannot be used.
    """
    reader = _Reader(model, output, prefix)
    reader.gather(read_records(lines, reader.covariate_names, columns or {}, reader.bad_lines, reader.notes, where))
    return reader.told()


def read_joined(
    files: Mapping[Path, Iterable[str]],
    model: Model,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    where: Sequence[Condition] = (),
) -> NmtranEvents:
    """As `read_nmtran`, of the lines of several files, in which one id is one patient.

    Raises:
        NmtranError: as `read_nmtran`, or TIME counts otherwise in one of the files than in another.
    """
    reader = _Reader(model, output)
    for file, lines in files.items():
        found = read_records(lines, reader.covariate_names, columns or {}, reader.bad_lines, reader.notes, where)
        reader.gather(found, file)
    return reader.told()


def read_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    model: Model,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
) -> NmtranEvents:
    """As `read_nmtran`, of a table in memory: names of its columns, and rows of cells as a file would have them.

    Rows are numbered from 0, in `NmtranEvents.bad_lines` and ``line_of`` too.

    Raises:
        NmtranError: as `read_nmtran`.
    """
    reader = _Reader(model, output)
    reader.gather(table_records(header, rows, reader.covariate_names, columns or {}, reader.notes))
    return reader.told()


class _Reader:
    """Reads one file, or several as one; collects notes and the lines that could not be used on the way."""

    def __init__(self, model: Model, output: str | None, prefix: str = "") -> None:
        self.model = model
        self.unit_hours = UNIT_HOURS[model.time_unit]
        self.covariates = {covariate.name: covariate for covariate in model.covariates}
        self.notes: Counter[str] = Counter()
        self.observer = Observer(model, output, self.notes)
        self.bad_lines: list[BadLine] = []
        self.seen: Counter[tuple[str, ...]] = Counter()
        self.line_of: dict[str, int] = {}
        self.file_of: dict[str, Path] = {}
        self.records: dict[str, list[DataRecord]] = {}
        self.counted = "line"
        self.files: list[Path | None] = []
        self.identity = Identity(prefix)
        self.clock = False
        self.unused = Unused()
        self.allowance = Allowance(0)

    @property
    def covariate_names(self) -> tuple[str, ...]:
        return tuple(self.covariates)

    def gather(self, found: Iterable[DataRecord], file: Path | None = None) -> None:
        """Read the records of a file, each in its place; ``file`` is named where there are several."""
        before = len(self.bad_lines)
        known = [record for record in found if self._usable(record, self._identify)]
        for record in known:
            record.file = file
            self.counted = record.counted
        placed, clock = place_in_time(known, self.unit_hours, self.bad_lines, self.notes)
        if self.files and clock != self.clock:
            raise NmtranError(f"TIME is a clock time in one of {self.files[0]} and {file} and elapsed in the other")
        self.clock = clock
        self.files.append(file)
        order, met, previous = RecordOrder(clock, self.notes), set[str](), ""
        for record in placed:
            if not self._usable(record, order.place):
                continue
            if record.patient in met and record.patient != previous:
                self.notes["patients whose lines are apart were taken as one patient each, unlike NM-TRAN"] += 1
            met.add(record.patient)
            previous = record.patient
            self.records.setdefault(record.patient, []).append(record)
        self.bad_lines[before:] = [replace(bad, file=file) for bad in self.bad_lines[before:]]

    def told(self) -> NmtranEvents:
        """What all the records say."""
        self.allowance = Allowance(sum(map(len, self.records.values())))
        events = [event for records in self.records.values() for event in self._patient(records)]
        events.sort(key=lambda event: event.time)  # stable: an enrolment stays before what shares its time
        notes = [*self.identity.notes()]
        notes += [f"{text} ({count}x)" if count > 1 else text for text, count in self.notes.items()]
        notes += self.unused.notes(self.counted)
        bad_lines = tuple(sorted(self.bad_lines, key=lambda bad: (self.files.index(bad.file), bad.line)))
        return NmtranEvents(
            tuple(events),
            bad_lines,
            tuple(notes),
            self.line_of,
            dated=self.clock,
            unused=tuple(self.unused.found),
            file_of=self.file_of,
        )

    # --- one record --------------------------------------------------------------------------------------------------

    def _usable(self, record: DataRecord, examine: Callable[[DataRecord], None]) -> bool:
        try:
            examine(record)
        except BadRecord as error:
            self._refuse(record, error)
            return False
        return True

    def _refuse(self, record: DataRecord, error: BadRecord) -> None:
        self.bad_lines.append(BadLine(record.line, str(error), record.file, record.patient, WHAT[record.evid]))

    def _identify(self, record: DataRecord) -> None:
        """Whose record it is, and of which kind."""
        record.evid = UNTOLD
        record.patient = self.identity.patient_of(record)
        evid = record.integer("EVID")
        if evid is None:
            evid = 1 if record.number("AMT") or record.number("RATE") else 0
        if not 0 <= evid <= 4:
            raise BadRecord(
                f"EVID {evid} is none of 0 (observation), 1 (dose), 2 (covariates), 3 (reset) and 4 (reset and dose)"
            )
        record.evid = evid

    def _patient(self, records: list[DataRecord]) -> list[InputEvent]:
        every: list[tuple[DataRecord, list[InputEvent]]] = []
        characteristics, joined = Characteristics(self.model), Joined()
        for record in merged(records) if len(self.files) > 1 else records:
            try:
                now = characteristics.named(record)
                characteristics.place(record, now)
                said = self._said(record)
            except BadRecord as error:
                self._refuse(record, error)
                continue
            characteristics.stands(record)
            told: list[InputEvent] = []
            for name, value in characteristics.news(record, now):
                quantity = Quantity(value=value, unit=self.covariates[name].unit)
                envelope = self._envelope(record, "covariate", name, apart=record.changed)
                told.append(Covariate(**envelope, name=name, value=quantity))
            try:
                every.append((record, joined.new(record, [*told, *said]) if record.file else [*told, *said]))
            except BadRecord as error:
                self._refuse(record, error)
        events = [*self._begun(every), *without_cancelled(every, self.notes)]
        characteristics.note_contradictions(self.notes)
        if troughs := levels_above_steady(events):
            self.notes[ABOVE_STEADY] += troughs
        if joined.repeated:
            self.notes["facts that stand alike in more than one file count once"] += joined.repeated
        if not any(said for _, said in every):
            return []
        first = min(events, key=lambda event: event.time)
        identity = event_id(SOURCE, first.patient_id, "enrolment", self.model.id)
        enrolled = Enrolment(
            event_id=identity, patient_id=first.patient_id, time=first.time, source=SOURCE, model=self.model.id
        )
        return [enrolled, *events]

    def _begun(self, every: Sequence[tuple[DataRecord, list[InputEvent]]]) -> Iterator[InputEvent]:
        """A patient is followed from the first record on, whatever it says: NONMEM's time begins there."""
        if every:
            first = min((record for record, _ in every), key=lambda record: record.millis)
            yield FollowUpBegun(**self._envelope(first, "follow_up_begun", "") | {"sequence": BEFORE_RECORDS})

    def _said(self, record: DataRecord) -> list[InputEvent]:
        mdv = record.integer("MDV")
        if mdv not in (None, 0, 1):
            raise BadRecord(f"MDV {mdv} is neither 0 nor 1")
        if record.evid in (1, 4) and mdv == 0 and record.text("DV") is not None:
            raise BadRecord(f"a dose record (EVID {record.evid}) with an observation (MDV 0); give them a line each")
        refuse_amount(record)
        said = self._events(record, mdv)
        self.unused.take_down(record, mdv)
        return said

    def _events(self, record: DataRecord, mdv: int | None) -> list[InputEvent]:
        if record.evid in (1, 3, 4):
            doses = [] if record.evid == 3 else list(self._doses(record))
            reset = [] if record.evid == 1 else [StateReset(**self._envelope(record, "state_reset", "every state"))]
            return [*reset, *doses]
        if record.evid == 2:
            compartment(record, self.model)
        if record.evid == 2 or mdv == 1:
            return []
        return self._observation(record, measured=mdv == 0)

    def _doses(self, record: DataRecord) -> Iterable[InputEvent]:
        dose = dose_of(record, self.model, self.unit_hours, self.clock, self.notes)
        duration = None if dose.duration is None else Quantity(value=dose.duration, unit="h")
        steady = None if dose.steady_every is None else Quantity(value=dose.steady_every, unit="h")
        self.allowance.take(len(dose.times) - 1, record)
        for n, hours in enumerate(dose.times):
            yield DoseGiven(
                **self._envelope(record, "dose_given", dose.drug, hours),
                drug=dose.drug,
                route=dose.route,
                amount=Quantity(value=dose.amount, unit="mg"),
                duration=duration,
                steady_every=steady if n == 0 else None,
                state=dose.state,
                keeps=dose.keeps,
            )

    def _observation(self, record: DataRecord, measured: bool) -> list[InputEvent]:
        found = self.observer.observed(record, measured)
        if found is None:
            return []
        output, level = found.output, drug_of(found.output, self.model) is not None
        said: dict[str, Any] = self._envelope(record, "drug_level" if level else "lab_result", output.name)
        said["value"] = Quantity(value=found.value, unit=output.unit)
        event = DrugLevel if level else LabResult
        return [event(**said, analyte=output.name, below_lloq=found.below, above_uloq=found.above)]

    def _envelope(
        self, record: DataRecord, kind: str, name: str, hours: float | None = None, apart: int | None = None
    ) -> dict[str, Any]:
        """Who, when, and an id that is the same however often and wherever in the file the fact stands."""
        millis = record.millis if hours is None else to_record_millis(hours)
        own = millis == record.millis
        apart = record.apart if apart is None else apart
        moment = ORIGIN + timedelta(milliseconds=millis + (apart if own else 0))
        fact = (record.patient, kind, name, moment.isoformat())
        self.seen[fact] += 1
        identity = event_id(SOURCE, *fact, self.seen[fact])
        self.line_of[identity] = record.line
        if record.file is not None:
            self.file_of[identity] = record.file
        sequence = record.sequence if own else BEFORE_RECORDS
        return {
            "event_id": identity,
            "patient_id": record.patient,
            "time": moment,
            "source": SOURCE,
            "sequence": sequence,
        }
