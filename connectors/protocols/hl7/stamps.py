"""Times of HL7 (data types TS and DTM): ``YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]``, as senders write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from connectors.facts.fact import Moment, NotAFact, Resolution

_STAMP = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)(?:(?P<hour>\d\d)(?P<minute>\d\d)"
    r"(?:(?P<second>\d\d)(?:\.?(?P<fraction>\d{1,6}))?)?)?)?)?(?P<zone>[+-]\d{4})?$"
)


_HOUR = re.compile(r"\d{10}([+-]\d{4})?$")


def moment(text: str, of_message: timezone | None = None) -> Moment | None:
    """The time of a stamp; None of an empty one.

    Args:
        text: the stamp; of a time range its first part.
        of_message: the offset of MSH-7, which holds for every stamp of the message without one (HL7 v2.6, 2.A.77).

    Raises:
        NotAFact: ``malformed`` where it is none, or no time that exists; ``time_too_coarse`` of an hour.
    """
    said = text.split("^", 1)[0].strip()
    if not said:
        return None
    if _HOUR.match(said):
        raise NotAFact("time_too_coarse", "an hour is no instant; send its minutes")
    found = _STAMP.match(said)
    if found is None:
        raise NotAFact("malformed", "a stamp is YYYYMMDDHHMMSS and its offset, as 20260302090000+0100")
    parts = found.groupdict()
    try:
        at = datetime(int(parts["year"]), int(parts["month"] or 1), int(parts["day"] or 1))
        if parts["hour"] is None:
            resolution: Resolution = "day" if parts["day"] else "month" if parts["month"] else "year"
            return Moment(at, resolution)
        hours, minutes, seconds = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
        micros = int((parts["fraction"] or "0").ljust(6, "0"))
        at = at.replace(hour=hours, minute=minutes, second=min(seconds, 59), microsecond=micros)
        at += timedelta(seconds=max(seconds - 59, 0))  # a leap second is the one after it
        zone = offset(parts["zone"]) if parts["zone"] else of_message
    except ValueError:
        raise NotAFact("malformed", "a stamp of a day or hour that does not exist") from None
    return Moment(at if zone is None else at.replace(tzinfo=zone))


def stamp_of(moment_: Moment | None) -> str:
    """A time as part of a key: one instant is one text, however it was written."""
    if moment_ is None:
        return ""
    return (moment_.at.astimezone(UTC) if moment_.at.tzinfo is not None else moment_.at).isoformat()


def offset(text: str) -> timezone:
    """The offset ``+HHMM``; ``-0000`` is UTC. Raises `ValueError` beyond 14 hours, which no clock on Earth has."""
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    if minutes > 14 * 60 or int(text[3:5]) > 59:
        raise ValueError(text)
    signed = -minutes if text[0] == "-" else minutes
    return timezone(timedelta(minutes=signed)) if signed else UTC
