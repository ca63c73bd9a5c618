"""What comes in is spoilt."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Callable
from itertools import islice

import psutil

from connectors.kafka.topics import topic_of
from tests.faults.ground import Ground, ward_story
from tests.faults.kinds.fault import fault
from tests.faults.kinds.patients import in_order
from tests.streams.worker.stage import WorkerProcess
from twin.events import InputEvent, encode

MEASURED = 10_000
"""From so many spoilt records on, what they cost counts too, beside good ones as a ward sends most of: in order."""


def good_ones(times: int, seed: int) -> list[InputEvent]:
    """A ward with all that comes late and twice; where the pace counts, one that tells in order."""
    return list(islice(in_order(seed, times), times)) if times >= MEASURED else ward_story(days=1.0, seed=seed)


@fault(short=2000, story=good_ones)
def inputs_fuzzed(ground: Ground, chance: random.Random, times: int) -> None:
    """Spoilt records among the good ones: each is refused for its reason, with its original bytes.

    The pace is told by processor time: with as many spoilt records as good ones at least half of that without any.
    Half of the spoilt ones come by themselves, to say what one costs.
    """
    sent: Counter[tuple[str, bytes]] = Counter()
    worker = ground.start("one")

    def spoil() -> None:
        for number in range(times // 2):
            event = chance.choice(ground.expected.events)
            reason, key, raw = spoilt(event, chance)
            ground.stage.send(topic_of(event), key, raw)
            sent[reason, raw] += 1
            ground.refused[reason] += 1
            if number % 1000 == 999:
                ground.stage.producer.flush()
        ground.stage.producer.flush()

    def cost(share: float, also: Callable[[], object] = bool) -> float:
        before = _processor_seconds(worker)
        ground.feed(share, rate=None)
        also()
        ground.fed()
        ground.stage.wait_until_committed(600.0)
        return _processor_seconds(worker) - before

    cost(0.3)  # what a process does once is done
    good = cost(0.3) / (0.3 * len(ground.expected.events))
    bad = cost(0.0, spoil) / (times // 2)
    cost(0.3, spoil)
    pace = good / (good + bad)
    ground.measured |= {
        "good_us": round(1e6 * good, 1), "spoilt_us": round(1e6 * bad, 1), "pace_among_spoilt": round(pace, 2),
    }  # fmt: skip
    letters = {(each.topic, each.partition, each.offset): each for each in ground.stage.rejected()}.values()
    told = Counter((each.reason, base64.b64decode(each.original_base64 or "")) for each in letters)
    assert told == sent, f"{(told - sent).total()} letters of no spoilt record, {(sent - told).total()} without one"
    assert times < MEASURED or pace >= 0.5, f"spoilt records slow the good ones down: {ground.measured}"


def _processor_seconds(worker: WorkerProcess) -> float:
    spent = psutil.Process(worker.process.pid).cpu_times()
    return float(spent.user + spent.system)


def spoilt(event: InputEvent, chance: random.Random) -> tuple[str, str, bytes]:
    """An event made unusable in one of many ways: why it must be refused, its key, and what is sent."""
    raw, key = encode(event), event.patient_id
    fields = json.loads(raw)
    way = chance.randrange(6)
    if way == 0:  # cut off anywhere
        return "malformed_json", key, raw[: chance.randrange(1, len(raw))]
    if way == 1:  # a byte that is in no text
        place = chance.randrange(len(raw))
        return "malformed_json", key, raw[:place] + bytes([chance.randrange(0xF8, 0x100)]) + raw[place:]
    if way == 2:
        return "malformed_json", key, b"\xff" + chance.randbytes(chance.randrange(1, 400))
    if way == 3:
        return "wrong_key", f"{key}-{chance.randrange(1000)}", raw
    if way == 4:
        del fields[chance.choice(["event_id", "time", "source"])]
    else:
        fields["time"] = chance.choice([None, [], "yesterday", {"": 1}, "2026-13-01T00:00:00Z"])
    return "invalid_event", key, json.dumps(fields).encode()
