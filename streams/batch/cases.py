"""Records as cases: everything that was recorded about one patient, and the model of that patient's twin.

Files are NDJSON events or NM-TRAN CSV; in memory it is events, or a table in the style of NM-TRAN. A patient may be
spread over several files of events; whether the ids of an NM-TRAN file are those of another file is to be said
(`connectors.feeds.nmtran.several_files`). A case holds its events in one order, by time and then by content, so that it
is the same whatever order they came in; where one event id came with several contents, the first in that order stands.
What cannot be used is handed to the caller as a `Problem`, and the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.characteristics import reference_note, said_by
from connectors.feeds.ndjson import read_ndjson
from connectors.feeds.nmtran.lines.chosen import Condition
from connectors.feeds.nmtran.lines.records import NmtranError
from connectors.feeds.nmtran.reader import NmtranEvents
from connectors.feeds.nmtran.several_files import SameIds, read_files, shared_ids
from connectors.feeds.nmtran.times import ORIGIN
from twin.events import (
    BadEvent,
    Covariate,
    DoseGiven,
    Enrolment,
    InputEvent,
    Measurement,
    PumpDelivery,
    PumpTotals,
    Rejected,
    encode,
    to_millis,
)
from twin.model.spec import Model, ModelError
from twin.modelfile.gates import drugs_used
from twin.modelfile.library import library_ids, load_model
from twin.patient.rivals import Rivals, rivals

EVENT_SUFFIXES = frozenset({".ndjson", ".jsonl", ".json"})
RECORD_SUFFIXES = frozenset({".csv", ".nmtran"})

NAMED = 8
"""Patients that a note names."""


class CaseError(ValueError):
    """The files cannot be read with these arguments; the message says what to change."""


class EventPlace(NamedTuple):
    """Where an event was read: the file, and its line from 1 (``None`` for what no single line says).

    Of what was in memory ``file`` says what it was, and ``line`` is the number of the row or event, from 0.
    """

    file: str
    line: int | None
    counted: str = "line"

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}: {self.counted} {self.line}"


def of_patient(patient_id: str) -> EventPlace:
    """Where what no file says stands: with the patient."""
    return EventPlace(f"patient {patient_id}", None)


class Problem(NamedTuple):
    """Something that was left out, where it stood, and why; whose it was and what, in a word, where that is known.

    Of an ``incidental`` one, a value on a record that is otherwise used, a note has told already.
    """

    place: EventPlace
    reason: str
    patient_id: str = ""
    what: str = ""
    incidental: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class RecordedEvent(NamedTuple):
    """One event as the wire has it, and where it was read. Ordered by time, then content, then place."""

    millis: int
    raw: bytes
    place: EventPlace


@dataclass(frozen=True)
class Case:
    """One patient's record: events in order (see the module's text), each id once, and the model of the twin; with
    ``rivals`` it is the first of those.

    ``zero`` is the ms that the record's own time counts from: that of NM-TRAN's TIME 0, else the patient's first event.
    ``problems`` are what could not be read of the record.
    """

    patient_id: str
    model: Model
    recorded: tuple[RecordedEvent, ...]
    zero: int = 0
    rivals: Rivals | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def models(self) -> Model | Rivals:
        """By which the patient is followed: the model, or the rivals where there are any."""
        return self.rivals or self.model


@dataclass(frozen=True)
class RecordedCases:
    """How files are to be read.

    Attributes:
        model: of every patient; without it the enrolments decide, and NM-TRAN files cannot be read.
        columns: of NM-TRAN files, see `connectors.feeds.nmtran.reader.read_nmtran`.
        output: what DV is in NM-TRAN files without DVID.
        rivals: models to be averaged for every patient; the first of them is ``model``.
        same_ids: what one id in an NM-TRAN file and another file means.
        where: what a record of an NM-TRAN file must hold to be read.
    """

    model: Model | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None
    rivals: Rivals | None = None
    same_ids: SameIds = "refuse"
    where: tuple[Condition, ...] = ()


def refusals(
    patient_id: str,
    events: Sequence[InputEvent],
    recorded: Sequence[RecordedEvent],
    refused: Iterable[BadEvent | Rejected],
) -> tuple[Problem, ...]:
    """What a model could not use of a patient's ``events``, each at the place where it was ``recorded``."""
    told = {event.event_id: (one.place, what_is(event)) for event, one in zip(events, recorded, strict=True)}
    nowhere = of_patient(patient_id), "event"
    return tuple(
        Problem(place, f"{bad.reason}: {bad.detail}", patient_id, what)
        for bad in refused
        for place, what in [told.get(bad.event_id or "", nowhere)]
    )


