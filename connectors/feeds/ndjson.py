"""Recorded events, one JSON object a line, in the order they stand in; --speed goes by their event times.

A line is an input event as `twin.events` writes it on the wire.
A line that is no event is handed back with its number and reason, and reading goes on behind it. A line is never held
in memory beyond the largest event that can be valid, so that a file without line ends does no harm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Said, Stream, TimedEvent
from twin.events import MAX_EVENT_BYTES, BadEvent, InputEvent, decode, to_millis

_LONGEST = MAX_EVENT_BYTES + 2
"""An event of the largest size and its line end (CR LF)."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def open_feed(files: Annotated[list[Path], "one event a line"]) -> Stream:
    """The events of the files, one file after another, and what stands on lines that are none."""
    return Stream(said for file in files for said in _said(file))


def _said(file: Path) -> Iterator[Said]:
    with file.open("rb") as stream:
        for _, found in read_ndjson(stream):
            if isinstance(found, BadLine):
                yield dataclasses.replace(found, file=file)
            else:
                yield TimedEvent(to_millis(found.time), found)


def read_ndjson(stream: BinaryIO) -> Iterator[tuple[int, InputEvent | BadLine]]:
    """Each line of ``stream`` as its number and the event on it, or what is wrong with it; empty lines are passed over.

    >>> import io
    >>> [(number, str(found)) for number, found in read_ndjson(io.BytesIO(b"{"))]
    [(1, 'line 1: not JSON: Invalid JSON: EOF while parsing an object at line 1 column 1')]
    """
    number = 0
    while raw := stream.readline(_LONGEST):
        number += 1
        if len(raw) == _LONGEST and not raw.endswith(b"\n"):
            size = len(raw) + _skip_to_line_end(stream)
            yield number, BadLine(number, f"a line of {size} bytes; an event has at most {MAX_EVENT_BYTES}")
            continue
        text = raw.removeprefix(_BYTE_ORDER_MARK).strip() if number == 1 else raw.strip()
        if text:
            yield number, _event_or_reason(number, text)


def _event_or_reason(number: int, text: bytes) -> InputEvent | BadLine:
    try:
        return decode(text)
    except BadEvent as error:
        return BadLine(number, str(error))


def _skip_to_line_end(stream: BinaryIO) -> int:
    """Read the rest of an overlong line in pieces; returns its length without the line end."""
    skipped = 0
    while piece := stream.readline(_LONGEST):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            return skipped - 1
    return skipped
