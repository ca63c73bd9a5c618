"""A stage for worker tests: topics of their own on the real broker, events to play, a worker process, what came out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from connectors.kafka.clients import records_to
from connectors.kafka.topics import ALERTS, ESTIMATES, INPUTS, REJECTED, ensure_topics, topic_of
from connectors.settings import Settings
from streams.worker.rows.changelog import changelog_of, ensure_changelog, group_of
from streams.worker.rows.state_row import MARK, StateRow, decode_row
from tests.places import ROOT
from tests.streams.worker.fake_twin import MODEL
from tests.streams.worker.forks import Forked
from twin.events import (
    Alert,
    Enrolment,
    Estimate,
    InputEvent,
    LabResult,
    PumpDelivery,
    Quantity,
    Rejected,
    decode_output,
    encode,
    event_id,
)

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
EMPTY: Mapping[str, str] = {}
FAKE_TWINS = "tests.streams.worker.fake_twin:FakeTwins"

SENDER_PATIENCE = 240
"""Seconds that a sender waits for a broker that was ended and started again, on a machine with other work."""


def enrolment(patient: str, model: str = MODEL, at: datetime = START) -> Enrolment:
    return Enrolment(event_id=event_id(patient, "enrol"), patient_id=patient, time=at, source="test", model=model)


def lab(patient: str, minute: float, value: float = 3.0, unit: str = "10*9/L", number: Any = None) -> LabResult:
    return LabResult(
        event_id=event_id(patient, "lab", minute, number),
        patient_id=patient,
        time=START + timedelta(minutes=minute),
        source="test",
        analyte="neutrophils",
        value=Quantity(value=value, unit=unit),
    )


def pump(patient: str, minute: float, rate: float = 4.0, unit: str = "mg/h", drug: str = "fake") -> PumpDelivery:
    return PumpDelivery(
        event_id=event_id(patient, "pump", minute),
        patient_id=patient,
        time=START + timedelta(minutes=minute),
        source="test",
        device_id="P1",
        drug=drug,
        phase="sample",
        delivery_status="delivering",
        rate=Quantity(value=rate, unit=unit),
    )


@dataclass
class Stage:
    """Topics under a prefix of their own."""

    bootstrap: str
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}.")
    partitions: int = 2

    def __post_init__(self) -> None:
        ensure_topics(self.bootstrap, self.prefix, self.partitions)
        ensure_changelog(self.settings)
        self.producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, linger_ms=1, max_request_size=8 * 1024 * 1024,
            max_block_ms=1000 * SENDER_PATIENCE, delivery_timeout_ms=1000 * SENDER_PATIENCE,
        )  # fmt: skip

    @property
    def settings(self) -> Settings:
        return Settings(kafka=self.bootstrap, topic_prefix=self.prefix, partitions=self.partitions)

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which a command of ours finds the topics."""
        return {
            "DOSETWIN_KAFKA": self.bootstrap,
            "DOSETWIN_TOPIC_PREFIX": self.prefix,
            "DOSETWIN_PARTITIONS": str(self.partitions),
        }

    def close(self) -> None:
        self.producer.close()

    # --- in -----------------------------------------------------------------------------------------------------

    def play(self, events: Iterable[InputEvent], rate: float | None = None) -> None:
        """Send events, at ``rate`` a second if given; returns when the broker has them all."""
        began, sent = time.monotonic(), []
        for number, event in enumerate(events):
            if rate is not None:
                time.sleep(max(began + number / rate - time.monotonic(), 0))
            sent.append(self.send(topic_of(event), event.patient_id, encode(event)))
        self.producer.flush()
        for each in sent:
            each.get(60)

    def send(self, topic: str, key: str | None, value: bytes) -> Any:
        """Queue a record; the result is a future of the producer's."""
        return self.producer.send(self.prefix + topic, value=value, key=key.encode() if key is not None else None)

    # --- out ----------------------------------------------------------------------------------------------------

    def records(self, topic: str) -> list[Any]:
        """Everything in a topic (name with prefix), partition by partition."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        try:
            partitions = [TopicPartition(topic, number) for number in range(self.partitions)]
            return list(records_to(consumer, consumer.end_offsets(partitions)))
        finally:
            consumer.close()

    def inputs(self) -> list[Any]:
        """All records of the input topics."""
        return [record for topic in INPUTS for record in self.records(self.prefix + topic)]

    def outputs(self) -> list[Any]:
        """All records of the topic of estimates."""
        return self.records(self.prefix + ESTIMATES)

    def estimates(self) -> list[Estimate]:
        return [decode_output(record.value) for record in self.outputs()]  # type: ignore[misc]

    def alerts(self) -> list[Alert]:
        return [decode_output(record.value) for record in self.records(self.prefix + ALERTS)]  # type: ignore[misc]

    def rejected(self) -> list[Rejected]:
        return [Rejected.model_validate_json(record.value) for record in self.records(self.prefix + REJECTED)]

    def rows(self) -> dict[str, StateRow]:
        """The newest state row of each patient."""
        return {patient: decode_row(row) for patient, row in self.raw_rows().items()}

    def raw_rows(self) -> dict[str, bytes]:
        """The last record of each patient in the changelog."""
        records = self.records(changelog_of(self.settings))
        return {record.key.decode(): record.value for record in records if record.key != MARK}

    def lag(self, group: str = "", topics: Sequence[str] = INPUTS) -> int:
        """Records not yet committed by a group, by default the worker's; all of them while nothing is committed."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=group or group_of(self.settings), enable_auto_commit=False
        )
        try:
            read = [TopicPartition(self.prefix + name, number) for name in topics for number in range(self.partitions)]
            ends = consumer.end_offsets(read)
            return sum(ends[partition] - (consumer.committed(partition) or 0) for partition in read)
        finally:
            consumer.close()

    def wait_until_committed(self, timeout: float = 120.0) -> None:
        until = time.monotonic() + timeout
        while self.lag():
            assert time.monotonic() < until, f"{self.lag()} records still not committed after {timeout} s"
            time.sleep(0.2)


