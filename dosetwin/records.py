"""Data sets as they are given to a function: a data frame, files, or events, all read by the feeds of this house.

A row or event that cannot be used is left out with its reason and the rest goes on; a `LeftOutWarning` says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from connectors.feeds.nmtran.reader import read_table
from connectors.feeds.nmtran.several_files import SameIds, same_ids
from dosetwin.frames import PANDAS, Cells, Frame, cells_of, frame_library, frame_of, is_frame, rows_table
from dosetwin.models import ModelLike, the_model
from streams.batch.cases import (
    Case,
    EventPlace,
    Found,
    Gathered,
    Problem,
    RecordedCases,
    gathered,
    read_cases,
    recorded_in,
    require_files,
)
from streams.batch.process_pool import worker_processes
from twin.events import InputEvent, decode
from twin.model.spec import Model
from twin.patient.rivals import Rivals

Records = Any
"""A data frame, a path or several, or events: see `dosetwin.estimate`."""

FRAME, EVENTS = "data frame", "events"


class LeftOutWarning(UserWarning):
    """Rows, events or patients could not be used; the result's ``left_out`` says which and why."""


@dataclass
class Remarks:
    """What was left out of a data set and why, and what was decided where it left something open."""

    kind: ModuleType = PANDAS
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def left_out(self) -> Frame:
        """Each problem with its place."""
        rows = [(str(problem.place), problem.reason) for problem in self.problems]
        return frame_of(rows_table(("place", "reason"), rows), self.kind)

    def warn(self) -> None:
        """Say that something was left out, if it was, at the line that called into this package."""
        if self.problems:
            more = f" and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
            said = f"left out: {self.problems[0]}{more}; see left_out"
            warnings.warn(said, LeftOutWarning, stacklevel=3)


def read_records(
    records: Records,
    model: Model | None,
    columns: Mapping[str, str] | None,
    output: str | None,
    rivals: Rivals | None = None,
    same: SameIds = "refuse",
) -> tuple[tuple[Case, ...], Remarks]:
    """The patients of a data set.

    Args:
        model: of every patient; without it enrolments among the events decide.
        rivals: models to be averaged, of which ``model`` is the first.
        same: what one id in several files means.

    Raises:
        ValueError: nothing in it can be used, or an argument does not fit it; names column, value and mend.
        TypeError: it is no data set.
        OSError: a file cannot be read.
    """
    remarks = Remarks()
    how = RecordedCases(model, dict(columns or {}), output, rivals, same)
    report, note = remarks.problems.append, remarks.notes.append
    if is_frame(records):
        remarks.kind = frame_library(records)
        cases = gathered(_rows(cells_of(records, how.columns), how, remarks), how, report, note, _nothing)
    elif (files := _files(records)) is not None:
        require_files(files)
        cases = read_cases(files, how, report, note, _nothing)
    else:
        cases = gathered(_events(records), how, report, note, _nothing)
    if not cases:
        why = f": {remarks.problems[0]}" if remarks.problems else "; it holds no record of a patient"
        raise ValueError(f"nothing in the data can be used{why}")
    return cases, remarks


def read_nmtran(
    records: Records,
    model: ModelLike,
    *,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    join: bool = False,
    prefix_ids: bool = False,
) -> dict[str, tuple[InputEvent, ...]]:
    """The events of each patient of an NM-TRAN data set, in event-time order, for a `PatientTwin` to observe.

    Args:
        records: a data frame, or a path or several.
        model: gives DV, CMT, covariates and the unit of TIME their meaning.
        columns: the data set's names for data items and covariates, where they differ: ``{"TIME": "TIME_DAYS"}``.
        output: what DV is, where there is no DVID.
        join, prefix_ids: see `estimate`.

    Raises:
        ValueError: nothing in it can be used, or an argument does not fit it.

    >>> import pandas as pd
    >>> doses = pd.DataFrame({"ID": [1], "TIME": [0.0], "AMT": [96.0], "RATE": [96.0]})
    >>> [event.kind for event in read_nmtran(doses, "docetaxel_ozawa2007")["1"]]
    ['dose_given', 'follow_up_begun', 'enrolment']
    """
    same = same_ids(join=join, prefix_ids=prefix_ids)
    cases, remarks = read_records(records, the_model(model), columns, output, same=same)
    remarks.warn()
    return {case.patient_id: tuple(decode(one.raw) for one in case.recorded) for case in cases}


def processes(jobs: int | None, tasks: int) -> int:
    """Worker processes for so many independent tasks; see the argument ``jobs`` of `dosetwin.estimate`.

    Raises:
        ValueError: a number below 0.
    """
    if jobs is None:
        return worker_processes(None, tasks)
    if jobs < 0:
        raise ValueError(f"jobs: {jobs} is negative; give a number of processes, 0 for none")
    return min(jobs, tasks)


def at_least(name: str, value: int, least: int) -> None:
    """Refuse an argument below ``least``.

    Raises:
        ValueError: names it and the mend.
    """
    if value < least:
        raise ValueError(f"{name}: {value} is too few; give at least {least}")


def _rows(cells: Cells, how: RecordedCases, remarks: Remarks) -> Gathered:
    if how.model is None:
        raise ValueError("model: missing; a data frame needs the model that says what TIME, DV and CMT are")
    reading = read_table(*cells, how.model, how.columns, how.output)
    return recorded_in(reading, FRAME, "row", remarks.notes.append)


def _files(records: object) -> list[Path] | None:
    if isinstance(records, str | Path):
        return [Path(records)]
    if isinstance(records, Sequence) and records and all(isinstance(one, str | Path) for one in records):
        return [Path(one) for one in records]
    return None


def _events(records: object) -> Iterable[Found]:
    if not isinstance(records, Iterable) or isinstance(records, bytes | Mapping):
        raise TypeError(f"records: a {type(records).__name__} is no data set; give a data frame, a path or events")
    for number, event in enumerate(records):
        if not isinstance(event, InputEvent):
            what = event.__class__.__name__ if isinstance(event, BaseModel) else repr(event)
            raise TypeError(f"records: number {number} is {what}, no event; give events of dosetwin.events")
        yield event, EventPlace(EVENTS, number, "number"), None


def _nothing(_: int) -> None:
    """Progress is not shown."""
