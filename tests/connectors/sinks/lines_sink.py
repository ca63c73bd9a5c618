"""What the twins say, one event a line, in a file of ``DOSETWIN_LINES_OUT``.

The smallest sink there can be: what a package would bring under ``dosetwin.sinks``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from connectors.kafka.records import Record, event_of
from connectors.kafka.topics import ALERTS, ESTIMATES
from connectors.settings import PartSettings

SINK = "lines"
TOPICS = (ESTIMATES, ALERTS)


class Settings(PartSettings, env_prefix="DOSETWIN_LINES_"):
    out: Path = Field(description="the file")
    key: str = Field("", repr=False)


class Lines:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def items(self, record: Record) -> list[bytes]:
        event_of(record)
        return [record.value + b"\n"]

    def kind(self, item: bytes) -> str:  # noqa: ARG002
        return ""

    def write(self, items: Sequence[bytes]) -> None:
        self._file.writelines(items)
        self._file.flush()


@contextmanager
def open_writer(settings: Settings, _: object) -> Iterator[Lines]:
    with settings.out.open("ab") as file:
        yield Lines(file)
