"""What a console holds: ``python -m tests.connectors.console.memory_figures [PATIENTS] [HOURS]``.

The console's reader folds the ward of `ward_figures` in a process of its own, without Kafka and a page, as fast as it
can: weeks of a ward's time within minutes, so that what has no bound cannot hide beside what has not settled. Every
hundred hours are told the memory of the process, which the allocator's holes are part of, and the containers and blocks
that Python itself holds, which they are not.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from connectors.console.board import Board
from connectors.console.topic_reader import LiveBoard, TopicReader
from connectors.kafka.records import Record
from connectors.kafka.topics import topic_of
from tests.connectors.console.ward_figures import HOURS, Now, past
from twin.events import encode

EVERY = 100
"""Hours of the ward between two lines."""


def main(patients: int = 500, hours: int = 800) -> None:
    """Fold the past, then so many hours of the ward, and tell what is held."""
    names = [f"P-{number:04d}" for number in range(1, patients + 1)]
    live = LiveBoard(Board(HOURS))
    live.alerts.open("ward", {0: 0})
    take = _taker(TopicReader(live, "not-asked:1"))
    for topic, patient, raw in past(names):
        take(topic, patient, raw)
    print(f"the past: {_held()}", flush=True)
    ward, version, told = Now(names), 0, 0
    while told < hours:
        for event in ward.second():
            take(topic_of(event, ""), event.patient_id, encode(event))
        frame = live.ward(version)
        version = frame.version
        msgspec.json.encode(frame)
        if ward.hours >= told + EVERY:
            told = ward.hours
            print(f"{told:5d} hours: {_held()}", flush=True)


def _taker(reader: TopicReader) -> Callable[[str, str, bytes], None]:
    """What hands the reader records of one partition of each topic, one after the other."""
    next_offset: Counter[str] = Counter()

    def take(topic: str, patient: str, raw: bytes) -> None:
        reader.take(Record(topic, 0, next_offset[topic], 0, patient.encode(), raw))
        next_offset[topic] += 1

    return take


def _held() -> str:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1e3
    return f"{resident:.1f} MB, {len(gc.get_objects()):,} containers, {sys.getallocatedblocks():,} blocks of Python's"


if __name__ == "__main__":
    main(*(int(said) for said in sys.argv[1:]))
