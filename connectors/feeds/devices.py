"""What devices said without a patient, one JSON object a line, given to whom they were bound, at the right time.

A line is a device's word (`twin.devices.words`) or a ``device_association``. All lines of a file are taken together;
what a later file changes of an earlier one is corrected or retracted. Nothing is remembered between two runs: earlier
files are given again before the new one, and what they say has the same ids as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Note, Said, Stream, TimedEvent
from twin.devices.device_record import DeviceRecord
from twin.devices.words import device_of, read_word
from twin.events import BadEvent, DeviceAssociation, to_millis

_LONGEST = 2_097_152
"""Bytes of a line that are read at once; a word has at most half as many."""


def open_feed(files: Annotated[list[Path], "one device's word or binding a line"]) -> Stream:
    """The events of patients that follow from the files, and at the end what waits for a binding."""
    return Stream(_said(files))


def _said(files: list[Path]) -> Iterator[Said]:
    records: dict[str, DeviceRecord] = {}
    for file in files:
        bindings: list[DeviceAssociation] = []
        heard: dict[str, DeviceRecord] = {}
        with file.open("rb") as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(_LONGEST), b""), start=1):
                if not raw.strip():
                    continue
                try:
                    said = read_word(raw)
                except BadEvent as error:
                    yield BadLine(number, str(error), file)
                    continue
                device = device_of(said)
                record = records.setdefault(device, DeviceRecord(device))
                record.add(said)
                heard[device] = record
                if isinstance(said, DeviceAssociation):
                    bindings.append(said)
        events = [*bindings, *(change.event for device in sorted(heard) for change in heard[device].changes())]
        yield from (TimedEvent(to_millis(event.time), event) for event in sorted(events, key=lambda one: one.time))
    for device in sorted(records):
        yield from map(Note, _notes(records[device]))


def _notes(record: DeviceRecord) -> Iterator[str]:
    for epoch in record.clock.epochs:
        if behind := epoch.behind(epoch.centre):
            said = f"its clock was {abs(behind) / 1000:.0f} s {'behind' if behind > 0 else 'ahead'}, and is corrected"
            yield f"{record.device_id}: {said} (to {epoch.sd / 1000:.0f} s)"
    for patients, count in sorted(Counter(one.patients for one in record.waiting()).items()):
        who = f"bound to {' and '.join(patients)} at once" if patients else "bound to nobody then"
        yield f"{record.device_id}: {count} left out, the device was {who}; send the 'device_association' that is right"
