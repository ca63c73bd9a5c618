"""NM-TRAN feed: a pharmacometrician's data file becomes typed events, one fact an event.

The file is comma-separated, one record a line, under a header that names the columns; a column map translates other
names (``TIME=TIME_DAYS,AMT=AMT_6MP``). How records are read:

- *Lines.* ``#`` begins a comment anywhere; ``C`` does where the first column is ``ID`` or ``C``, as with NM-TRAN's
  ``IGNORE=C``. A cell that is empty or ``.`` is missing. A line that cannot be used is reported and left out whole.
- *Time.* ``TIME`` counts in the model's unit of time from `ORIGIN`. Records of a patient need no order.
- *Events.* ``EVID`` 0 is an observation unless ``MDV`` is 1, 1 a dose, 2 a change of covariates alone. Without
  ``EVID`` a record with ``AMT`` is a dose. Resets (3 and 4) are refused, and with them what the same patient's later
  lines say: it would be read against amounts that the reset took away.
- *Doses.* ``AMT`` is in mg, as recorded (a model may declare a scale of its own). ``RATE`` above 0 makes an infusion of
  ``AMT / RATE``. ``ADDL`` and ``II`` are written out. ``SS`` and the modelled rates -1 and -2 are refused. The drug is
  the one that enters the state number ``CMT``, and without ``CMT`` the model's main drug.
- *Observations.* ``DV`` is in the unit of the model's output; a count of 0 stands for one too low to count. Which
  output: ``DVID`` n is the n-th output (or its name); else the ``output`` asked for; else the output that reads state
  number ``CMT``; else the model's only output; else its first, and a note says so.
- *Covariates.* A column named as a covariate of the model holds from its record on until another value (NONMEM uses
  the next record's value between two records; the difference matters only where a covariate changes).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.feeds.analytes import drug_of
from connectors.feeds.lines import BadLine
from connectors.feeds.records import BadRecord, NmtranError, Record, read_records, whole_number
from twin.events import Covariate, DoseGiven, DrugLevel, Enrolment, InputEvent, LabResult, Quantity, event_id
from twin.expressions import names_in
from twin.models import Model, OutputSpec
from twin.specification import Route
from twin.structure import input_calls

ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""The moment that ``TIME`` 0 stands for: records carry no dates."""

SOURCE = "nmtran"

MOST_ADDITIONAL_DOSES = 10_000
LONGEST_YEARS = 100
ROUTES: tuple[Route, ...] = ("iv", "oral", "sc", "im", "ip")
_HOURS = {"h": 1.0, "d": 24.0}
_PATIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Reading:
    """What a file says.

    Attributes:
        events: in event-time order; each patient begins with the enrolment.
        bad_lines: in line order.
        notes: what was decided for the reader where the file left it open.
        line_of: event id to the line that it was read from (an enrolment is on none).
    """

    events: tuple[InputEvent, ...]
    bad_lines: tuple[BadLine, ...]
    notes: tuple[str, ...]
    line_of: Mapping[str, int] = field(default_factory=dict)

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
    lines: Iterable[str], model: Model, columns: Mapping[str, str] | None = None, output: str | None = None
) -> Reading:
    """Events of every patient in the file (see the module's text for how records are read).

    Args:
        lines: of the file, the header first.
        model: gives DV, CMT, covariates and the unit of TIME their meaning; patients are enrolled with it.
        columns: the file's names for data items and covariates, where they differ.
        output: name of the output that DV holds where there is no DVID.

    Raises:
        NmtranError: the header, the column map or ``output`` cannot be used.
    """
    return _Reader(model, output).read(lines, columns or {})


