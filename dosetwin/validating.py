"""Is the twin of a model calibrated, and how does the model describe real patients?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import overload

import numpy as np

from connectors.feeds.nmtran.several_files import same_ids
from dosetwin.frames import PANDAS, Frame, frame_of, rows_table
from dosetwin.models import ModelLike, the_model
from dosetwin.records import Records, at_least, processes, read_records
from streams.batch.process_pool import prepare
from streams.batch.tables import Cell
from streams.batch.validation import PATIENTS_A_TASK, calibrate, examine_cases
from twin.model.spec import Model
from twin.study.calibration import Calibration
from twin.study.examination import Examined

LEAST_PATIENTS = 20
LEAST_PARTICLES = 50


@dataclass(frozen=True, repr=False)
class CalibrationResult:
    """Whether the twin of a model is calibrated, by simulated patients (`twin.study.calibration`).

    Attributes:
        passed: a model that is perfectly calibrated fails with a probability of at most 1 %.
        tests: a row a quantity that ought to be uniform: ``test`` (rank or pit), ``name``, ``values``, ``p_value``,
            ``alpha``, ``passed``.
        coverage: a row an output and level: ``share`` of values that intervals held, and its 95 % interval.
        scores: a row an output: mean ``crps`` of the posterior's prediction and of the mode plugged in, and the
            ``gain`` with its 90 % interval.
        calibration: all of it as the twin has it.
    """

    model: Model
    passed: bool
    tests: Frame
    coverage: Frame
    scores: Frame
    calibration: Calibration

    def __repr__(self) -> str:
        word = "calibrated" if self.passed else "NOT calibrated"
        return f"<{self.model.id} is {word}, by {self.calibration.patients} simulated patients>"

    def page(self) -> str:
        """The page that ``dosetwin validate`` writes: HTML that needs nothing from elsewhere."""
        from connectors.reports.calibration import calibration_page
        from twin.kernel.kernel import compile_model
        from twin.study.design import design
        from twin.study.population import outlooks

        kernel = compile_model(self.model)
        return calibration_page(self.calibration, self.model, design(kernel), outlooks(kernel))


@dataclass(frozen=True, repr=False)
class ExaminationResult:
    """A model held against patients (`twin.study.examination`).

    Attributes:
        measures: a row an output and figure: ``value`` and its 90 % interval by bootstrap over patients.
        values: a row a measured value: what was expected of it one step ahead (``q05 median q95 pit``), and
            ``PRED IPRED IWRES NPDE`` given the whole record; TIME in the model's unit from the record's first fact.
        left_out: rows, events and patients that could not be used: ``place``, ``reason``.
        notes: what was decided where the data left something open.
        examined: all of it as the twin has it.
    """

    model: Model
    measures: Frame
    values: Frame
    left_out: Frame
    notes: tuple[str, ...]
    particles: int
    examined: tuple[Examined, ...]

    def __repr__(self) -> str:
        values = sum(len(one.predictions) for one in self.examined)
        return f"<{self.model.id} held against {len(self.examined)} patients, {values} values>"

    def page(self, title: str = "a data set") -> str:
        """The page that ``dosetwin validate --data`` writes, with its drawings: HTML that needs nothing from elsewhere.

        Args:
            title: what the data are called there.
        """
        from connectors.reports.examination import examination_page

        return examination_page(self.model, self.examined, self.particles, title, len(self.left_out))


@overload
def validate(
    model: ModelLike, records: None = None, *, patients: int = 100, particles: int = 1000, jobs: int | None = None
) -> CalibrationResult: ...


@overload
def validate(
    model: ModelLike,
    records: Records,
    *,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    join: bool = False,
    prefix_ids: bool = False,
    particles: int = 1000,
    jobs: int | None = None,
) -> ExaminationResult: ...


def validate(
    model: ModelLike,
    records: Records | None = None,
    *,
    patients: int = 100,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    join: bool = False,
    prefix_ids: bool = False,
    particles: int = 1000,
    jobs: int | None = None,
) -> CalibrationResult | ExaminationResult:
    """Is the twin of a model calibrated? With ``records``: how does the model describe these patients?

    Without records patients are simulated from the model and observed by its twin one value at a time (``dosetwin
    validate`` on a command line); with records each value is predicted just before it is observed, then the whole
    record is fitted.

    Args:
        model: a model, or its id or path.
        records, columns, output, join, prefix_ids, jobs: see `estimate`.
        patients: simulated, 20 or more. Of 100 a shift by half a posterior SD is noticed four times in five.
        particles: size of each twin's cloud, 50 or more.

    Raises:
        ValueError: a number is too small, nothing in the data can be used, or an argument does not fit it.
        ModelError: no such model, or one that cannot be followed.

    >>> validate("fluorouracil_yamada2025", patients=20, particles=100, jobs=0)
    <fluorouracil_yamada2025 is calibrated, by 20 simulated patients>
    """
    at_least("particles", particles, LEAST_PARTICLES)
    known = the_model(model)
    if records is None:
        at_least("patients", patients, LEAST_PATIENTS)
        return _calibrated(known, patients, particles, jobs)
    cases, remarks = read_records(records, known, columns, output, same=same_ids(join=join, prefix_ids=prefix_ids))
    workers = processes(jobs, len(cases))
    prepare([known], workers)
    examined = examine_cases(cases, particles, workers, remarks.problems.append, lambda _: None)
    found = tuple(examined)
    if not found:
        raise ValueError(f"no patient of the data set could be examined: {remarks.problems[0]}")
    remarks.warn()
    return ExaminationResult(
        known,
        _measures(known, found, remarks.kind),
        _values(known, found, remarks.kind),
        remarks.left_out(),
        tuple(remarks.notes),
        particles,
        found,
    )


def _calibrated(model: Model, patients: int, particles: int, jobs: int | None) -> CalibrationResult:
    workers = processes(jobs, -(-patients // PATIENTS_A_TASK))
    prepare([model], workers)
    ((_, found),) = calibrate([model], patients, particles, workers, lambda _: None)
    if isinstance(found, str):
        raise ValueError(f"{model.id}: {found}")
    kinds = [("rank", one) for one in found.ranks] + [("pit", one) for one in found.pit]
    tests: list[tuple[Cell, ...]] = [
        (kind, one.name, len(one.values), one.p_value, found.alpha, one.p_value >= found.alpha) for kind, one in kinds
    ]
    coverage: list[tuple[Cell, ...]] = [
        (one.output, each.level, one.values, each.share, each.low, each.high)
        for one in found.foreseen
        for each in one.coverage
    ]
    scores: list[tuple[Cell, ...]] = [
        (one.output, one.unit, one.values, one.crps, one.plug_in, one.gain, one.gain_low, one.gain_high)
        for one in found.foreseen
    ]
    return CalibrationResult(
        model,
        found.passed,
        frame_of(rows_table(("test", "name", "values", "p_value", "alpha", "passed"), tests), PANDAS),
        frame_of(rows_table(("output", "level", "values", "share", "low", "high"), coverage), PANDAS),
        frame_of(
            rows_table(("output", "unit", "values", "crps", "plug_in", "gain", "gain_low", "gain_high"), scores), PANDAS
        ),
        found,
    )


def _measures(model: Model, found: tuple[Examined, ...], kind: ModuleType) -> Frame:
    from connectors.reports.examination import descriptions

    rows: list[tuple[Cell, ...]] = [
        (one.output, one.unit, one.patients, one.values, m.name, m.value, m.low, m.high)
        for one in descriptions(model, found)
        for m in one.measures
    ]
    columns = ("output", "unit", "patients", "values", "measure", "value", "low", "high")
    return frame_of(rows_table(columns, rows), kind)


def _values(model: Model, found: tuple[Examined, ...], kind: ModuleType) -> Frame:
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        d = one.diagnosis
        numbers = np.column_stack([one.times, d.population, d.individual, d.iwres, d.npde]).tolist()
        for o, said, (time, *given) in zip(d.observations, one.predictions, numbers, strict=True):
            ahead = (said.q05, said.median, said.q95, said.pit)
            rows.append((one.patient_id, time, o.value, *given, model.outputs[o.output].name, *ahead))
    columns = ("ID", "TIME", "DV", "PRED", "IPRED", "IWRES", "NPDE", "OUTPUT", "q05", "median", "q95", "pit")
    return frame_of(rows_table(columns, rows), kind)