def what_is(event: InputEvent) -> str:
    """In a word or two what an event says.

    >>> from twin.events import StateReset
    >>> what_is(StateReset.example())
    'state reset'
    """
    match event:
        case DoseGiven():
            return "dose"
        case Measurement():
            return "value"
        case Covariate(name=name):
            return f"covariate {name}"
    return event.kind.replace("_", " ")


Report = Callable[[Problem], None]
Note = Callable[[str], None]
Found = tuple[InputEvent, EventPlace, int | None]
"""An event, where it was read, and the ms of TIME 0 where the record has such a time."""

Gathered = Iterable[Found | Problem]
"""What is read of records, in their order: events, and what could not be used."""


def read_cases(
    files: Sequence[Path], how: RecordedCases, report: Report, note: Note, reached: Callable[[int], None]
) -> tuple[Case, ...]:
    """The cases in ``files``, by patient id.

    Args:
        report: is told of every line or patient that is left out.
        note: is told what the files left open and how it was decided.
        reached: is told how many events have been read.

    Raises:
        CaseError: an NM-TRAN file without a model.
        NmtranError: a header that cannot be used with the column map, or one id in two files of which nothing was said.
        OSError: a file cannot be read.
    """
    return gathered(_in_files(files, how, note), how, report, note, reached)


def gathered(
    found: Gathered, how: RecordedCases, report: Report, note: Note, reached: Callable[[int], None]
) -> tuple[Case, ...]:
    """The cases that events make, wherever they were read, by patient id; arguments are those of `read_cases`."""
    patients: dict[str, _Patient] = {}
    problems: dict[str, list[Problem]] = {}
    count = 0
    for one in found:
        if isinstance(one, Problem):
            problems.setdefault(one.patient_id, []).append(one)
            if not one.incidental:
                report(one)
            continue
        event, place, zero = one
        patients.setdefault(event.patient_id, _Patient()).add(event, place, zero)
        count += 1
        reached(count)
    every = (
        patients[name].case(name, how, report, problems.get(name, ())) for name in sorted(patients, key=in_file_order)
    )
    cases = tuple(case for case in every if case is not None)
    _note_without_doses(cases, patients, note)
    _note_idle_doses(cases, patients, note)
    _note_references(cases, patients, note)
    return cases


def _note_without_doses(cases: Sequence[Case], patients: Mapping[str, _Patient], note: Note) -> None:
    """Say to whom nothing was given by the record, of models in which a dose does something."""
    asked = [case.patient_id for case in cases if drugs_used(case.model)]
    never = [patient_id for patient_id in asked if not patients[patient_id].given]
    if never:
        more = f" and {len(never) - NAMED} more" if len(never) > NAMED else ""
        which = f" ({', '.join(never[:NAMED])}{more})" if len(never) < len(asked) else ""
        note(f"no dose was read of {len(never)} of {len(asked)} patients{which}: they are taken as given nothing")


