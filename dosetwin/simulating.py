"""Simulated patients."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.feeds.nmtran.several_files import same_ids
from dosetwin.design import as_design
from dosetwin.frames import Frame, frame_of, is_frame
from dosetwin.models import ModelLike, the_model
from dosetwin.records import Records, Remarks, at_least, processes, read_records
from streams.batch.cases import Case
from streams.batch.process_pool import prepare
from streams.batch.simulation import PATIENTS_A_TASK, simulation_table
from streams.batch.simulation import simulate as simulate_patients


def simulate(
    model: ModelLike,
    design: Records | None = None,
    *,
    patients: int | None = None,
    seed: int = 1,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    join: bool = False,
    prefix_ids: bool = False,
    jobs: int | None = None,
) -> Frame:
    """A data set of simulated patients in the style of NM-TRAN, which `estimate`, `replay` and the rest can read.

    Who they are is drawn from the model's population, and every value with its residual error. The same model, design
    and seed give the same patients; ``ETA_...`` in each row says who the patient really is, and ``CLASS_...`` of which
    class of a mixture. A value below 0, which an
    additive error may draw and no laboratory reports, has MDV 1: nothing that reads the data set takes notice of it.

    Args:
        model: a model, or its id or path.
        design: whom to treat and measure, and when, as a data set (see `estimate`): doses, covariates, and an
            observation for each value that is wanted, with or without a DV. Without it: the model's own regimens and
            times that follow from them, over six weeks.
        patients: how many; the designs are taken in turn. By default as many as there are designs, without one 1.
        seed: another one gives other patients.
        columns, output, join, prefix_ids: how to read the design, see `estimate`.
        jobs: see `estimate`.

    Returns:
        A frame of the kind of the design, of pandas without one. TIME is in the model's unit.

    Raises:
        ValueError: the design or a number cannot be used; names column, value and mend.
        ModelError: no such model.

    >>> records = simulate("fluorouracil_yamada2025", patients=2, seed=7)
    >>> list(records.columns[:8])
    ['ID', 'TIME', 'EVID', 'AMT', 'RATE', 'CMT', 'DV', 'DVID']
    """
    known = the_model(model, mixtures=True)
    if patients is not None:
        at_least("patients", patients, 1)
    cases: tuple[Case, ...] = ()
    remarks = Remarks()
    if design is not None:
        wanted = as_design(design, columns or {}) if is_frame(design) else design
        same = same_ids(join=join, prefix_ids=prefix_ids)
        cases, remarks = read_records(wanted, known, columns, output, same=same)
    count = patients or max(1, len(cases))
    workers = processes(jobs, -(-count // PATIENTS_A_TASK))
    prepare([known], workers)
    found = simulate_patients(known, cases, count, seed, workers, remarks.problems.append)
    if not found:
        raise ValueError(f"design: nothing to simulate: {remarks.problems[0]}")
    remarks.warn()
    return frame_of(simulation_table(known, found), remarks.kind)
