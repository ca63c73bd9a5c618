"""How long topics and buckets keep what they hold, where it is to be otherwise than by default.

::

    DOSETWIN_KEEP_TOPICS=iomt.vitals=14,twin.rejected=30,clinical.orders=ever
    DOSETWIN_KEEP_BUCKETS=dosetwin=400

Days, or ``ever``. Which topics there are is known to `connectors.kafka.topics`, which holds the names against these.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from connectors.settings import PartSettings

EVER = "ever"

MOST_DAYS = 36_500
"""Longest time that is meant as one: who wants more wants it for ever."""


class Retention(PartSettings, env_prefix="DOSETWIN_KEEP_"):
    """Days that are kept, by name of a topic (without prefix) or bucket."""

    topics: str = Field("", description="TOPIC=DAYS,TOPIC=ever: how long topics keep records, counted from arrival")
    buckets: str = Field("", description="BUCKET=DAYS,BUCKET=ever: how long InfluxDB keeps points, by their time")

    @field_validator("topics", "buckets")
    @classmethod
    def _readable(cls, value: str) -> str:
        _days_by_name(value)
        return value

    def of_topics(self) -> dict[str, int | None]:
        """Days by topic; None is for ever."""
        return _days_by_name(self.topics)

    def of_buckets(self) -> dict[str, int | None]:
        """Days by bucket; None is for ever."""
        return _days_by_name(self.buckets)


def days_in_words(days: float | None) -> str:
    """How long something is kept.

    >>> days_in_words(30), days_in_words(1), days_in_words(0.25), days_in_words(None)
    ('30 days', '1 day', '0.25 days', 'for ever')
    """
    return "for ever" if days is None else "1 day" if days == 1 else f"{days:g} days"


def _days_by_name(text: str) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, days = (word.strip() for word in part.partition("="))
        if not name or not (days == EVER or (days.isascii() and days.isdecimal() and 1 <= int(days) <= MOST_DAYS)):
            raise ValueError(f"{part!r}: write NAME=DAYS with 1 to {MOST_DAYS} whole days, or NAME={EVER}")
        if name in found:
            raise ValueError(f"{part!r}: {name} is named twice; leave one of them out")
        found[name] = None if days == EVER else int(days)
    return found