def _note_idle_doses(cases: Sequence[Case], patients: Mapping[str, _Patient], note: Note) -> None:
    """Say of which drugs of a model doses were read that do nothing in it."""
    for model in {case.model.id: case.model for case in cases}.values():
        idle = set(model.drugs) - drugs_used(model)
        own = [patients[case.patient_id].given for case in cases if case.model.id == model.id]
        for drug in sorted(idle & set().union(*own)):
            whose = f"{sum(drug in given for given in own)} of {len(own)} patients"
            why = f"it enters no state and is in no formula; write input({drug}) in the derivative of its state"
            note(f"doses of {drug} in {whose} do nothing in {model.id}: {why}")


def _note_references(cases: Sequence[Case], patients: Mapping[str, _Patient], note: Note) -> None:
    """Say which covariates of each model stand at their reference."""
    models = {case.model.id: case.model for case in cases}
    for model in models.values():
        said = {case.patient_id: patients[case.patient_id].said for case in cases if case.model.id == model.id}
        if (text := reference_note(model, said)) is not None:
            note(text)


def in_file_order(patient_id: str) -> tuple[tuple[str | int, ...], str]:
    """Key by which ids are sorted as people count: numbers in them by their size.

    >>> sorted(["P-10", "P-2", "10", "9"], key=in_file_order)
    ['9', '10', 'P-2', 'P-10']
    """
    parts = re.split(r"([0-9]+)", patient_id)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), patient_id


def require_files(files: Iterable[Path]) -> None:
    """Refuse what is no file.

    Raises:
        CaseError: names the first that is none.
    """
    for file in files:
        if not file.is_file():
            raise CaseError(f"{file}: {'is a folder' if file.is_dir() else 'there is no such file'}; name a file")


def holds_events(file: Path) -> bool:
    """Whether the file is NDJSON rather than NM-TRAN, by its suffix, else by whether its text begins with a brace."""
    suffix = file.suffix.lower()
    if suffix in EVENT_SUFFIXES | RECORD_SUFFIXES:
        return suffix in EVENT_SUFFIXES
    with file.open("rb") as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _in_files(files: Sequence[Path], how: RecordedCases, note: Note) -> Gathered:
    records = [file for file in files if not holds_events(file)]
    if records and how.model is None:
        said = f"{records[0]} is an NM-TRAN file: name the model that says what TIME, DV and CMT are, with --model"
        raise CaseError(said)
    known: frozenset[str] = frozenset()
    if how.model is not None and records:
        readings = read_files(records, how.model, how.columns, how.output, how.same_ids, how.where)
        for name, reading in readings:
            known |= frozenset(reading.by_patient())
            yield from recorded_in(reading, name, "line", note)
    for file in files:
        if file in records:
            continue
        for found in _events(file):
            if not isinstance(found, Problem) and found[0].patient_id in known and how.same_ids != "join":
                where = f"{file} and {' or '.join(map(str, records))} both have"
                raise NmtranError(shared_ids(where, frozenset({found[0].patient_id})))
            yield found


def _events(file: Path) -> Gathered:
    name = str(file)
    with file.open("rb") as stream:
        for number, found in read_ndjson(stream):
            if isinstance(found, BadLine):
                yield Problem(EventPlace(name, number), found.reason)
            else:
                yield found, EventPlace(name, number), None


def recorded_in(reading: NmtranEvents, name: str, counted: Literal["line", "row"], note: Note) -> Gathered:
    """What was read of a record in the style of NM-TRAN that is called ``name``, its lines or rows ``counted``."""
    for text in reading.notes:
        note(f"{name}: {text}")
    for bad in reading.bad_lines:
        yield Problem(EventPlace(str(bad.file or name), bad.line, counted), bad.reason, bad.patient, bad.what)
    for bad in reading.unused:
        place = EventPlace(str(bad.file or name), bad.line, counted)
        yield Problem(place, bad.reason, bad.patient, bad.what, incidental=True)
    zero = None if reading.dated else to_millis(ORIGIN)
    for event in reading.events:
        file = str(reading.file_of.get(event.event_id, name))
        yield event, EventPlace(file, reading.line_of.get(event.event_id), counted), zero


