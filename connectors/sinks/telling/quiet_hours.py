"""Hours of each day, by a clock on a wall, in which only what cannot wait is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begin`` until ``end`` of the day, or of the next day where ``end`` is not after ``begin``."""

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def of(cls, span: str, zone: str) -> QuietHours:
        """Quiet hours as they are written, with the name of a time zone of the IANA.

        >>> QuietHours.of("22:00-07:00", "Europe/Berlin").until(datetime(2026, 1, 5, 3, tzinfo=UTC))
        datetime.datetime(2026, 1, 5, 6, 0, tzinfo=datetime.timezone.utc)

        Raises:
            ValueError: there are no such hours, or no such zone.
        """
        found = SPAN.fullmatch(span)
        if found is None:
            raise ValueError("write hours as 22:00-07:00")
        begin, end = (time(int(found[at]), int(found[at + 1])) for at in (1, 3))
        if begin == end:
            raise ValueError("begin and end are the same; write hours as 22:00-07:00")
        return cls(begin, end, zone_named(zone))

    def until(self, moment: datetime) -> datetime | None:
        """The end (UTC) of the quiet hours that ``moment`` is in; None where it is in none."""
        today = moment.astimezone(self.zone).date()
        for day in (today - timedelta(days=1), today):
            begin = self._at(day, self.begin)
            end = self._at(day if self.end > self.begin else day + timedelta(days=1), self.end)
            if begin <= moment < end:
                return end
        return None

    def _at(self, day: date, hour: time) -> datetime:
        """An hour left out in spring is taken by the clock of before, one that comes twice is the first."""
        return datetime.combine(day, hour, self.zone).astimezone(UTC)


def zone_named(name: str) -> ZoneInfo:
    """The time zone of a name.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone of this name; write one of the IANA, as Europe/Berlin") from None
