"""The settings that all subscribers share: which alerts, of whom, when, and how many at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from connectors.settings import PartSettings
from connectors.sinks.telling.quiet_hours import QuietHours, zone_named

Severity = Literal["low", "medium", "high"]

Globs = Annotated[str, Field(pattern=r"^[A-Za-z0-9._*?\[\]!,\s-]*$")]


class FilterSettings(PartSettings):
    """Which alerts, and of whom: all that a system is told which keeps alerts and sees to their telling itself."""

    rules: Globs = Field(
        "*", min_length=1, description="rules that are told, as tox.*,delivery.*; !data.* leaves some out"
    )
    lowest_severity: Severity = Field("low", description="low, medium or high: alerts below it are not told")
    patients: Globs = Field("", description="pseudonyms that are told of, as P-1,WARD3-*; by default all")
    patients_file: Path | None = Field(
        None, description="file of such pseudonyms, one a line; read again when it has changed"
    )

    @field_validator("patients_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                value.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"cannot be read ({type(error).__name__}); name a text file of pseudonyms") from None
        return value


class SubscriberSettings(FilterSettings):
    """A subscriber adds where it tells and what opens it, and its prefix.

    All of this is judged by every process for itself, from the alert and the time alone.
    """

    quiet_hours: str = Field(
        "", description="hours, as 22:00-07:00, in which only high severity is told; one summary comes after"
    )
    zone: str = Field("UTC", description="time zone of the quiet hours, as Europe/Berlin")
    flood: int = Field(
        10, ge=0, le=10_000, description="messages in flood_minutes after which the rest becomes a summary; 0: no limit"
    )
    flood_minutes: float = Field(10.0, gt=0, le=1440, description="over how long they are counted")

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        if value:
            QuietHours.of(value, "UTC")
        return value

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        zone_named(value)
        return value
