"""Recorded cases to tables of individual estimates: one row a patient, and one row a measured value.

Patients are independent and go to worker processes in batches; the rows are written in the order of the patients, so
the files depend on the cases alone, not on how many processes there were. A patient that fails is reported and has no
rows; the rest goes on. Files are written beside the old ones and take their place when they are complete.
"""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.batch.cases import Case, Problem, RecordedEvent, Report, of_patient, refusals
from streams.batch.process_pool import in_processes, model_of
from twin.clock import UNIT_MS
from twin.events import decode
from twin.model.spec import Model

if TYPE_CHECKING:
    from twin.study.diagnostics import Diagnosis

PREDICTION_COLUMNS = ("ID", "TIME", "DV", "PRED", "IPRED", "IWRES", "NPDE", "OUTPUT")
"""Columns of the table of measured values; `OUTPUT` names what was measured."""

BATCHES = 8
"""Batches a process, so that all end at about the same time."""

LARGEST_BATCH = 50
"""Patients of a batch: progress is told after each."""

TableRow = tuple[str, ...]

Record = tuple[str, tuple[RecordedEvent, ...], int]
"""What a worker process is told of a case: patient, events, and the ms that TIME counts from."""


@dataclass(frozen=True)
class Rows:
    """One patient's rows, what was left out of the record, and why the patient has no rows if that is so.

    The row of the estimate has three parts: ``effects`` with their errors, those of each of the ``occasions``, the
    ``rest``. Patients differ in how many occasions they have.
    """

    patient_id: str
    effects: TableRow = ()
    occasions: tuple[TableRow, ...] = ()
    rest: TableRow = ()
    values: tuple[TableRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    converged: bool = False
    modes: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class Totals:
    """How many patients have an estimate, of how many the search settled, and how many have several modes."""

    estimated: int
    converged: int
    several_modes: int


def estimate(
    cases: Sequence[Case],
    model: Model,
    out: Path,
    predictions: Path | None,
    jobs: int,
    report: Report,
    done: Callable[[int], None],
) -> Totals:
    """Estimate every case and write ``out`` and, where it is asked for, ``predictions``.

    Args:
        model: of every case.
        jobs: worker processes.
        report: is told of every event that the model cannot use, and of every patient that failed.
        done: is told how many patients are finished.

    Raises:
        WorkerLost: a worker process was killed, e.g. for want of memory.
        OSError: the results cannot be written.
    """
    cases = sorted(cases, key=_in_file_order)
    records = [(case.patient_id, case.recorded, case.zero) for case in cases]
    size = max(1, min(LARGEST_BATCH, -(-len(cases) // (BATCHES * max(jobs, 1)))))
    tasks = [
        (records[first : first + size], model.text, model.id, predictions is not None)
        for first in range(0, len(cases), size)
    ]
    found: dict[str, Rows] = {}
    with closing(in_processes(_estimate_batch, tasks, jobs)) as results:
        for batch in results:
            for rows in batch:
                for problem in rows.problems:
                    report(problem)
                if rows.failure is not None:
                    report(Problem(of_patient(rows.patient_id), rows.failure))
                found[rows.patient_id] = rows
            done(len(found))
    ordered = [rows for case in cases if (rows := found[case.patient_id]).failure is None]
    most = max((len(rows.occasions) for rows in ordered), default=0)
    _write(out, estimate_columns(model, most), (_padded(rows, model, most) for rows in ordered))
    if predictions is not None:
        _write(predictions, PREDICTION_COLUMNS, (row for rows in ordered for row in rows.values))
    return Totals(len(ordered), sum(rows.converged for rows in ordered), sum(rows.modes > 1 for rows in ordered))


# --- one patient -----------------------------------------------------------------------------------------------------


def _estimate_batch(records: Sequence[Record], model_text: str, model_id: str, diagnosed: bool) -> list[Rows]:
    """The rows of some patients; runs in a worker process."""
    model = model_of(model_text, model_id)
    return [_estimate_one(record, model, diagnosed) for record in records]


def _estimate_one(record: Record, model: Model, diagnosed: bool) -> Rows:
    try:
        return estimate_record(record, model, diagnosed=diagnosed)
    except Exception as error:  # one patient must not take the others' results with it
        return Rows(record[0], failure=f"the estimate failed, {type(error).__name__}: {error}")


def estimate_record(record: Record, model: Model, *, diagnosed: bool) -> Rows:
    """The rows of one patient; those of the values only where they are to be ``diagnosed``."""
    from twin.filter.posthoc import post_hoc
    from twin.kernel.kernel import compile_model
    from twin.solver.step_control import step_sizes_for
    from twin.study.diagnostics import diagnose
    from twin.study.prediction import Predictor
    from twin.study.records import record_of
    from twin.timeline.timeline import build

    patient_id, recorded, zero = record
    events = [decode(one.raw) for one in recorded]
    history, refused = record_of(events, model)
    kernel = compile_model(model)
    step_sizes, timeline = step_sizes_for(kernel), build(history, kernel)
    found = post_hoc(kernel, step_sizes, timeline)
    values: tuple[TableRow, ...] = ()
    if diagnosed and timeline is not None:
        diagnosis = diagnose(Predictor(kernel, patient_id), timeline, found.effects)
        values = tuple(_value_rows(patient_id, diagnosis, model, zero))
    return Rows(
        patient_id,
        (patient_id, *map(_number, (*found.eta, *found.errors))),
        tuple(
            tuple(map(_number, (*kappa, *errors)))
            for kappa, errors in zip(found.kappa, found.kappa_errors, strict=True)
        ),
        (*map(_number, (*found.parameters, found.ofv)), "true" if found.converged else "false", str(found.modes)),
        values,
        refusals(patient_id, events, recorded, refused),
        found.converged,
        found.modes,
    )


def _value_rows(patient_id: str, diagnosis: Diagnosis, model: Model, zero: int) -> Iterator[TableRow]:
    columns = (diagnosis.population, diagnosis.individual, diagnosis.iwres, diagnosis.npde)
    for observation, *numbers in zip(diagnosis.observations, *columns, strict=True):
        time = (observation.millis - zero) / UNIT_MS[model.time_unit]
        shown = map(_number, (time, observation.value, *numbers))
        yield (patient_id, *shown, model.outputs[observation.output].name)


# --- tables ----------------------------------------------------------------------------------------------------------


def estimate_columns(model: Model, occasions: int = 0) -> TableRow:
    """Columns of the table of patients: effects, their standard errors, every individual parameter, and the rest."""
    effects = model.eta_names
    return (
        "ID",
        *(f"ETA_{name}" for name in effects),
        *(f"SE_{name}" for name in effects),
        *(
            f"{item}_{name}_{number}"
            for number in range(1, occasions + 1)
            for item in ("KAPPA", "SE_KAPPA")
            for name in model.iov_names
        ),
        *model.individual_names,
        "OFV",
        "converged",
        "modes_found",
    )


def _padded(rows: Rows, model: Model, occasions: int) -> TableRow:
    """The row of an estimate, with empty cells for occasions that the patient did not have."""
    missing = ("",) * (2 * len(model.iov_names) * (occasions - len(rows.occasions)))
    return (*rows.effects, *(cell for occasion in rows.occasions for cell in occasion), *missing, *rows.rest)


def _number(value: float) -> str:
    """A number as text; nothing where there is none."""
    return "" if math.isnan(value) else format(float(value), ".10g")


def _in_file_order(case: Case) -> tuple[int, int, str]:
    """Whole numbers by size, as data files have them, then other names."""
    name = case.patient_id
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _write(path: Path, columns: TableRow, rows: Iterable[TableRow]) -> None:
    """Write a table beside ``path`` and put it in place."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".unfinished-", newline="", delete=False) as file:
        try:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(columns)
            table.writerows(rows)
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).replace(path)
