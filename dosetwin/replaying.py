"""Records through twins: what each twin would have said, value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TypeVar

from connectors.feeds.nmtran.several_files import same_ids
from dosetwin.frames import Frame, frame_of, rows_table
from dosetwin.models import ModelLike, the_models
from dosetwin.records import Records, at_least, processes, read_records
from streams.batch.cases import Case
from streams.batch.process_pool import prepare
from streams.batch.replay import Arrays, Replayed, replays
from streams.batch.tables import Cell
from twin.clock import UNIT_MS
from twin.events import Alert, Band, Estimate, Forecast, ForecastBand, OutputEvent, Prediction, decode_output, to_millis
from twin.patient.rivals import rivals

Said = TypeVar("Said", bound=OutputEvent)

QUANTILES = ("q05", "q25", "median", "q75", "q95")
WHEN = ("ID", "TIME", "event_time")
LEAST_PARTICLES = 50


@dataclass(frozen=True, repr=False)
class Replay:
    """What twins published of the records they observed, and what they believe in the end.

    Every frame begins with ``ID``, ``TIME`` (in the model's unit, as the data count it; from a patient's first event
    where they do not) and ``event_time``. Frames are made when they are asked for.

    Attributes:
        posteriors: by patient, the arrays of the final belief: ``eta`` (N, d) with ``names``, ``log_weight`` (N,),
            ``params`` (N, P) with ``param_names``, ``mode`` (d,), ``mode_cov`` (d, d); of rival models each named
            ``MODEL/eta`` and so on, and ``models`` with ``model_weights``.
        left_out: rows, events and patients that could not be used: ``place``, ``reason``.
        notes: what was decided where the data left something open.
    """

    posteriors: Mapping[str, Arrays]
    left_out: Frame
    notes: tuple[str, ...]
    _found: tuple[tuple[Case, Replayed], ...]
    _kind: ModuleType

    def __repr__(self) -> str:
        said = sum(sum(one.outputs.values()) for _, one in self._found)
        return f"<Replay of {len(self._found)} patients, who have {said} outputs>"

    @cached_property
    def estimates(self) -> Frame:
        """A row a quantity and moment: its ``kind`` (output, parameter, exposure so far or at the end of the course),
        ``name``, ``unit``, quantiles, and the health of the twin: ``observations``, ``ess``, ``log_evidence``."""
        columns = (*WHEN, "kind", "name", "unit", *QUANTILES, "observations", "ess", "log_evidence")
        rows = [
            (*when, kind, *_band(band), said.observations, said.ess, said.log_evidence)
            for when, said in self._said(Estimate)
            for kind, band in _quantities(said)
        ]
        return frame_of(rows_table(columns, rows), self._kind)

    @cached_property
    def forecasts(self) -> Frame:
        """A row an output and moment ahead, ``ahead`` after TIME in the model's unit, without residual error."""
        units = {case.patient_id: UNIT_MS[case.model.time_unit] for case, _ in self._found}
        rows = [
            (*when, (to_millis(time) - to_millis(said.time)) / units[said.patient_id], *_along(band, i))
            for when, said in self._said(Forecast)
            for band in said.outputs
            for i, time in enumerate(said.times)
        ]
        return frame_of(rows_table((*WHEN, "ahead", "name", "unit", *QUANTILES), rows), self._kind)

    @cached_property
    def predictions(self) -> Frame:
        """A row a measured value: what was expected of it just before the twin observed it, with residual error, and
        where it fell: ``pit``, ``innovation``."""
        columns = ("output", "unit", "observed", *QUANTILES, "pit", "innovation", "population_median")
        rows = [(*when, *(getattr(said, column) for column in columns)) for when, said in self._said(Prediction)]
        return frame_of(rows_table((*WHEN, *columns), rows), self._kind)

    @cached_property
    def alerts(self) -> Frame:
        """A row a transition of an alert."""
        columns = (
            "alert_id", "revision", "rule", "state", "severity", "onset", "probability", "horizon_hours",
            "freshness_hours", "text",
        )  # fmt: skip
        rows = [(*when, *(getattr(said, column) for column in columns)) for when, said in self._said(Alert)]
        return frame_of(rows_table((*WHEN, *columns), rows), self._kind)

    @cached_property
    def score(self) -> Frame:
        """How good the predictions were, by output: absolute log errors of the twin, of the population's median and of
        the patient's value before, each from a patient's second value on, and the ``coverage`` of 90 % intervals."""
        from twin.study.score import score

        rows: list[tuple[Cell, ...]] = []
        for one in score(said for _, said in self._said(Prediction)):
            for name, error in (("twin", one.twin), ("population", one.population), ("last value", one.last_value)):
                errors = (None, None) if error is None else (error.median, error.mean)
                rows.append((one.output, name, one.n, *errors, one.coverage if name == "twin" else None))
        columns = ("output", "predicted_by", "values", "median_log_error", "mean_log_error", "coverage")
        return frame_of(rows_table(columns, rows), self._kind)

    def _said(self, kind: type[Said]) -> Iterator[tuple[tuple[Cell, ...], Said]]:
        """What was said of one kind, each with its ID, TIME and event time."""
        for case, one in self._found:
            unit = UNIT_MS[case.model.time_unit]
            for line in one.lines[kind.replay_file].splitlines():
                said = decode_output(line)
                if isinstance(said, kind):
                    yield (case.patient_id, (to_millis(said.time) - case.zero) / unit, said.time), said


