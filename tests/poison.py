"""Poison for whoever reads outputs: ``python -m tests.poison 100000`` lets a sink and a console read so many records.

Each is an output that was spoilt: a value exchanged for one that no reader wants, a field taken away, a list made
longer, a name with a query in it, bytes that are no text. Every one must be written or become one dead letter, and the
page must still be drawn; the first that is not ends the run with its bytes. The same seed spoils the same way.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from connectors.console.board import Board
from connectors.console.topic_reader import LiveBoard, ReaderStatus, TopicReader
from connectors.kafka.records import Record, dead_letter
from connectors.kafka.subscription import Subscription
from connectors.kafka.topics import OUTPUTS, topic_of
from connectors.sinks.arrival import Arrival
from connectors.sinks.delivery import Delivery, Limits
from connectors.sinks.event_lines import event_lines
from connectors.sinks.influx import InfluxWriter
from tests.connectors.sinks.fake_kafka import Broker, Clock, Consumer
from tests.lineprotocol import parse
from twin.events import EVENTS, OUTPUT_EVENTS, Rejected, encode

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 10**400, 1e308, -1e308, 5e-324, 1.0000000001, "", " ", "\n", "\\", '"', "a,b=c d",
    '" or true) |> to(bucket: "other', "${__user}", "<script>", "\x00", "\u2028", "\ud800", "P" * 70_000,
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1e999", [], {}, [[]], [1e308] * 3, {"a": {"b": {"c": []}}},
)  # fmt: skip
"""What stands where something else should."""

RAW = (b"", b"\xff\xfe", b"null", b"[" * 50_000, b'{"a":' * 50_000, b'{"kind":"alert"', b"NaN", b"\x00" * 100)
"""What is no JSON, or more of it than anybody reads."""

_EXAMPLES = [(topic_of(event), json.loads(encode(event.example()))) for event in EVENTS if topic_of(event) in OUTPUTS]


def spoilt(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """``count`` records, each with its topic (without prefix)."""
    chance = random.Random(seed)
    for _ in range(count):
        topic, example = chance.choice(_EXAMPLES)
        if chance.random() < 0.02:
            yield chance.choice(OUTPUTS), chance.choice(RAW)
            continue
        event = copy.deepcopy(example)
        for _ in range(chance.randint(1, 3)):
            _spoil(event, chance)
        raw = json.dumps(event).replace("Infinity", "1e999").encode()
        if chance.random() < 0.05:
            place = chance.randrange(len(raw))
            raw = raw[:place] + bytes([chance.randrange(256)]) + raw[place + 1 :]
        yield (topic if chance.random() < 0.97 else chance.choice(OUTPUTS)), raw


def _spoil(event: dict[str, Any], chance: random.Random) -> None:
    """Change something, somewhere within the event."""
    within: Any = event
    while True:
        key = chance.choice(list(within) if isinstance(within, dict) else range(len(within)))
        if not isinstance(within[key], dict | list) or not within[key] or chance.random() < 0.2:
            break
        within = within[key]
    match chance.randrange(5):
        case 0:
            del within[key]
        case 1 if isinstance(within, list):
            within += copy.deepcopy(within)
        case 2 if isinstance(within[key], int | float) and abs(within[key]) < 1e9:
            within[key] *= chance.choice((-1, 1e300, 1e-300, 10**18))
        case _:
            within[key] = copy.deepcopy(chance.choice(NASTY))


class _Lines(InfluxWriter):
    """The writer to InfluxDB, which writes nowhere but reads its own lines back."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, items: Sequence[str]) -> None:
        for item in items:
            point = parse(item)
            assert set(point.tags) <= _TAGS, item
        self.written += len(items)


_TAGS = {
    tag
    for event in (*OUTPUT_EVENTS, Rejected)
    for line in event_lines(event.example(), Arrival(0, 0, 0))
    for tag in parse(line).tags
} | {"drug", "rival"}


def read_by_a_sink(records: Sequence[tuple[str, bytes]]) -> Counter[str]:
    """Let a sink read them; returns how many were done, became lines, and became dead letters.

    Raises:
        AssertionError: a record was put aside twice, or one on the dead letters' own topic at all.
    """
    broker = Broker(Clock())
    for topic, raw in records:
        broker.add(topic, 0, raw)
    letters: list[tuple[str, int]] = []

    def put_aside(record: Record, reason: str, detail: str) -> None:
        letter = dead_letter(record, reason, detail)
        assert Rejected.model_validate_json(encode(letter)) == letter
        letters.append((record.topic, record.offset))

    consumer, writer, stop = Consumer(broker), _Lines(), threading.Event()
    delivery = Delivery("influx", Subscription(consumer, OUTPUTS), writer, put_aside, limits=Limits(), now=broker.clock)
    consumer.polled = lambda: stop.set() if broker.all_committed() else None
    delivery.run(stop)
    assert len(letters) == len(set(letters)), "a record was put aside twice"
    return Counter(delivery.summary() | {"lines": writer.written, "letters": len(letters)})


def read_by_a_console(records: Sequence[tuple[str, bytes]], drawn_every: int = 500) -> Counter[str]:
    """Let a console read them, and draw ward and patients now and then and at the end; returns what it counted."""
    live = LiveBoard(Board(), ReaderStatus(state="live"))
    reader = TopicReader(live, "127.0.0.1:1")
    bad = 0
    for offset, (topic, raw) in enumerate(records):
        bad += not reader.take(Record(topic, 0, offset, 0, None, raw))
        if offset % drawn_every == 0 or offset == len(records) - 1:
            ward = json.loads(msgspec.json.encode(live.ward()))
            json.loads(msgspec.json.encode(live.pulse()))
            for row in ward["rows"][:20]:
                json.loads(msgspec.json.encode(live.patient(row["id"])))
                json.loads(msgspec.json.encode(live.pulse(row["id"])))
    return Counter(undecodable=bad, patients=len(live.board))


def main(count: int, seed: int = 1) -> None:
    """Read ``count`` spoilt records in heaps, and say what became of them."""
    found: Counter[str] = Counter()
    for first in range(0, count, 5_000):
        records = list(spoilt(seed + first, min(5_000, count - first)))
        found += read_by_a_sink(records) + read_by_a_console(records)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
