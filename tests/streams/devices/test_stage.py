"""On a real broker: kills change nothing, what waits is told once it is claimed, and only one process writes rows."""

from __future__ import annotations

import base64
import random
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaError
from typer.testing import CliRunner

from connectors.kafka.clients import open_admin
from connectors.kafka.topics import DEVICE_TOPICS, DEVICES, ensure_topics
from streams.cli import app
from streams.devices.journal import Journal
from streams.devices.partition import Bounds
from streams.devices.rows import PARTITION
from streams.devices.stage import DeviceService, StageOptions, StateLost, group_of
from streams.terminal.metrics_page import Health, metrics_page
from tests.faults.devices import PATIENCE, Said, delivered, eventually, expected, killed, read
from tests.streams.worker.stage import Stage
from tests.twin.devices.said import at, bound, on_the_wire, word
from twin.devices.words import device_of


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    made = Stage(kafka)
    ensure_topics(kafka, made.prefix, made.partitions, DEVICE_TOPICS)
    yield made
    made.close()


def hear(stage: Stage, said: Iterable[Said]) -> None:
    sent = [stage.send(DEVICES, device_of(one), on_the_wire(one)) for one in said]
    for each in sent:
        each.get(60)


@contextmanager
def running(stage: Stage, options: StageOptions | None = None) -> Iterator[DeviceService]:
    """The service in a thread."""
    service, stop = DeviceService(stage.settings, options or StageOptions()), threading.Event()
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    try:
        yield service
    finally:
        stop.set()
        thread.join(PATIENCE)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(stage: Stage, tmp_path: Path) -> None:
    assert killed(stage, tmp_path / "log", 5, random.Random(8)) == []


def test_what_waits_is_told_when_claimed_and_what_nobody_claimed_can_be_sent_again(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.devices.stage.LOOK_SECONDS", 0.2)
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "words.ndjson"
    words = [on_the_wire(word(f"w{minute}", minute, float(minute))) for minute in range(1, 5)]
    file.write_bytes(b"\n".join([b"{", *words, b""]))
    sent = CliRunner().invoke(app, ["devices", "send", str(file)])
    assert (sent.exit_code, "line 1: not JSON" in sent.stderr) == (3, True), sent.stderr
    with running(stage, StageOptions(Bounds(words=3))) as service:
        eventually(lambda: read(stage))
        assert delivered(stage) == set()
        hear(stage, [word("other", 2, device_id="pump-9"), bound("A", 0)])
        eventually(lambda: len(delivered(stage)) == 3)
        (letter,) = stage.rejected()
        assert (letter.reason, base64.b64decode(letter.original_base64 or "")) == ("device_unbound", words[0])
        again = CliRunner().invoke(app, ["rejected", "resend", "--reason", "device_unbound"])
        assert again.output.endswith("1 of 1 sent again\n"), again.output
        eventually(lambda: len(delivered(stage)) == 4)
        assert delivered(stage) == expected([word(f"w{m}", m, float(m)) for m in range(1, 5)] + [bound("A", 0)])

        health = Health(service.dead, service.waiting)
        with metrics_page(service.metrics.registry, 0, health=health) as address:
            assert address is not None
            eventually(lambda: "dosetwin_devices_waiting_words 1.0" in page(address), lambda: page(address))
            assert "pump-" not in page(address)
            assert 'dosetwin_devices_dead_letters_total{reason="device_unbound"} 1.0' in page(address)
            assert "ok" in page(address.replace("metrics", "readyz"))


def page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())


def test_who_has_lost_a_partition_writes_no_row_of_it_any_more(stage: Stage) -> None:
    old = Journal(stage.settings, 0)
    old.write({PARTITION: b'{"batch":0}', b"gone": b"1"})
    old.write({b"gone": None})
    new = Journal(stage.settings, 0)
    try:
        with pytest.raises(KafkaError):
            old.write({PARTITION: b'{"batch":1}', b'["word","pump-4","w"]': b"{}"})
        assert new.rows() == {PARTITION: b'{"batch":0}'}
        new.write({PARTITION: b'{"batch":2}'})
        assert new.rows() == {PARTITION: b'{"batch":2}'}
    finally:
        old.close()
        new.close()


def test_after_an_error_of_kafkas_it_begins_anew_from_its_rows(stage: Stage) -> None:
    with running(stage) as service:
        hear(stage, [bound("A", 0), word("w", 5)])
        eventually(lambda: len(delivered(stage)) == 1)
        for number in range(stage.partitions):  # another takes them over, and lets go of them
            Journal(stage.settings, number).close()
        hear(stage, [word("w2", 8, 7.0)])
        eventually(lambda: len(delivered(stage)) == 2)
        eventually(lambda: service.metrics.summary()["restarts"] > 0 and not service.waiting(), service.waiting)


def test_where_kafka_has_forgotten_the_group_nothing_is_read_again(stage: Stage) -> None:
    with running(stage):
        hear(stage, [bound("A", 0), word("w", 5)])
        eventually(lambda: len(delivered(stage)) == 1)
        eventually(lambda: read(stage))
    admin = open_admin(stage.bootstrap)
    admin.delete_groups([group_of(stage.settings)])
    admin.close()
    hear(stage, [word("w2", 8, 7.0)])
    with running(stage) as service:
        eventually(lambda: len(delivered(stage)) == 2)
        eventually(lambda: service.metrics.summary()["records"] == 1, lambda: service.metrics.summary())


def test_a_record_that_cannot_be_worked_out_is_put_aside_and_harms_no_other(stage: Stage) -> None:
    end = (datetime(9999, 12, 31, 22, tzinfo=UTC) - at(0)).total_seconds() / 60
    late = [word(f"w{minute}", end + minute, 1.0 + minute, off=-30) for minute in range(6)]
    beyond = word("beyond", end + 7, 4.0, off=110)  # by a right clock it was said in the year 10000
    hear(stage, [bound("A", 0), *late, beyond, word("next", end + 8, 9.0, off=-30)])
    with running(stage):
        eventually(lambda: read(stage))
    assert {rate for _, _, rate in delivered(stage)} == {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0}
    assert [letter.reason for letter in stage.rejected()] == ["internal_error"]


def test_rows_that_are_gone_are_named_and_it_begins_anew_only_when_told_to(stage: Stage) -> None:
    hear(stage, [bound("A", 0), word("w", 5)])
    committed(stage)
    with pytest.raises(StateLost, match=r"iomt\.devices-state\[\d\] is empty.*--begin-anew"):
        DeviceService(stage.settings, StageOptions()).run(threading.Event())
    with running(stage, StageOptions(begin_anew=True)):
        hear(stage, [bound("A", 0), word("w2", 6)])
        eventually(lambda: len(delivered(stage)) == 1)


def committed(stage: Stage) -> None:
    """As if all of the topic had been read."""
    from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

    consumer: Any = KafkaConsumer(bootstrap_servers=stage.bootstrap, group_id=group_of(stage.settings))
    places = [TopicPartition(stage.prefix + DEVICES, number) for number in range(stage.partitions)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    consumer.commit({place: OffsetAndMetadata(end, "", -1) for place, end in ends.items()})
    consumer.close()
