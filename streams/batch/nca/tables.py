"""What noncompartmental analyses tell of a data set, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streams.batch.nca.rows import Dose, Sample, Subject, since
from streams.batch.tables import Cell, Table
from twin.nca.parameters import analyse
from twin.nca.profile import NcaError, profile_of
from twin.nca.sparse import SparseArea, sparse_area
from twin.nca.terminal import terminal_between
from twin.nca.trapezoids import Rule
from twin.nca.units import MEANINGS, Units, meaning_of
from twin.nca.urine import excretion


class HowAnalysed(NamedTuple):
    """What lies between values, the terminal stretch if it is not sought, areas of their own, and the units."""

    units: Units
    rule: Rule = "linear_up_log_down"
    terminal: tuple[float, float] | None = None
    intervals: tuple[tuple[float, float], ...] = ()


class Analysed(NamedTuple):
    """One dose of a patient: its number from 1, its time, what was found, or why nothing was.

    Attributes:
        remarks: of the analysis; the only one where nothing was found.
    """

    patient: str
    number: int
    time: float
    found: dict[str, float]
    remarks: tuple[str, ...]


def analysed(subjects: dict[str, Subject], how: HowAnalysed) -> list[Analysed]:
    """A result for each dose that values follow, and for each patient without one."""
    return [one for patient, subject in subjects.items() for one in _of_patient(patient, subject, how)]


def _of_patient(patient: str, subject: Subject, how: HowAnalysed) -> Iterator[Analysed]:
    doses = sorted(subject.doses, key=lambda dose: dose.time)
    told = False
    for number, dose in enumerate(doses, start=1):
        until = doses[number].time if number < len(doses) else None
        samples = since(dose, until, subject.samples)
        if any(sample.time > 0.0 for sample in samples):
            told = True
            found, remarks = _of_dose(dose, samples, how, first=number == 1)
            yield Analysed(patient, number, dose.time, found, remarks)
    if not told:
        why = "no value follows a dose" if doses else "no dose: give one in the file or for all patients"
        yield Analysed(patient, 0, 0.0, {}, (why,))


def _of_dose(
    dose: Dose, samples: Sequence[Sample], how: HowAnalysed, *, first: bool
) -> tuple[dict[str, float], tuple[str, ...]]:
    try:
        profile = profile_of(
            [sample.time for sample in samples],
            [sample.value for sample in samples],
            dose.amount,
            dose.route,
            below=[sample.below for sample in samples],
            duration=dose.duration,
            tau=dose.tau,
            alone=first or dose.tau is not None,
        )
        line = None if how.terminal is None else terminal_between(profile, *how.terminal)
        result = analyse(profile, how.rule, line, how.intervals)
    except NcaError as error:
        return {}, (str(error),)
    return how.units.carried(result.found), result.remarks


def excreted(subjects: dict[str, Subject], how: HowAnalysed, volume: str) -> list[Analysed]:
    """A result for each patient's collections after the only dose, of volumes in this unit (UCUM).

    Raises:
        NcaError: a concentration times such a volume is no dose.
    """
    amount = how.units.amount_in(volume)
    found = []
    for patient, subject in subjects.items():
        if len(subject.doses) != 1:
            told: dict[str, float] = {}
            remarks: tuple[str, ...] = (f"{len(subject.doses)} doses: the urine of one dose can be analysed",)
        else:
            told, remarks = _collected(subject, how, amount)
        found.append(Analysed(patient, 1, subject.doses[0].time if subject.doses else 0.0, told, remarks))
    return found


def _collected(subject: Subject, how: HowAnalysed, amount: float) -> tuple[dict[str, float], tuple[str, ...]]:
    dose, collections = subject.doses[0], subject.collections
    try:
        result = excretion(
            [one.begin - dose.time for one in collections],
            [one.end - dose.time for one in collections],
            [one.concentration * one.volume * amount for one in collections],
            dose.amount,
            how.rule,
        )
    except NcaError as error:
        return {}, (str(error),)
    return result.found, result.remarks


def together(subjects: dict[str, Subject]) -> SparseArea:
    """The area under the means of all patients after their first dose.

    Raises:
        NcaError: see `twin.nca.sparse.sparse_area`; or a patient without a dose.
    """
    patients: list[str] = []
    times: list[float] = []
    values: list[float] = []
    from_nothing = True
    for patient, subject in subjects.items():
        doses = sorted(subject.doses, key=lambda dose: dose.time)
        if not doses:
            raise NcaError(f"patient {patient} has no dose: give one in the file or for all patients")
        from_nothing = from_nothing and doses[0].route != "bolus" and doses[0].tau is None
        for sample in since(doses[0], doses[1].time if len(doses) > 1 else None, subject.samples):
            patients.append(patient)
            times.append(sample.time)
            values.append(0.0 if sample.below else sample.value)
    return sparse_area(patients, times, values, from_nothing=from_nothing)


def parameter_table(results: Sequence[Analysed]) -> Table:
    """A row a dose, a column a parameter."""
    table: dict[str, list[Cell]] = {
        "ID": [one.patient for one in results],
        "dose_number": [one.number or None for one in results],
        "dose_time": [one.time if one.number else None for one in results],
    }
    for name in names_of(results):
        table[name] = [one.found.get(name) for one in results]
    table["remarks"] = ["; ".join(one.remarks) for one in results]
    return table


def wide_table(results: Sequence[Analysed], units: Units) -> Table:
    """As `parameter_table`; each column is called by its parameter and, but for plain numbers, its unit."""
    named = {name: units.of(name) for name in names_of(results)}
    return {
        name if named.get(name, "1") == "1" else f"{name} [{named[name]}]": cells
        for name, cells in parameter_table(results).items()
    }


def long_table(results: Sequence[Analysed], units: Units) -> Table:
    """A row a parameter, as CDISC's domain PP has them: name, code, value and unit."""
    rows = [(one, name) for one in results for name in names_of(results) if name in one.found]
    return {
        "ID": [one.patient for one, _ in rows],
        "dose_number": [one.number for one, _ in rows],
        "parameter": [name for _, name in rows],
        "code": [meaning_of(name).code for _, name in rows],
        "value": [one.found[name] for one, name in rows],
        "unit": [units.of(name) for _, name in rows],
    }


def names_of(results: Sequence[Analysed]) -> list[str]:
    """The parameters that were found anywhere, in the order in which they are shown."""
    found = {name for one in results for name in one.found}
    own = sorted(found - MEANINGS.keys(), key=lambda name: [float(part) for part in name.split("_")[1:]])
    return [name for name in MEANINGS if name in found] + own
