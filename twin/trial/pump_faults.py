"""Were faults of pumps found, and was nothing said of pumps that did as planned?

A fault is **found** when an alert that fits it (`FITTING`) is raised at or after its beginning; how long that took is
told of each, twice: by event time (the alert's own time) and by the moment it was heard. Of a pump that did as planned
every alert about delivery is false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from twin.clock import MINUTE_MS

OVER = ("delivery.overinfusion", "delivery.unplanned", "delivery.mismatch")
UNDER = ("delivery.underinfusion", "delivery.mismatch")

FITTING = {
    "tenfold": OVER,
    "overdose": OVER,
    "misprogrammed": OVER,
    "unplanned": OVER,
    "leak": UNDER,
    "occlusion": UNDER,
    "early_end": UNDER,
}
"""Rules whose alerts say what is wrong, by the fault; of any other fault every alert about delivery does."""


@dataclass(frozen=True)
class Raised:
    """An alert about delivery: its ``rule``, the ms of its event time and at which it was first ``heard``."""

    rule: str
    millis: int
    heard: int


@dataclass(frozen=True)
class Pumped:
    """One patient's pump: the ``fault`` that began at ``since`` (ms), or none; what was raised; days of watch, and
    those of them for which it ran."""

    fault: str | None
    since: int | None
    alerts: tuple[Raised, ...]
    days: float
    running_days: float


@dataclass(frozen=True)
class FaultFound:
    """One kind of fault: how many were planted and found, by which rules, and the minutes that each took, ascending:
    by event time and until it was heard."""

    fault: str
    planted: int
    found: int
    rules: tuple[str, ...]
    minutes: tuple[float, ...]
    heard_minutes: tuple[float, ...]


@dataclass(frozen=True)
class AsPlanned:
    """Pumps that did as planned: the days of their patients, those of them for which a pump ran, and the false alerts
    by rule."""

    patients: int
    patient_days: float
    running_days: float
    false_alerts: tuple[tuple[str, int], ...]


def spread(minutes: Sequence[float]) -> tuple[float, float, float]:
    """Least, median and most of some minutes; not a number where there are none.

    >>> spread((0.0, 1.0, 8.0))
    (0.0, 1.0, 8.0)
    """
    return (min(minutes), median(minutes), max(minutes)) if minutes else (math.nan, math.nan, math.nan)


def faults_found(pumped: Sequence[Pumped]) -> tuple[FaultFound, ...]:
    """Every kind of fault by its name."""
    kinds = sorted({one.fault for one in pumped if one.fault is not None})
    return tuple(_found(kind, [one for one in pumped if one.fault == kind]) for kind in kinds)


def _found(kind: str, pumped: Sequence[Pumped]) -> FaultFound:
    first: list[tuple[Raised, int]] = []
    for one in pumped:
        assert one.since is not None, "a fault has a beginning"
        fitting = [alert for alert in one.alerts if alert.rule in FITTING.get(kind, (alert.rule,))]
        after = [alert for alert in fitting if alert.millis >= one.since]
        if after:
            first.append((min(after, key=lambda alert: alert.heard), one.since))
    rules = tuple(sorted({alert.rule for alert, _ in first}))
    said = sorted((alert.millis - since) / MINUTE_MS for alert, since in first)
    heard = sorted((alert.heard - since) / MINUTE_MS for alert, since in first)
    return FaultFound(kind, len(pumped), len(first), rules, tuple(said), tuple(heard))


def as_planned(pumped: Sequence[Pumped]) -> AsPlanned:
    """Of pumps without a fault."""
    sound = [one for one in pumped if one.fault is None]
    rules = [alert.rule for one in sound for alert in one.alerts]
    return AsPlanned(
        len(sound),
        sum(one.days for one in sound),
        sum(one.running_days for one in sound),
        tuple((rule, rules.count(rule)) for rule in sorted(set(rules))),
    )