class _Patient:
    """Collects one patient's events from all files."""

    def __init__(self) -> None:
        self._recorded: list[RecordedEvent] = []
        self._enrolments: dict[RecordedEvent, Enrolment] = {}
        self._ids: dict[bytes, str] = {}
        self.said: frozenset[str] = frozenset()
        self.given: set[str] = set()
        self._zero: int | None = None

    def add(self, event: InputEvent, place: EventPlace, zero: int | None) -> None:
        recorded = RecordedEvent(to_millis(event.time), encode(event), place)
        self._recorded.append(recorded)
        self._zero = self._zero if zero is None else zero
        self._ids[recorded.raw] = event.event_id
        self.said |= said_by([event])
        if isinstance(event, DoseGiven | PumpDelivery | PumpTotals):
            self.given.add(event.drug)
        if isinstance(event, Enrolment):
            self._enrolments[recorded] = event

    def case(
        self, patient_id: str, how: RecordedCases, report: Report, problems: Sequence[Problem] = ()
    ) -> Case | None:
        """The patient's case, or ``None`` with a report when no model is named for it."""
        recorded = self._each_once(report)
        enrolled = self._enrolled(recorded, how.rivals or how.model, report)
        if enrolled is None:
            reason = (
                f"patient {patient_id} is left out ({len(recorded)} events): no usable enrolment; name one with --model"
            )
            report(Problem(EventPlace(self._recorded[0].place.file, None), reason, patient_id))
            return None
        chosen, refused = enrolled
        zero = min(self._recorded).millis if self._zero is None else self._zero
        model, rivals = (chosen.models[0], chosen) if isinstance(chosen, Rivals) else (chosen, None)
        usable = tuple(one for one in recorded if one not in refused)
        return Case(patient_id, model, usable, zero, rivals, tuple(problems))

    def _each_once(self, report: Report) -> list[RecordedEvent]:
        """In order, repeats left out; of an id with several contents the first, the others reported."""
        kept: dict[str, RecordedEvent] = {}
        for recorded in sorted(self._recorded):
            first = kept.setdefault(self._ids[recorded.raw], recorded)
            if first.raw != recorded.raw:
                reason = (
                    f"event_id '{self._ids[recorded.raw]}' has other content at {first.place}; give it an id of its own"
                )
                report(Problem(recorded.place, reason))
        return list(kept.values())

    def _enrolled(
        self, recorded: Sequence[RecordedEvent], model: Model | Rivals | None, report: Report
    ) -> tuple[Model | Rivals, frozenset[RecordedEvent]] | None:
        """The twin's model or rival ones, and enrolments that cannot be followed: of others, or unknown."""
        refused = set()
        for one in recorded:
            enrolment = self._enrolments.get(one)
            if enrolment is None or enrolment.status == "retracted":
                continue
            if model is None:
                try:
                    model = _library_models(enrolment.model)
                except ModelError as error:
                    refused.add(one)
                    report(Problem(one.place, str(error)))
            elif enrolment.model not in _known_as(model):
                refused.add(one)
                reason = f"field 'model': the twin is of {model.id!r}, this enrolment names {enrolment.model!r}"
                report(Problem(one.place, reason))
        return None if model is None else (model, frozenset(refused))


def _known_as(model: Model | Rivals) -> set[str]:
    """What an enrolment may call a model: its id, or rival ones all together or any one of them."""
    return {model.id} | ({one.id for one in model.models} if isinstance(model, Rivals) else set())


def _library_models(name: str) -> Model | Rivals:
    """The model of that name, or rival ones, ``A,B,C``."""
    names = name.split(",")
    return rivals([_library_model(one) for one in names]) if len(names) > 1 else _library_model(name)


def _library_model(name: str) -> Model:
    """A model of the library; an event must not make us read a path."""
    if name.endswith(".toml") and name not in library_ids():
        raise ModelError(name, "", "an enrolment names a model of the library; give your own file with --model")
    return load_model(name, mixtures=True)
