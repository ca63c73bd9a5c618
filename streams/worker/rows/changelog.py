"""The topic that holds the state rows, and the workers' consumer group, by which it is named."""

from __future__ import annotations

import contextlib

from connectors.kafka.clients import open_admin
from connectors.kafka.topics import MIB
from connectors.settings import Settings
from streams.worker.rows.patient_state import TOPIC_BYTES
from twin.clock import MINUTE_MS

GROUP = "dosetwin-worker"
"""Consumer group, after the topic prefix."""

TABLE = "patients"


def group_of(settings: Settings) -> str:
    """The worker's consumer group."""
    return f"{settings.topic_prefix}{GROUP}"


def changelog_of(settings: Settings) -> str:
    """The topic that holds the state rows."""
    return f"{group_of(settings)}-{TABLE}-changelog"


def ensure_changelog(settings: Settings) -> None:
    """Create the changelog topic if it does not exist: compacted, with the inputs' number of partitions."""
    from kafka.errors import TopicAlreadyExistsError

    name = changelog_of(settings)
    configs = {
        "cleanup.policy": "compact",
        "max.message.bytes": str(TOPIC_BYTES),
        "message.timestamp.type": "LogAppendTime",  # a broker refuses what a worker's clock says that is hours ahead
        "segment.bytes": str(64 * MIB),
        "min.cleanable.dirty.ratio": "0.2",
        "min.compaction.lag.ms": str(MINUTE_MS),
    }
    admin = open_admin(settings.kafka)
    try:
        if name not in set(admin.list_topics()):
            topic = {"num_partitions": settings.partitions, "replication_factor": -1, "configs": configs}
            with contextlib.suppress(TopicAlreadyExistsError):
                admin.create_topics({name: topic}, wait_for_metadata=True)
    finally:
        admin.close()
