"""Words of devices and their bindings from NDJSON files onto their topic, each under its device's key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from connectors.feeds.bad_lines import BadLine
from connectors.kafka.clients import abandon, confirm, open_producer
from connectors.kafka.topics import DEVICES, INPUT_BYTES
from connectors.settings import Settings
from twin.devices.words import device_of, read_word
from twin.events import BadEvent

AT_ONCE = 1_000
"""Records that may wait for their confirmation."""

LONGEST = 2_097_152
"""Bytes of a line that are read at once; a word has at most half as many."""


def send_files(settings: Settings, files: Iterable[Path]) -> Iterator[BadLine | int]:
    """Send every line that can be read, in order; the lines that cannot be, and how many are durable so far.

    Raises:
        OSError: a file cannot be read.
        KafkaUnreachable: no broker answers.
        kafka.errors.KafkaError: the broker does not take a record; those before are there, and may be sent again.
    """
    producer = open_producer(settings.kafka, acks="all", enable_idempotence=True, max_request_size=INPUT_BYTES)
    waiting: list[Any] = []
    done = 0
    try:
        for file in files:
            with file.open("rb") as stream:
                for number, raw in enumerate(iter(lambda: stream.readline(LONGEST), b""), start=1):
                    if not (line := raw.strip()):
                        continue
                    try:
                        key = device_of(read_word(line)).encode()
                    except BadEvent as error:
                        yield BadLine(number, str(error), file)
                        continue
                    waiting.append(producer.send(settings.topic_prefix + DEVICES, key=key, value=line))
                    if len(waiting) >= AT_ONCE:
                        confirm(waiting)
                        done, waiting = done + len(waiting), []
                        yield done
        confirm(waiting)
        yield done + len(waiting)
    finally:
        abandon(producer)
