"""The bytes of a data file as lines of text, whatever it was saved as; what is no text is named.

Read are UTF-8, UTF-16 (with its mark, or told by its zero bytes) and either of them packed by gzip. A spreadsheet, an
archive or another binary file is refused with the way to save it as text.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

from connectors.feeds.nmtran.lines.records import NmtranError

LARGEST = 2**30
"""Bytes that a packed file may unpack to, so that a small one cannot fill the memory."""

_BINARY = {
    b"PK\x03\x04": "an Excel workbook or another zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"HEADER RECORD*******": "a SAS transport file",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"RDX": "R's own format",
}
"""First bytes of what is often taken for a data file."""

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def lines_of(file: Path) -> list[str]:
    """The lines of a data file.

    Raises:
        NmtranError: it is no text.
        OSError: it cannot be read.
    """
    raw = file.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        raw = _unpacked(raw)
    for first, what in _BINARY.items():
        if raw.startswith(first):
            raise NmtranError(f"the file is {what}; save the data as CSV")
    text = raw.decode(_encoding(raw), errors="replace")
    if "\0" in text:
        raise NmtranError("the file is no text; save the data as CSV")
    return io.StringIO(text, newline=None).readlines()


def _unpacked(raw: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(raw)) as packed:
            found = packed.read(LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NmtranError(f"the file is packed by gzip and damaged: {error}; pack it again") from None
    if len(found) > LARGEST:
        raise NmtranError(f"the file unpacks to more than {LARGEST} bytes; unpack it yourself, in parts")
    return found


def _encoding(raw: bytes) -> str:
    """By the mark at its begin; without one, every second byte of Latin text in UTF-16 is 0."""
    for mark, name in _MARKS.items():
        if raw.startswith(mark):
            return name
    begin = raw[:400]
    if begin and begin[1::2].count(0) > 0.8 * len(begin[1::2]):
        return "utf-16-le"
    if begin and begin[::2].count(0) > 0.8 * len(begin[::2]):
        return "utf-16-be"
    return "utf-8"
