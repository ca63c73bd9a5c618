"""Event time on the wire: ISO 8601 text with an offset, and nothing else.

    2026-03-02T09:00:00Z    2026-03-02T10:00:00.250+01:00

A number, text of digits alone (a time of HL7 version 2, or seconds since 1970?) and a time without an offset could mean
several moments, or another century: they are refused, never guessed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$"
"""Date and time of day with an offset from UTC."""

NOT_A_TIME = "it is no ISO 8601 time with an offset; write it as 2026-03-02T09:00:00Z or 2026-03-02T10:00:00+01:00"


class _OnTheWire:
    """How pydantic reads an event time; all of it without Python code, for it is done with every event."""

    @staticmethod
    def __get_pydantic_core_schema__(_source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.str_schema(pattern=PATTERN, strict=True)
        moment = core_schema.datetime_schema(strict=False, tz_constraint="aware")
        text = core_schema.chain_schema([written, moment])
        return core_schema.json_or_python_schema(
            json_schema=core_schema.custom_error_schema(text, "event_time", custom_error_message=NOT_A_TIME),
            python_schema=core_schema.no_info_after_validator_function(
                _tellable, core_schema.datetime_schema(strict=True, tz_constraint="aware")
            ),
        )

    @staticmethod
    def __get_pydantic_json_schema__(_schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, str]:
        return {"type": "string", "format": "date-time", "pattern": PATTERN}


EventTime = Annotated[datetime, _OnTheWire]
"""A moment, told on the wire as the module's text says."""


def _tellable(time: datetime) -> datetime:
    """The same moment with an offset of whole minutes, as the wire has them; places had others before 1900."""
    offset = time.utcoffset()
    return time if offset is not None and offset % timedelta(minutes=1) == timedelta(0) else time.astimezone(UTC)
