"""When a fact was: a time as its source wrote it becomes an instant, or is refused.

No zone, no time: a time without an offset is one only where the source has a zone configured (IANA), and not where that
zone's clocks showed it twice or never. A date is no instant; of a laboratory's value it is one where the profile says
so, as noon of that day with a standard deviation of seven hours (a day's uniform distribution has 6.9).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.facts.fact import Moment, NotAFact

DAY_SD_HOURS = 7.0
"""Standard deviation of a time of which only the date is known."""


def instant(moment: Moment | None, zone: ZoneInfo | None, *, days: bool = False) -> tuple[datetime, float | None]:
    """The instant in UTC, and its standard deviation in hours where it is not known exactly.

    Args:
        moment: as the source wrote it, if it did.
        zone: that of the source, for times without an offset.
        days: whether a date will do.

    Raises:
        NotAFact: ``no_time``, ``time_too_coarse`` or ``time_without_zone``.
    """
    if moment is None:
        raise NotAFact("no_time", "no time of observation; the time of the message does not stand for it")
    if moment.resolution == "day" and days:
        noon = moment.at.replace(hour=12, minute=0, second=0, microsecond=0)
        return _absolute(noon, zone), DAY_SD_HOURS
    if moment.resolution != "instant":
        mend = "; set date_only = 'noon' in the profile to take it for noon" if moment.resolution == "day" else ""
        raise NotAFact("time_too_coarse", f"a {moment.resolution} is no instant{mend}")
    return _absolute(moment.at, zone), None


def _absolute(at: datetime, zone: ZoneInfo | None) -> datetime:
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    if zone is None:
        raise NotAFact("time_without_zone", "a time without an offset; set 'zone' in the profile (as Europe/Berlin)")
    first, second = (at.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        once = "twice" if _shown(first, zone) == at else "never"
        raise NotAFact(
            "time_without_zone", f"the clocks of {zone.key} showed that time {once}; send it with its offset"
        )
    return first


def _shown(instant_: datetime, zone: ZoneInfo) -> datetime:
    return instant_.astimezone(zone).replace(tzinfo=None, fold=0)


def reported(moment: Moment | None, zone: ZoneInfo | None) -> datetime | None:
    """The instant in UTC at which a result was reported, where it is known; it says nothing of the patient, so that no
    fact is refused for it."""
    try:
        return None if moment is None else instant(moment, zone)[0]
    except NotAFact:
        return None


def later(moment: Moment, by: timedelta) -> Moment:
    """The moment so much later, as coarse and with the same offset.

    Raises:
        NotAFact: ``malformed`` where it would be beyond what times can be.
    """
    try:
        return Moment(moment.at + by, moment.resolution)
    except OverflowError:
        raise NotAFact("malformed", "a time far beyond what clocks show") from None