def replay(
    records: Records,
    model: ModelLike | Sequence[ModelLike] | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    join: bool = False,
    prefix_ids: bool = False,
    particles: int = 1000,
    jobs: int | None = None,
) -> Replay:
    """Tell every patient's record to a twin, in event time (``dosetwin replay`` on a command line).

    Args:
        records, columns, output, join, prefix_ids, jobs: see `estimate`.
        model: of every patient, or several rival ones to be averaged; without it enrolments among the events decide.
        particles: size of each twin's cloud, 50 or more.

    Raises:
        ValueError: nothing in the data can be used, or an argument does not fit it; names column, value and mend.
        ModelError: no such model, or rivals that cannot be averaged.

    >>> import pandas as pd
    >>> records = pd.DataFrame({"ID": 1, "TIME": [0.0, 3.0], "AMT": [96.0, None], "RATE": [96.0, None],
    ...                      "DV": [None, 0.15], "DVID": [None, "docetaxel_plasma"]})
    >>> found = replay(records, "docetaxel_ozawa2007", particles=100, jobs=0)
    >>> found.predictions[["ID", "TIME", "output", "observed"]]
       ID  TIME            output  observed
    0   1   3.0  docetaxel_plasma      0.15
    """
    at_least("particles", particles, LEAST_PARTICLES)
    known = [] if model is None else the_models(model)
    averaged = rivals(known) if len(known) > 1 else None
    same = same_ids(join=join, prefix_ids=prefix_ids)
    cases, remarks = read_records(records, known[0] if known else None, columns, output, averaged, same)
    workers = processes(jobs, len(cases))
    prepare({each for case in cases for each in (case.rivals.models if case.rivals else [case.model])}, workers)
    with closing(replays(cases, particles, workers, remarks.problems.append, lambda _: None)) as results:
        by_patient = {result.patient_id: result for result in results}
    remarks.warn()
    found = tuple((case, by_patient[case.patient_id]) for case in cases if case.patient_id in by_patient)
    posteriors = {case.patient_id: one.posterior for case, one in found}
    return Replay(posteriors, remarks.left_out(), tuple(remarks.notes), found, remarks.kind)


def _quantities(said: Estimate) -> Iterator[tuple[str, Band]]:
    for band in said.outputs:
        yield "output", band
    for band in said.parameters:
        yield "parameter", band
    for exposure in said.exposure:
        yield "exposure so far", exposure.so_far
        if exposure.at_end is not None:
            yield "exposure at end", exposure.at_end


def _band(band: Band) -> tuple[Cell, ...]:
    return band.name, band.unit, band.q05, band.q25, band.median, band.q75, band.q95


def _along(band: ForecastBand, i: int) -> tuple[Cell, ...]:
    return band.name, band.unit, band.q05[i], band.q25[i], band.median[i], band.q75[i], band.q95[i]
