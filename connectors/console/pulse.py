"""Whether the twins that are shown still live: the heartbeats of their workers, heard and missed.

Figures on a page look the same whether their twin lives or has died. So every page carries a *pulse*: nothing while all
is well, and otherwise in words what is wrong and for how long, the louder the longer it lasts. Times are seconds of one
monotonic clock, given by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from connectors.kafka.topics import home_partition
from twin.events import Heartbeat

SILENT = 3.0
"""Seconds without a heartbeat after which a worker is said to be silent; they come every second."""

LOUD = 15.0
"""Seconds after which whatever is wrong is said aloud."""

ALARM = 60.0
"""Seconds after which it is an alarm."""


class Pulse(msgspec.Struct, frozen=True):
    """``level``: 0 all is well, 1 said quietly, 2 aloud, 3 an alarm. ``since`` seconds for which it has lasted. It
    is of ``some`` twins alone where it names them."""

    level: int
    text: str
    since: float = 0.0
    some: bool = False


class PartitionPulse(msgspec.Struct, frozen=True):
    """A partition's worker as it was heard last, ``silent`` seconds ago."""

    partition: int
    worker: str
    state: str
    lag: int
    behind_seconds: float
    barrier_seconds: float
    silent: float


WELL = Pulse(0, "")
UNHEARD = Pulse(1, "No worker has been heard of: nothing moves the twins that are shown.")


@dataclass(frozen=True, slots=True)
class _Heard:
    beat: Heartbeat
    at: float


class Pulses:
    """What was heard of each partition.

    >>> Pulses().worst(now=0.0).level
    1
    """

    def __init__(self) -> None:
        self._heard: dict[int, _Heard] = {}
        self._partitions = 0

    def hear(self, beat: Heartbeat, at: float) -> None:
        """Take in a heartbeat that was sent at ``at``; an older one than is known changes nothing, and neither does
        one of a partition that there is not."""
        if beat.partition >= beat.partitions:
            return
        known = self._heard.get(beat.partition)
        if known is None or at >= known.at:
            self._heard[beat.partition] = _Heard(beat, at)
            self._partitions = beat.partitions

    def of(self, patient_id: str, now: float) -> Pulse:
        """The pulse of one patient's twin."""
        if not self._partitions:
            return UNHEARD
        heard = self._heard.get(home_partition(patient_id.encode(), self._partitions))
        if heard is None:
            return Pulse(2, "No worker has been heard of that moves this twin.")
        reason = heard.beat.sealed.get(patient_id)
        if reason is not None:
            return Pulse(3, f"This twin is sealed ({reason}): what comes is refused, and nothing shown here moves.")
        return _pulse(heard, now, "this twin")

    def partitions(self, now: float) -> tuple[PartitionPulse, ...]:
        """Every partition that was heard of."""
        return tuple(
            PartitionPulse(
                beat.partition,
                beat.worker,
                beat.state,
                beat.lag,
                beat.behind_seconds,
                beat.barrier_seconds,
                max(now - heard.at, 0.0),
            )
            for _, heard in sorted(self._heard.items())
            for beat in (heard.beat,)
        )

    def sealed(self) -> dict[str, str]:
        """Of twins that are sealed, why."""
        return {patient: reason for heard in self._heard.values() for patient, reason in heard.beat.sealed.items()}

    def worst(self, now: float, named: Callable[[str], bool] = lambda _: True) -> Pulse:
        """The worst pulse of all partitions, and how many share it; of twins that are sealed, those who may be
        ``named``."""
        if not self._heard:
            return UNHEARD
        pulses = [_pulse(heard, now, "the twins shown") for heard in self._heard.values()]
        worst = max(pulses, key=lambda pulse: (pulse.level, pulse.since))
        sealed = sorted(filter(named, self.sealed()))
        if worst.level == 0 and sealed:
            return Pulse(1, f"Sealed, and moved no more: the twins of {_some(sealed)}.", some=True)
        alike = sum(pulse.level > 0 for pulse in pulses)
        if worst.level and alike < len(pulses):
            return msgspec.structs.replace(
                worst, text=f"{worst.text} So it is with {alike} of {len(pulses)} partitions."
            )
        return worst


def _pulse(heard: _Heard, now: float, whose: str) -> Pulse:
    beat, silent = heard.beat, max(now - heard.at, 0.0)
    if beat.state == "stopped":
        return Pulse(_loudness(silent), f"The worker of {whose} stopped {span(silent)} ago: nothing moves.", silent)
    if silent >= SILENT:
        text = f"No word of the worker of {whose} for {span(silent)}: what is shown stands still."
        return Pulse(_loudness(silent), text, silent)
    if beat.state == "stuck":
        text = f"The worker of {whose} has made nothing permanent for {span(beat.barrier_seconds)}."
        return Pulse(3 if beat.barrier_seconds >= 5 * ALARM else 2, text, beat.barrier_seconds)
    if beat.state == "behind":
        late = beat.behind_seconds
        text = f"{whose.capitalize()} lags: {beat.lag} records wait, the newest one read is {span(late)} old."
        return Pulse(_loudness(late / 2), text.replace("shown lags", "shown lag"), late)
    return WELL


def _loudness(seconds: float) -> int:
    return 1 if seconds < LOUD else 2 if seconds < ALARM else 3


def span(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _some(names: Iterable[str]) -> str:
    first, *rest = list(names)
    return first if not rest else f"{first} and {len(rest)} more"