class CommandProcess:
    """``dosetwin ARGUMENTS`` in a process of its own on a stage's topics; its log goes to ``log``."""

    READY = "ready"
    """What it logs when it has begun to work."""

    def __init__(
        self, stage: Stage, log: Path, arguments: Sequence[str], environment: Mapping[str, str] = EMPTY
    ) -> None:
        self.log = log
        self._begins = log.stat().st_size if log.exists() else 0
        self._file = log.open("ab")
        seen = {**os.environ, "PYTHONPATH": str(ROOT), **stage.environment, **environment}
        self.process = Forked(arguments, seen, self._file.fileno())

    def wait_ready(self, timeout: float = 120.0) -> None:
        until = time.monotonic() + timeout
        while self.READY not in self.text():
            assert self.process.poll() is None, f"it ended:\n{self.text()}"
            assert time.monotonic() < until, f"not ready after {timeout} s:\n{self.text()}"
            time.sleep(0.05)

    def text(self) -> str:
        """What this process has logged so far."""
        return self.log.read_bytes()[self._begins :].decode(errors="replace")

    def kill(self) -> None:
        """SIGKILL: no last barrier, no farewell."""
        self.process.kill()
        self.process.wait()
        self._file.close()

    def stop(self, timeout: float = 120.0) -> int:
        """SIGTERM, if it still runs; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self._file.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
        self._file.close()


class WorkerProcess(CommandProcess):
    """``dosetwin worker`` with fake twins."""

    READY = "worker ready"

    def __init__(
        self, stage: Stage, log: Path, *options: str, twins: str = FAKE_TWINS, environment: Mapping[str, str] = EMPTY
    ) -> None:
        arguments = ["--instance", "one", "--barrier-seconds", "0.5", "--session-timeout", "30", "--twins", twins]
        super().__init__(stage, log, ["worker", *arguments, *options], environment)


def digest_of(row: StateRow) -> str:
    """A fake twin's belief, from its state row."""
    return str(json.loads(row.twin)["digest"])
