"""Lines of a data file, whatever it was saved as."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from connectors.feeds.nmtran.lines import text
from connectors.feeds.nmtran.lines.records import NmtranError
from connectors.feeds.nmtran.lines.text import lines_of

CONTENT = "ID,TIME,AMT\n1,0,96\n"


@pytest.mark.parametrize(
    "raw",
    [
        CONTENT.encode(),
        CONTENT.encode("utf-8-sig"),
        CONTENT.encode("utf-16"),
        CONTENT.encode("utf-16-le"),
        CONTENT.encode("utf-16-be"),
        CONTENT.replace("\n", "\r\n").encode(),
        gzip.compress(CONTENT.encode(), mtime=0),
        gzip.compress(CONTENT.encode("utf-16"), mtime=0),
    ],
)
def test_the_same_lines_are_read_however_they_were_saved(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "study.csv"
    file.write_bytes(raw)
    assert lines_of(file) == ["ID,TIME,AMT\n", "1,0,96\n"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"PK\x03\x04rest", "an Excel workbook or another zip archive; save the data as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook"),
        (gzip.compress(b"RDX3\n\0\0", mtime=0), "R's own format"),
        (b"ID,TIME\n\0\0\0\0\0\0", "the file is no text"),
        (gzip.compress(CONTENT.encode(), mtime=0)[:-9], "packed by gzip and damaged"),
        (b"\x1f\x8bnothing", "packed by gzip and damaged"),
    ],
)
def test_what_is_no_text_is_named(raw: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "study.csv"
    file.write_bytes(raw)
    with pytest.raises(NmtranError, match=says):
        lines_of(file)


def test_a_packed_file_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LARGEST", 1000)
    file = tmp_path / "bomb.csv.gz"
    file.write_bytes(gzip.compress(b"0" * 1001))
    with pytest.raises(NmtranError, match="unpacks to more than 1000 bytes"):
        lines_of(file)
