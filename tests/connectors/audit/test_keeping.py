"""The chain on a real broker: written once however often its writer is killed, and by one at a time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest
from kafka.errors import KafkaError

from connectors.alerts.newest import newest_alerts
from connectors.audit.chain import entry_of
from connectors.audit.keeping import transactional_id, verify_chain, write_chain
from connectors.kafka.clients import open_producer
from connectors.kafka.topics import ALERTS, AUDIT
from connectors.settings import Settings
from tests import factories as make
from tests.streams.worker.stage import Stage
from twin.events import encode


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    with contextlib.closing(Stage(kafka)) as stage:
        yield stage


def say(stage: Stage, patient: str, revision: int) -> None:
    alert = make.alert(patient, revision=revision, phase="update" if revision else "start")
    stage.send(ALERTS, patient, encode(alert)).get(60)


def killed_while_it_writes(settings: Settings) -> None:
    """A writer that dies with a transaction open."""
    producer = open_producer(settings.kafka, transactional_id=transactional_id(settings), acks="all")
    producer.init_transactions()
    producer.begin_transaction()
    link = entry_of(None, 77, b"never told", {})
    producer.send(settings.topic_prefix + AUDIT, value=link.hash.encode(), partition=0).get(60)
    producer.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def test_every_record_is_told_of_once_though_a_writer_is_killed(stage: Stage) -> None:
    settings = stage.settings
    for revision in range(3):
        say(stage, "P-1", revision)
    say(stage, "P-2", 0)
    assert write_chain(settings, lambda: False, follow=False) == 4
    victim = multiprocessing.get_context("spawn").Process(target=killed_while_it_writes, args=(settings,))
    victim.start()
    victim.join(120)
    assert victim.exitcode == -signal.SIGKILL
    say(stage, "P-1", 3)
    say(stage, "P-1", 3)  # of a worker that was killed before it knew that this was said
    assert write_chain(settings, lambda: False, follow=False) == 2
    assert write_chain(settings, lambda: False, follow=False) == 0
    assert not any(verify_chain(settings).values())
    assert [(alert.patient_id, alert.revision) for alert in newest_alerts(settings)] == [("P-1", 3), ("P-2", 0)]
    assert [alert.patient_id for alert in newest_alerts(settings, "P-2")] == ["P-2"]

    say(stage, "P-2", 1)
    (faults,) = [each for each in verify_chain(settings).values() if each]
    assert "is not told of" in faults[0]


def test_a_writer_that_another_took_over_from_writes_no_more(stage: Stage) -> None:
    settings = stage.settings
    taken_over = False

    def stop() -> bool:
        nonlocal taken_over
        if not taken_over:
            taken_over = True
            assert write_chain(settings, lambda: False, follow=False) == 0
            say(stage, "P-1", 0)
        return False

    with pytest.raises(KafkaError):
        write_chain(settings, stop)
    assert write_chain(settings, lambda: False, follow=False) == 1
    assert not any(verify_chain(settings).values())
