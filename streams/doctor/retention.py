"""How long topics and the bucket keep what they hold, and whether that is as the settings say."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.kafka.topics import kept_by_settings, kept_days
from connectors.privacy.retention import Retention, days_in_words
from connectors.services.influxdb import InfluxError, kept_seconds
from connectors.settings import Settings, SettingsError, load_settings
from connectors.sinks.influx import Settings as InfluxSettings
from streams.doctor.finding import Finding

SUBJECT = "retention"


def check_topics_kept(settings: Settings) -> Iterator[Finding]:
    """Does every topic keep records as long as it is told to?"""
    try:
        kept_by_settings()  # names are held against the topics
        wanted = load_settings(Retention).of_topics()
    except SettingsError as error:
        yield Finding(SUBJECT, str(error), "change or unset the variable named")
        return
    found = kept_days(settings.kafka, settings.topic_prefix)
    for topic in sorted(topic for topic in wanted.keys() & found.keys() if found[topic] != wanted[topic]):
        seen = (
            f"{topic} keeps records {days_in_words(found[topic])}, and is to keep them {days_in_words(wanted[topic])}"
        )
        yield Finding(SUBJECT, seen, "'dosetwin topics create' tells it so")
    by_days: dict[float | None, list[str]] = {}
    for topic, days in found.items():
        by_days.setdefault(days, []).append(topic)
    longest_last = sorted(by_days.items(), key=lambda one: float("inf") if one[0] is None else one[0])
    told = "; ".join(f"{days_in_words(days)}: {', '.join(sorted(topics))}" for days, topics in longest_last)
    yield Finding(SUBJECT, told or "no topic is there yet")


def check_bucket_kept(to: InfluxSettings) -> Iterator[Finding]:
    """Does the bucket keep points as long as it is told to?"""
    subject = f"{SUBJECT} of bucket {to.bucket}"
    try:
        wanted = load_settings(Retention).of_buckets()
        seconds = kept_seconds(to.server)
    except SettingsError as error:
        yield Finding(subject, str(error), "change or unset the variable named")
        return
    except InfluxError:
        yield Finding(subject, "this token may not see how long points are kept")
        return
    days = seconds / 86_400 if seconds else None
    if to.bucket in wanted and wanted[to.bucket] != days:
        seen = f"keeps points {days_in_words(days)}, and is to keep them {days_in_words(wanted[to.bucket])}"
        mend = "'dosetwin services up' tells this clone's own so; tell yours with 'influx bucket update --retention'"
        yield Finding(subject, seen, mend)
        return
    yield Finding(subject, f"points are kept {days_in_words(days)}")
