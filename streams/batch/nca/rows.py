"""The rows of a data set as doses and values of patients.

Rows are NM-TRAN's (`connectors.feeds.nmtran.lines.records`), but no model gives them a meaning: TIME counts in the unit
of the data set, and DV is a concentration. A row that cannot be used is left out and said; the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord, NmtranError
from connectors.feeds.nmtran.times import place_in_time
from twin.nca.profile import Route

COLLECTIONS = ("END", "VOLUME")
"""Columns of collected urine besides NM-TRAN's."""


class HowGiven(NamedTuple):
    """What the rows leave open of doses.

    Attributes:
        route: of doses that do not last; ``None`` where every dose says how long it lasted.
        amount: of each patient's one dose at TIME 0, where the rows tell of none.
        duration: of that dose.
        tau: interval of doses at steady state, where no II beside SS says it.
        lower_limit: of quantification, where no column LLOQ says it.
    """

    route: Route | None = None
    amount: float | None = None
    duration: float = 0.0
    tau: float | None = None
    lower_limit: float | None = None


@dataclass(frozen=True)
class Dose:
    """A dose, when and how; ``tau`` is its interval at steady state. ``line`` is where it stands."""

    line: int
    time: float
    amount: float
    route: Route
    duration: float
    tau: float | None


@dataclass(frozen=True)
class Sample:
    """A concentration; ``below`` the limit of quantification it says nothing. ``line`` is where it stands."""

    line: int
    time: float
    value: float
    below: bool


@dataclass(frozen=True)
class Collection:
    """Urine of a time: its concentration and volume."""

    line: int
    begin: float
    end: float
    concentration: float
    volume: float


@dataclass
class Subject:
    """What is said of one patient, in the order of the rows."""

    doses: list[Dose] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    collections: list[Collection] = field(default_factory=list)


def rows_of(
    found: Iterable[DataRecord],
    how: HowGiven,
    bad: list[BadLine],
    notes: Counter[str],
    *,
    hours: bool = True,
    urine: bool = False,
) -> dict[str, Subject]:
    """Patients by id, in the order of the file.

    Args:
        found: rows, as `connectors.feeds.nmtran.lines.records` reads them; of urine with `COLLECTIONS`.
        how: what the rows leave open.
        bad: takes rows that cannot be used.
        notes: takes remarks.
        hours: whether TIME counts hours; clock times and dates can be read then alone.
        urine: whether each value is of urine collected from TIME to END, of a VOLUME.

    Raises:
        NmtranError: header or column map cannot be used, TIME is a clock time and its unit is not the hour, or a dose
            for all patients does not fit.
    """
    placed, clock = place_in_time([record for record in found if _named(record, bad)], 1.0, bad, notes)
    if clock and not hours:
        raise NmtranError("TIME is a clock time: the unit of time is the hour then")
    subjects: dict[str, Subject] = {}
    for record in placed:
        subject = subjects.setdefault(record.patient, Subject())
        try:
            if record.evid in (1, 4):
                subject.doses.extend(_doses(record, how))
            elif record.evid == 0:
                _measured(record, subject, how, urine=urine)
        except BadRecord as error:
            bad.append(BadLine(record.line, str(error), patient=record.patient))
    if how.amount is not None:
        _give_all(subjects, how)
    return subjects


def _named(record: DataRecord, bad: list[BadLine]) -> bool:
    """Whose row it is and what it tells, or why it cannot be said."""
    try:
        patient = record.text("ID")
        if patient is None:
            raise BadRecord("ID is missing")
        evid = record.integer("EVID")
        record.patient = patient
        record.evid = (1 if (record.number("AMT") or 0.0) > 0.0 else 0) if evid is None else evid
        if record.evid not in range(5):
            raise BadRecord(f"EVID {record.evid}: it is one of 0 to 4")
    except BadRecord as error:
        bad.append(BadLine(record.line, str(error), patient=record.text("ID") or ""))
        return False
    return True


def _doses(record: DataRecord, how: HowGiven) -> list[Dose]:
    amount = record.number("AMT")
    if amount is None or amount <= 0.0:
        raise BadRecord(f"AMT {record.text('AMT') or 'is missing'}: a dose has a positive amount")
    rate, duration = record.number("RATE") or 0.0, record.number("DUR") or 0.0
    if rate < 0.0 or duration < 0.0:
        raise BadRecord(f"RATE {rate:g}, DUR {duration:g}: how long the infusion lasted has to be known")
    lasted = amount / rate if rate else duration
    route: Route | None = "infusion" if lasted else how.route
    if route is None or (route == "infusion" and not lasted):
        raise BadRecord(f"the dose of {amount:g} has no RATE or DUR: say how it was given (extravascular, bolus)")
    every, more = record.number("II") or 0.0, record.integer("ADDL") or 0
    if more and every <= 0.0:
        raise BadRecord(f"ADDL {more} without an interval: give II")
    tau = (every or how.tau) if record.integer("SS") else how.tau
    if record.integer("SS") and not tau:
        raise BadRecord("SS without an interval: give II")
    return [Dose(record.line, record.hours + n * every, amount, route, lasted, tau) for n in range(more + 1)]


def _measured(record: DataRecord, subject: Subject, how: HowGiven, *, urine: bool) -> None:
    if record.integer("MDV"):
        return
    value = record.number("DV")
    limit = record.number("LLOQ") if record.has("LLOQ") else how.lower_limit
    below = record.says("CENS") or record.says("BLQ")
    if value is None and not below:
        return
    found = 0.0 if value is None else value
    below = below or (limit is not None and found < limit)
    if not urine:
        subject.samples.append(Sample(record.line, record.hours, found, below))
        return
    end, volume = record.number("END"), record.number("VOLUME")
    if end is None or volume is None or volume < 0.0:
        raise BadRecord("a collection of urine needs END and a VOLUME that is not negative")
    subject.collections.append(Collection(record.line, record.hours, end, 0.0 if below else found, volume))


def _give_all(subjects: Mapping[str, Subject], how: HowGiven) -> None:
    """The one dose at TIME 0 of patients of whom no row tells any."""
    assert how.amount is not None, "it is asked for"
    route: Route | None = "infusion" if how.duration else how.route
    if route is None:
        raise NmtranError("the dose of all patients: say how it was given, or how long it lasted")
    for patient, subject in subjects.items():
        if subject.doses:
            raise NmtranError(f"patient {patient} has doses of their own in the file: give no dose for all")
        subject.doses.append(Dose(0, 0.0, how.amount, route, how.duration, how.tau))


def since(dose: Dose, until: float | None, samples: Sequence[Sample]) -> list[Sample]:
    """What was measured from a dose to the next at ``until``, its times since the dose.

    A value at the very time of a dose closes the interval before it; it begins the one after it, unless it stands above
    a bolus and so was drawn before it.
    """

    def belongs(sample: Sample) -> bool:
        if sample.time == dose.time:
            return dose.route != "bolus" or sample.line > dose.line
        return sample.time > dose.time and (until is None or sample.time <= until)

    return [
        Sample(sample.line, sample.time - dose.time, sample.value, sample.below)
        for sample in samples
        if belongs(sample)
    ]
