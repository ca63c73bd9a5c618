"""Options that the commands of the running system share. Nothing heavy is imported: help is quick."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class LogLevel(StrEnum):
    """From which level on lines are shown."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """For people, or one JSON object a line for machines."""

    TEXT = "text"
    JSON = "json"


Level = Annotated[LogLevel, typer.Option("--log-level", case_sensitive=False, help="show lines from this level on")]
Format = Annotated[
    LogFormat,
    typer.Option("--log-format", case_sensitive=False, envvar="DOSETWIN_LOG_FORMAT", help="of lines on stderr"),
]
