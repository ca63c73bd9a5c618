"""The settings that all subscribers share beside which alerts are told: when, and how many at once."""

from __future__ import annotations

from pydantic import Field, field_validator

from connectors.alert_filter import FilterSettings
from connectors.sinks.telling.quiet_hours import QuietHours, zone_named


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
