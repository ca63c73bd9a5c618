"""The NM-TRAN style data file as a feed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from connectors.feeds.stream import Note, Said, Stream, TimedEvent

if TYPE_CHECKING:
    from connectors.feeds.nmtran.reader import NmtranEvents
    from twin.model.spec import Model


def open_feed(
    file: Annotated[Path, "NM-TRAN style CSV"],
    *,
    model: Annotated[str, "id or path of the model that says what DV, CMT and TIME are"],
    columns: Annotated[str, "the file's own names, as TIME=TIME_DAYS,AMT=AMT_6MP"] = "",
    output: Annotated[str | None, "what DV is, where the file has no DVID"] = None,
) -> Stream:
    """Every event of the file in the order of event times.

    Raises:
        ValueError: no such model, or a header, column map or output that cannot be used.
        OSError: the file cannot be read.
    """
    from connectors.feeds.nmtran.reader import parse_columns, read_nmtran
    from connectors.feeds.nmtran.text import lines_of
    from twin.modelfile.library import load_model

    known = load_model(model)
    reading = read_nmtran(lines_of(file), known, parse_columns(columns), output)
    return Stream(_said(reading, known, file), len(reading.events))


def _said(reading: NmtranEvents, model: Model, file: Path) -> Iterator[Said]:
    from connectors.feeds.characteristics import reference_note, said_by
    from twin.events import to_millis

    said = {patient: said_by(events) for patient, events in reading.by_patient().items()}
    remark = reference_note(model, said)
    yield from (Note(f"{file}: note: {note}") for note in (*reading.notes, *filter(None, [remark])))
    yield from (dataclasses.replace(bad, file=file) for bad in reading.bad_lines)
    yield from (TimedEvent(to_millis(event.time), event) for event in reading.events)
