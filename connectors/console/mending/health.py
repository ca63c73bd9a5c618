"""How sources, workers and filters fare, for engineers."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from connectors.console.pulse import PartitionPulse
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from connectors.console.ward.sources import SourceFigures


class FilterHealth(msgspec.Struct, frozen=True):
    """How well a twin's particles and predictions fare.

    ``ess`` effective particles; of the ``measured`` values that are known, ``outside`` lay outside 5-95 % of what was
    expected (a tenth should), and ``pit`` is the mean of where they lay (a half is without bias).
    """

    patient: str
    model: str | None
    time: int | None
    ess: float | None
    observations: int
    measured: int
    outside: int
    pit: float | None
    sealed: str | None
    notes: tuple[str, ...]


class Health(msgspec.Struct, frozen=True):
    """Everything that engineers are told at once."""

    reader: ReaderStatus
    sources: tuple[SourceFigures, ...]
    partitions: tuple[PartitionPulse, ...]
    filters: tuple[FilterHealth, ...]


def health_of(live: LiveBoard, sees: Callable[[str], bool]) -> Health:
    """How all is now; of filters those of patients who are seen."""
    with live.lock:
        sealed = live.pulses.sealed()
        sources, partitions = live.sources.figures(), live.pulses.partitions(time.monotonic())
    filters = []
    for row in live.ward().rows:
        if not sees(row.id):
            continue
        values = live.measured(row.id)
        outside = sum(not value.q05 <= value.observed <= value.q95 for value in values)
        pit = sum(value.pit for value in values) / len(values) if values else None
        filters.append(
            FilterHealth(
                row.id,
                row.model,
                row.time,
                row.ess,
                row.observations,
                len(values),
                outside,
                pit,
                sealed.get(row.id),
                row.notes,
            )
        )
    return Health(live.status, sources, partitions, tuple(filters))
