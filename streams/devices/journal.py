"""The rows of one partition on the state topic, written by one process at a time.

All rows of a batch are written in one transaction: either all of them count, or none. Whoever opens the journal ends
the transactions of those who had it before, so a process that was frozen and wakes up can write nothing any more.
"""

from __future__ import annotations

from typing import Any

from connectors.kafka.clients import abandon, kept_records, open_producer
from connectors.kafka.topics import DEVICE_STATE, INPUT_BYTES
from connectors.settings import Settings
from streams.devices.rows import Rows

TRANSACTION_MS = 30_000
"""How long a transaction may take that nobody ends before the broker does."""


class Journal:
    """Of partition ``number``.

    Raises:
        KafkaUnreachable: no broker answers.
        kafka.errors.KafkaError: the broker does not take it.
    """

    def __init__(self, settings: Settings, number: int) -> None:
        self._settings, self._number = settings, number
        self._topic = settings.topic_prefix + DEVICE_STATE
        self._producer = open_producer(
            settings.kafka,
            acks="all",
            transactional_id=f"{settings.topic_prefix}dosetwin-devices-{number}",
            transaction_timeout_ms=TRANSACTION_MS,
            max_request_size=INPUT_BYTES,
        )
        try:
            self._producer.init_transactions()
        except BaseException:
            self.close()
            raise

    def rows(self) -> dict[bytes, bytes]:
        """The newest row of each key that is not dropped."""
        from kafka import TopicPartition

        place, found = TopicPartition(self._topic, self._number), dict[bytes, bytes]()
        for record in kept_records(self._settings.kafka, [place], isolation_level="read_committed"):
            _keep(found, record)
        return found

    def write(self, rows: Rows) -> None:
        """Return when all of these rows are durable; raises `kafka.errors.KafkaError`, and then none counts."""
        self._producer.begin_transaction()
        for key, row in rows.items():
            self._producer.send(self._topic, partition=self._number, key=key, value=row)
        self._producer.commit_transaction()

    def close(self) -> None:
        """Let go of it."""
        abandon(self._producer)


def _keep(found: dict[bytes, bytes], record: Any) -> None:
    if record.value is None:
        found.pop(record.key, None)
    else:
        found[record.key] = record.value
