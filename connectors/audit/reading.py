"""Accesses as Kafka has them: each once, by time, and those that a question is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec
from kafka import TopicPartition

from connectors.alert_filter import chosen
from connectors.audit.access import Access, read_access
from connectors.kafka.clients import kept_records
from connectors.kafka.topics import ACCESSES
from connectors.settings import Settings


def accesses(settings: Settings) -> tuple[list[Access], int]:
    """All that are kept, repetitions left out; and how many records are none.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    places = [TopicPartition(settings.topic_prefix + ACCESSES, number) for number in range(settings.partitions)]
    found: dict[tuple[str, int], Access] = {}
    bad = 0
    for record in kept_records(settings.kafka, places):
        try:
            access = read_access(record.value or b"")
        except msgspec.MsgspecError:
            bad += 1
        else:
            found.setdefault((access.seat, access.number), access)
    return sorted(found.values(), key=lambda one: (one.time, one.seat, one.number)), bad


def ended(told: Iterable[Access]) -> Iterator[Access]:
    """Each access, and of an action that ended its end alone."""
    told = list(told)
    ends = {(one.seat, one.subject) for one in told if one.subject and one.outcome != "begins"}
    return (one for one in told if one.outcome != "begins" or (one.seat, one.subject) not in ends)


def asked_for(
    told: Iterable[Access],
    patient: str | None = None,
    who: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Access]:
    """Those of a patient, also where it was seen among others; by somebody; from a time on, and before one."""
    for one in told:
        at = datetime.fromisoformat(one.time)
        if (
            (patient is None or concerns(one, patient))
            and who in (None, one.who)
            and (since is None or at >= since)
            and (until is None or at < until)
        ):
            yield one


def concerns(access: Access, patient: str) -> bool:
    """Whether an access is about a patient, alone or among those of a group."""
    if access.what in ("ward", "alerts"):
        return access.outcome == "done" and (not access.group or chosen(patient, access.group))
    return access.patient == patient