class _Reader:
    """Reads one file; collects notes and the lines that could not be used on the way."""

    def __init__(self, model: Model, output: str | None) -> None:
        self.model = model
        self.asked = None if output is None else self._output_named(output)
        if output is not None and self.asked is None:
            raise NmtranError(f"output {output!r} is not in {model.id}; it has {self._listed(model.outputs)}")
        self.covariates = {covariate.name: covariate.unit for covariate in model.covariates}
        self.notes: Counter[str] = Counter()
        self.bad_lines: list[BadLine] = []
        self.seen: Counter[tuple[str, ...]] = Counter()
        self.line_of: dict[str, int] = {}

    def read(self, lines: Iterable[str], columns: Mapping[str, str]) -> Reading:
        patients: dict[str, list[Record]] = {}
        resets: dict[str, int] = {}
        previous = ""
        for record in read_records(lines, tuple(self.covariates), columns, self.bad_lines, self.notes):
            try:
                self._place(record)
                self._refuse_resets(record, resets)
            except BadRecord as error:
                self.bad_lines.append(BadLine(record.line, str(error)))
                continue
            if record.patient in patients and record.patient != previous:
                self.notes["patients whose lines are apart were taken as one patient each, unlike NM-TRAN"] += 1
            previous = record.patient
            patients.setdefault(record.patient, []).append(record)
        events = [event for records in patients.values() for event in self._patient(records)]
        events.sort(key=lambda event: event.time)  # stable: an enrolment stays before what shares its time
        notes = tuple(f"{text} ({count}x)" if count > 1 else text for text, count in self.notes.items())
        bad_lines = tuple(sorted(self.bad_lines, key=lambda bad: bad.line))
        return Reading(tuple(events), bad_lines, notes, self.line_of)

    # --- one record --------------------------------------------------------------------------------------------------

    def _place(self, record: Record) -> None:
        """Whose record it is, when, and of which kind."""
        patient = record.text("ID")
        if patient is None:
            raise BadRecord("ID is missing")
        patient = whole_number(patient) or patient
        if not _PATIENT.fullmatch(patient):
            raise BadRecord(f"ID {patient!r}: use letters, digits, '.', '_' and '-', at most 64")
        record.patient = patient
        time = record.number("TIME")
        if time is None:
            raise BadRecord("TIME is missing")
        if abs(time) * _HOURS[self.model.time_unit] > LONGEST_YEARS * 8766:
            raise BadRecord(f"TIME {time:g} {self.model.time_unit} is more than {LONGEST_YEARS} years from 0")
        record.time = time
        evid = record.integer("EVID")
        if evid is None:
            evid = 1 if record.number("AMT") or record.number("RATE") else 0
        if not 0 <= evid <= 4:
            raise BadRecord(f"EVID {evid} is none of 0 (observation), 1 (dose), 2 (covariates)")
        record.evid = evid

    @staticmethod
    def _refuse_resets(record: Record, resets: dict[str, int]) -> None:
        if record.patient in resets:
            raise BadRecord(f"follows the reset of patient {record.patient} at line {resets[record.patient]}")
        if record.evid in (3, 4):
            resets[record.patient] = record.line
            raise BadRecord(
                f"EVID {record.evid} (reset) is not supported; give the part after it as a patient of its own"
            )

    def _patient(self, records: list[Record]) -> list[InputEvent]:
        events: list[InputEvent] = []
        holding: dict[str, float] = {}
        # Records of one instant go by their content, so that their ids are the same in any order of lines.
        for record in sorted(records, key=lambda record: (record.time, record.cells)):
            try:
                said = self._said(record)
                now = {name: value for name in self.covariates if (value := record.number(name)) is not None}
                if any(value < 0 for value in now.values()):
                    raise BadRecord("; ".join(f"{name} {v:g} is negative" for name, v in now.items() if v < 0))
            except BadRecord as error:
                self.bad_lines.append(BadLine(record.line, str(error)))
                continue
            for name, value in now.items():
                if holding.get(name) != value:
                    quantity = Quantity(value=value, unit=self.covariates[name])
                    events.append(Covariate(**self._envelope(record, "covariate", name), name=name, value=quantity))
            holding |= now
            events += said
        if not events:
            return []
        first = min(events, key=lambda event: event.time)
        identity = event_id(SOURCE, first.patient_id, "enrolment", self.model.id)
        enrolled = Enrolment(
            event_id=identity, patient_id=first.patient_id, time=first.time, source=SOURCE, model=self.model.id
        )
        return [enrolled, *events]

    def _said(self, record: Record) -> list[InputEvent]:
        mdv = record.integer("MDV")
        if mdv not in (None, 0, 1):
            raise BadRecord(f"MDV {mdv} is neither 0 nor 1")
        if record.evid == 1:
            if mdv == 0 and record.text("DV") is not None:
                raise BadRecord("a dose record (EVID 1) with an observation (MDV 0); give them a line each")
            return list(self._doses(record))
        if record.evid == 2 or mdv == 1:
            return []
        return self._observation(record, measured=mdv == 0)

    def _envelope(self, record: Record, kind: str, name: str, time: float | None = None) -> dict[str, Any]:
        """Who, when, and an id that is the same however often and wherever in the file the fact stands."""
        hours = (record.time if time is None else time) * _HOURS[self.model.time_unit]
        moment = ORIGIN + timedelta(milliseconds=round(hours * 3_600_000))
        fact = (record.patient, kind, name, moment.isoformat())
        self.seen[fact] += 1
        identity = event_id(SOURCE, *fact, self.seen[fact])
        self.line_of[identity] = record.line
        return {"event_id": identity, "patient_id": record.patient, "time": moment, "source": SOURCE}

    # --- doses -------------------------------------------------------------------------------------------------------

    def _doses(self, record: Record) -> Iterable[InputEvent]:
        steady = record.number("SS")
        if steady:
            raise BadRecord(f"SS {steady:g} (steady state) is not supported; write the doses before it out")
        amount, rate = record.number("AMT"), record.number("RATE") or 0.0
        if amount is None or amount <= 0:
            shown = "missing" if amount is None else f"{amount:g}"
            raise BadRecord(f"AMT of a dose is {shown}; it must be above 0 mg")
        if rate < 0:
            named = {-1.0: " (modelled rate)", -2.0: " (modelled duration)"}.get(rate, "")
            raise BadRecord(f"RATE {rate:g}{named} is not supported; give the rate itself, or 0 for a dose at once")
        drug, route = self._drug(record)
        additional, interval = record.integer("ADDL") or 0, record.number("II") or 0.0
        if not 0 <= additional <= MOST_ADDITIONAL_DOSES:
            raise BadRecord(f"ADDL {additional} is outside 0 to {MOST_ADDITIONAL_DOSES}")
        if additional and interval <= 0:
            raise BadRecord(f"ADDL {additional} needs II, the interval of the doses, above 0")
        last = (record.time + additional * interval) * _HOURS[self.model.time_unit]
        if abs(last) > LONGEST_YEARS * 8766:
            raise BadRecord(f"ADDL {additional} with II {interval:g} goes more than {LONGEST_YEARS} years from 0")
        duration = Quantity(value=amount / rate, unit=self.model.time_unit) if rate > 0 else None
        for n in range(additional + 1):
            envelope = self._envelope(record, "dose_given", drug, record.time + n * interval)
            way: Route = "iv" if duration is not None else route
            given = Quantity(value=amount, unit="mg")
            yield DoseGiven(**envelope, drug=drug, route=way, amount=given, duration=duration)

    def _drug(self, record: Record) -> tuple[str, Route]:
        """The drug that ``CMT`` receives, and the route of a dose of it given at once."""
        number = record.integer("CMT") or 0
        if number == 0:
            return self.model.drug, self._route(self.model.drug)
        if not 1 <= number <= len(self.model.states):
            raise BadRecord(f"CMT {number}: {self.model.id} has states 1 to {len(self.model.states)}")
        state = self.model.states[number - 1]
        entering = [call[call.index("(") + 1 : -1].split(", ") for call in input_calls(state.derivative)]
        if not entering:
            raise BadRecord(f"CMT {number} ({state.name}) takes no dose in {self.model.id}")
        drug, *routes = entering[0]
        return drug, next((route for route in ROUTES if route in routes), self._route(drug))

    def _route(self, drug: str) -> Route:
        return next((regimen.route for regimen in self.model.regimens if regimen.drug == drug), "iv")

    # --- observations ------------------------------------------------------------------------------------------------

    def _observation(self, record: Record, measured: bool) -> list[InputEvent]:
        if record.number("AMT"):
            raise BadRecord("an observation (EVID 0) with AMT; a dose needs EVID 1")
        for item in ("CENS", "BLQ"):
            if record.number(item):
                raise BadRecord(f"{item} {record.text(item)}: censored observations are not supported; leave it out")
        value = record.number("DV")
        if value is None and measured:
            raise BadRecord("DV is missing, but MDV 0 says that it was measured")
        if value is None:
            self.notes["observations without DV were passed over"] += 1
            return []
        output = self._output(record)
        if value < 0:
            raise BadRecord(f"DV {value:g} cannot be {output.name}: it is negative; leave it out or correct it")
        level = drug_of(output, self.model) is not None
        if value == 0 and level and output.error.kind == "log_additive":
            why = "it has no logarithm, and the model's error is on the log scale"
            raise BadRecord(f"DV 0 cannot be {output.name}: {why}; leave it out or correct it")
        if value == 0 and not level:
            self.notes[f"{output.name} of 0: known only to be too few to count"] += 1
        quantity = Quantity(value=value, unit=output.unit)
        if level:
            return [DrugLevel(**self._envelope(record, "drug_level", output.name), analyte=output.name, value=quantity)]
        return [LabResult(**self._envelope(record, "lab_result", output.name), analyte=output.name, value=quantity)]

    def _output(self, record: Record) -> OutputSpec:
        outputs = self.model.outputs
        if (identifier := record.text("DVID")) is not None:
            named = self._output_named(identifier)
            if named is not None:
                return named
            number = record.integer("DVID") or 0
            if not 1 <= number <= len(outputs):
                raise BadRecord(f"DVID {number}: outputs 1 to {len(outputs)} are {self._listed(outputs)}")
            return outputs[number - 1]
        if self.asked is not None:
            return self.asked
        if len(outputs) == 1:
            return outputs[0]
        if number := record.integer("CMT") or 0:
            return self._output_of_state(number)
        self.notes[f"DV without DVID, CMT or a chosen output was taken as {outputs[0].name}"] += 1
        return outputs[0]

    def _output_of_state(self, number: int) -> OutputSpec:
        if not 1 <= number <= len(self.model.states):
            raise BadRecord(f"CMT {number}: {self.model.id} has states 1 to {len(self.model.states)}")
        state = self.model.states[number - 1].name
        for output in self.model.outputs:
            if state in names_in(output.expression):
                return output
        raise BadRecord(f"CMT {number} ({state}) is read by no output of {self.model.id}; give DVID instead")

    def _output_named(self, name: str) -> OutputSpec | None:
        return next((output for output in self.model.outputs if name in (output.name, *output.aliases)), None)

    @staticmethod
    def _listed(outputs: Iterable[OutputSpec]) -> str:
        return ", ".join(output.name for output in outputs)
