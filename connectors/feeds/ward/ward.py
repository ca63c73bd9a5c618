"""A simulated ward: patients of the models' own populations, their pumps, wearables, laboratory and staff.

The ward is a pure function of its settings: the same seed and start give the same patients and, in the same order,
the same bytes. Events come in the order in which they would arrive, which is not that of the event times: results
take hours, messages are held up, a wearable sends afterwards what it stored. What nobody on a real ward would know,
who the patients are and what really happened, is in the truth records, to score the twin and its alerts against.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from connectors.feeds.stream import TimedEvent
from connectors.feeds.ward.bedside import bedside
from connectors.feeds.ward.drawing import draw_patient, ward_name
from connectors.feeds.ward.observed import CUFF_MS, observed_channels
from connectors.feeds.ward.patients import WardPatient
from connectors.feeds.ward.truth_file import truth_record
from twin.clock import HOUR_MS
from twin.events import to_millis
from twin.model.spec import Model

WARD_MODELS = ("docetaxel_ozawa2007", "fluorouracil_yamada2025")
"""Models whose patients a ward has unless told otherwise, in turn."""

ADMISSIONS_MS = 6 * HOUR_MS
"""All patients are admitted within this span."""

LONGEST_STAY_DAYS = 366
MOST_PATIENTS = 10_000


class WardError(ValueError):
    """A setting of the ward cannot be used; the text names it, its value and what would do."""


def default_start(now: datetime, days: float) -> datetime:
    """A midnight (UTC) before ``now``: the same for a whole day, so a second run repeats the first.

    It lies a day further back than patients stay: their time, which runs faster, does not run into the future, and ends
    where boards and pages look first.
    """
    back = timedelta(days=math.ceil(days) + 1)
    return (now.astimezone(UTC) - back).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class SimulatedWard:
    """A ward of ``size`` patients, each staying ``days`` days.

    Attributes:
        models: patients are of these, in turn.
        start: of the first admission; with an offset from UTC.
        vitals_every, pump_every: seconds between samples of the wearable and of the pump.
    """

    models: tuple[Model, ...]
    size: int
    start: datetime
    seed: int = 1
    days: float = 21.0
    vitals_every: float = 60.0
    pump_every: float = 120.0
    name: str = field(init=False)

    def __post_init__(self) -> None:
        _check("models", bool(self.models), len(self.models), "at least one")
        _check("patients", 1 <= self.size <= MOST_PATIENTS, self.size, f"1 to {MOST_PATIENTS}")
        _check("seed", 0 <= self.seed < 2**63, self.seed, "0 or above")
        _check("days", 0 < self.days <= LONGEST_STAY_DAYS, self.days, f"above 0, at most {LONGEST_STAY_DAYS}")
        _check("vitals_every", 1 <= self.vitals_every <= 86400, self.vitals_every, "1 to 86400 seconds")
        _check("pump_every", 5 <= self.pump_every <= 3600, self.pump_every, "5 to 3600 seconds")
        _check("start", self.start.tzinfo is not None, self.start.isoformat(), "a time with an offset, as ...T00:00Z")
        name = ward_name(self.seed, to_millis(self.start), self.days, self.models)
        object.__setattr__(self, "name", name)

    @cached_property
    def patients(self) -> tuple[WardPatient, ...]:
        """Everybody, in the order of admission."""
        first = to_millis(self.start)
        return tuple(
            draw_patient(
                self.models[index % len(self.models)],
                index,
                self.seed,
                first + round(index * ADMISSIONS_MS / self.size),
                self.days,
                self.name,
            )
            for index in range(self.size)
        )

    def arrivals(self) -> Iterator[TimedEvent]:
        """Every event of the ward in the order of arrival; nothing is worked out before it is due."""
        every = round(1000 * self.vitals_every), round(1000 * self.pump_every)
        return heapq.merge(*(bedside(patient, *every) for patient in self.patients), key=_arrival_millis)

    def truth_lines(self) -> Iterator[str]:
        """The truth file, a JSON line a patient (see `connectors.feeds.ward.truth_file`)."""
        return (json.dumps(truth_record(patient), allow_nan=False) + "\n" for patient in self.patients)


def expected_events(ward: SimulatedWard) -> int:
    """About how many events a ward will say, for a progress bar."""
    seconds = ward.days * 86400
    pumped = sum(i.connected[1] - i.connected[0] for p in ward.patients for i in p.infusions) / 1000
    small = sum(len(p.given) + len(p.specimens) + 10 for p in ward.patients)
    small += round(sum(len(observed_channels(p)) for p in ward.patients) * 1000 * seconds / CUFF_MS)
    return round(ward.size * (3 * seconds / ward.vitals_every + seconds / 3600) + pumped / ward.pump_every) + small


def _arrival_millis(arrival: TimedEvent) -> int:
    return arrival.time


def _check(name: str, fits: bool, value: object, wanted: str) -> None:
    if not fits:
        raise WardError(f"{name} {value}: must be {wanted}")


def named_models(ids: Sequence[str]) -> tuple[Model, ...]:
    """The models of a ward by id or path.

    Raises:
        twin.models.ModelError: no such model.
    """
    from twin.modelfile.library import load_model

    return tuple(load_model(identity, mixtures=True) for identity in ids)
