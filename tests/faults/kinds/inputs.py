"""What comes in is spoilt."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter

from connectors.kafka.topics import topic_of
from tests.faults.ground import Ground
from tests.faults.kinds.fault import fault
from twin.events import InputEvent, encode


@fault(short=2000)
def inputs_fuzzed(ground: Ground, chance: random.Random, times: int) -> None:
    """So many spoilt records among the good ones: each is refused for its reason, with its original bytes."""
    sent: Counter[tuple[str, bytes]] = Counter()
    ground.start("one")
    ground.feed(0.9)
    for number in range(times):
        event = chance.choice(ground.expected.events)
        reason, key, raw = spoilt(event, chance)
        ground.stage.send(topic_of(event), key, raw)
        sent[reason, raw] += 1
        ground.refused[reason] += 1
        if number % 1000 == 999:
            ground.stage.producer.flush()
    ground.fed()
    ground.stage.wait_until_committed(60 + times / 100)
    letters = {(each.topic, each.partition, each.offset): each for each in ground.stage.rejected()}.values()
    told = Counter((each.reason, base64.b64decode(each.original_base64 or "")) for each in letters)
    assert told == sent, f"{(told - sent).total()} letters of no spoilt record, {(sent - told).total()} without one"


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
