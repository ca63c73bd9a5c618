"""A long flow in which nothing happens: does a worker's memory stay as it is?

A twin's record grows with what it is told, so a ward of which ever more is told shows nothing. Here the ward has told
its days before the first look counts, and all at once, so that as much has waited as ever will; afterwards devices and
systems repeat what they said, at the same pace, and once a second a laboratory corrects the last result of a patient
once more. So all that a worker does goes on (reading, judging, folding, estimates, alerts, rows) and nothing that it
should keep is new, but for some bytes a correction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.faults.ground import PARTICLES, RATE, on_own_brokers, ward_story
from tests.faults.verdict import Undisturbed
from twin.events import InputEvent, LabResult

GROWTH = 0.02
"""Most that memory may grow after the first third."""

LOOK_SECONDS = 5.0


def repeated_story(told: Sequence[InputEvent], minutes: float) -> list[InputEvent]:
    """What a ward has told, and after that the same again and again, with corrections."""
    newest = {event.patient_id: event for event in told if isinstance(event, LabResult) and event.replaces is None}
    results = [newest[patient] for patient in sorted(newest)]
    story = list(told)
    while len(story) < round(RATE * 60 * minutes):
        number = len(story)
        if number % round(RATE):
            story.append(told[number % len(told)])
            continue
        result = results[number // round(RATE) % len(results)]
        value = result.value.model_copy(update={"value": result.value.value * (0.8 + 0.01 * (number % 37))})
        story.append(result.model_copy(update={
            "event_id": f"zz-{number:08d}", "replaces": result.event_id, "status": "corrected", "value": value,
        }))  # fmt: skip
    return story


def steady(minutes: float, seed: int, logs: Path) -> dict[str, Any]:
    """What comes of the twins, and whether memory stays flat after the first third."""
    began = time.monotonic()
    told = ward_story(patients=8, days=2.0, seed=seed)
    events = repeated_story(told, minutes)
    expected = Undisturbed.of(events, PARTICLES)
    memory: list[int] = []
    done = threading.Event()
    with on_own_brokers(expected, logs) as ground:
        ground.feed(len(told) / len(events))
        ground.fed()
        process = psutil.Process(ground.start("one").process.pid)

        def look() -> None:
            while not done.wait(LOOK_SECONDS):
                memory.append(process.memory_info().rss)

        looking = threading.Thread(target=look)
        looking.start()
        ground.feed(1.0)
        ground.fed()
        done.set()
        looking.join()
        found = ground.finish()
    growth = growth_of(memory)
    if growth > GROWTH:
        found.append(f"memory grew by {100 * growth:.1f} %")
    return {
        "fault": "none",
        "what": "Nothing happens; the worker's memory is looked at.",
        "times": 0,
        "events": len(events),
        "seconds": round(time.monotonic() - began),
        "differences": found,
        "memory_mib": [round(each / 2**20, 1) for each in memory],
        "growth": round(growth, 4),
        "flat": growth <= GROWTH,
    }


def growth_of(memory: list[int]) -> float:
    """Of the last tenth over the first, after a first third in which all is touched once.

    >>> growth_of([50, 90, 100, 100, 100, 100, 100, 100, 102])
    0.02
    """
    later = memory[len(memory) // 3 :]
    tenth = max(len(later) // 10, 1)
    return round(sum(later[-tenth:]) / sum(later[:tenth]) - 1.0, 6) if later else 0.0
