"""The stage of devices killed while pumps speak and are bound: does each word end at the patient who had the pump?"""

from __future__ import annotations

import random
import re
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from connectors.kafka.topics import DEVICE_TOPICS, DEVICES, PUMP, ensure_topics
from streams.devices.stage import group_of
from tests.faults.brokers import Brokers
from tests.streams.worker.stage import CommandProcess, Stage
from tests.twin.devices.said import bound, on_the_wire, retracted, word
from twin.devices.device_record import DeviceRecord
from twin.devices.words import DeviceWord, device_of
from twin.events import DeviceAssociation, PumpDelivery, decode
from twin.record.history import History

PATIENCE = 60.0
"""Seconds that what must happen may take on a busy machine."""

Said = DeviceWord | DeviceAssociation


def eventually(true: Callable[[], bool], shown: Callable[[], object] = str) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, f"did not happen: {shown()}"
        time.sleep(0.1)


def delivered(stage: Stage) -> set[tuple[str, str, float]]:
    """Patient, time and rate of each word that counts at a patient, whose id was told with one content alone."""
    contents: dict[str, bytes] = {}
    histories: dict[str, History] = defaultdict(History)
    for record in stage.records(stage.prefix + PUMP):
        event = decode(record.value)
        assert contents.setdefault(event.event_id, record.value) == record.value
        assert record.key == event.patient_id.encode()
        histories[event.patient_id].insert(event)
    return {
        (patient, fact.time.isoformat(), fact.rate.value)
        for patient, history in histories.items()
        for _, fact in history.effective()
        if isinstance(fact, PumpDelivery)
    }


def expected(said: Iterable[Said]) -> set[tuple[str, str, float]]:
    """The same, of whom nothing disturbs."""
    pumps: dict[str, DeviceRecord] = {}
    for one in said:
        pumps.setdefault(device_of(one), DeviceRecord(device_of(one))).add(one)
    facts = [fact for pump in pumps.values() for fact in pump.facts().values() if isinstance(fact, PumpDelivery)]
    return {(fact.patient_id, fact.time.isoformat(), fact.rate.value) for fact in facts}


def read(stage: Stage) -> bool:
    return stage.lag(group_of(stage.settings), [DEVICES]) == 0


def shift(device: str, chance: random.Random) -> list[Said]:
    """Two patients take turns at a pump; one binding was a mistake, some words come twice or late."""
    one, other = f"A-{device}", f"B-{device}"
    mistake = bound(one, 50, device_id=device)
    said: list[Said] = [bound(one, 0, device_id=device), bound(one, 30, False, device_id=device), mistake]
    said += [retracted(mistake), bound(other, 50, device_id=device), bound(one, 80, device_id=device)]
    said += [word(f"{device} {minute}", minute, 1.0 + minute // 3, device_id=device) for minute in range(-5, 100, 2)]
    chance.shuffle(said)
    return said + chance.sample(said, 8)


def killed(stage: Stage, log: Path, kills: int, chance: random.Random) -> list[str]:
    """Kill ``dosetwin devices run`` so many times while three pumps or more speak; what is not as if undisturbed."""
    said = [one for number in range(max(3, kills // 2)) for one in shift(f"pump-{number}", chance)]
    chance.shuffle(said)
    share = -(-len(said) // (kills + 1))
    wrong: list[str] = []
    for kill in range(kills + 1):
        arguments = ["devices", "run", "--instance", "{host}", "--metrics-port", "0"]
        with CommandProcess(stage, log, arguments) as process:
            process.wait_ready(PATIENCE)
            for one in said[kill * share : (kill + 1) * share]:
                stage.send(DEVICES, device_of(one), on_the_wire(one))
            stage.send(DEVICES, "pump-1", b"{")
            stage.producer.flush()
            if kill < kills:
                time.sleep(chance.uniform(0.0, 0.5))
                process.kill()
                continue
            eventually(lambda: read(stage), process.text)
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", process.text())
            with urllib.request.urlopen(f"{address}metrics", timeout=60) as answer:
                if b"dosetwin_devices_records_total" not in answer.read():
                    wrong.append("no figures of its own")
            if code := process.stop():
                wrong.append(f"it ended with {code}")
    found, right = delivered(stage), expected(said)
    wrong += [f"missing {one}" for one in sorted(right - found)] + [f"too many {one}" for one in sorted(found - right)]
    letters = {(letter.partition, letter.offset): letter.reason for letter in stage.rejected()}
    if list(letters.values()) != ["malformed_json"] * (kills + 1):
        wrong.append(f"dead letters {letters}")
    return wrong


def devices_killed(kills: int, seed: int, logs: Path) -> dict[str, Any]:
    """The same on a broker of its own, as a report of the soak."""
    began = time.monotonic()
    with closing(Brokers(logs, 1)) as brokers, closing(Stage(brokers.bootstrap)) as stage:
        ensure_topics(stage.bootstrap, stage.prefix, stage.partitions, DEVICE_TOPICS)
        try:
            wrong = killed(stage, logs / "devices.log", kills, random.Random(seed))
        except AssertionError as error:
            wrong = [str(error)]
        told = len(delivered(stage))
    return {
        "fault": "devices_killed",
        "what": "The stage of devices is killed while pumps speak and are bound, one of them by mistake.",
        "times": kills,
        "events": told,
        "differences": wrong,
        "seconds": round(time.monotonic() - began),
    }
