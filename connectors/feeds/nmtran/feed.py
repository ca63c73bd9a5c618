"""NM-TRAN style data files as a feed."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from connectors.feeds.stream import Note, Said, Stream, TimedEvent

if TYPE_CHECKING:
    from connectors.feeds.nmtran.reader import NmtranEvents
    from twin.model.spec import Model


def open_feed(
    files: Annotated[list[Path], "NM-TRAN style CSV"],
    *,
    model: Annotated[str, "id or path of the model that says what DV, CMT and TIME are"],
    columns: Annotated[str, "the file's own names, as TIME=TIME_DAYS,AMT=AMT_6MP"] = "",
    output: Annotated[str | None, "what DV is, where the file has no DVID"] = None,
    join: Annotated[bool, "one id in several files is one patient"] = False,
    prefix_ids: Annotated[bool, "begin every patient's id with the name of its file"] = False,
    where: Annotated[list[str] | None, "read only records that hold this, as SET=3 or STUDY!=2; repeatable"] = None,
) -> Stream:
    """Every event of the files in the order of event times, after what is wrong with them and what was decided.

    Raises:
        ValueError: a model, header, column map, output or condition that cannot be used, or one id in two files.
        OSError: a file cannot be read.
    """
    from connectors.feeds.nmtran.lines.chosen import conditions
    from connectors.feeds.nmtran.reader import parse_columns
    from connectors.feeds.nmtran.several_files import read_files, same_ids
    from twin.modelfile.library import load_model

    known, same = load_model(model, mixtures=True), same_ids(join=join, prefix_ids=prefix_ids)
    readings = read_files(files, known, parse_columns(columns), output, same, conditions(where or ()))
    return Stream(_said(readings, known), sum(len(reading.events) for _, reading in readings))


def _said(readings: Sequence[tuple[str, NmtranEvents]], model: Model) -> Iterator[Said]:
    from connectors.feeds.characteristics import reference_note, said_by
    from twin.events import to_millis

    for name, reading in readings:
        said = {patient: said_by(events) for patient, events in reading.by_patient().items()}
        remark = reference_note(model, said)
        yield from (Note(f"{name}: note: {note}") for note in (*reading.notes, *filter(None, [remark])))
        yield from (dataclasses.replace(bad, file=bad.file or Path(name)) for bad in reading.bad_lines)
    every = heapq.merge(*(reading.events for _, reading in readings), key=lambda event: event.time)
    yield from (TimedEvent(to_millis(event.time), event) for event in every)
