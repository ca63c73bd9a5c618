"""Who needs somebody first: what nobody has seen to yet, then what is worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

SEVERITY_RANK: Mapping[str, int] = {"low": 1, "medium": 2, "high": 3}

Urgency = tuple[int, int, int, int]
"""Severity of the worst alert that nobody has seen to, of the worst alert, and the probabilities of the worst and of
grade 4 in tenths, so that Monte-Carlo noise does not make lines jump. The largest is the most urgent."""


class Standing(Protocol):
    """How an alert stands."""

    @property
    def state(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def probability(self) -> float | None: ...
    @property
    def shelved_until(self) -> int | None: ...
    @property
    def inhibited_by(self) -> str | None: ...


def waits(alert: Standing) -> bool:
    """Whether an alert waits for somebody: not acknowledged, not shelved, and not the mere consequence of another."""
    return alert.state != "acknowledged" and alert.shelved_until is None and alert.inhibited_by is None


def alarm_order(alert: Standing) -> tuple[bool, int, float]:
    """Sorts alerts: those that wait for somebody, then the worst, then the most probable."""
    return (not waits(alert), -SEVERITY_RANK[alert.severity], -_probability(alert))


def urgency(alerts: Sequence[Standing], p_grade4: float) -> Urgency:
    """How urgent a patient with these alerts is; a certain finding is one of probability 1."""
    grade4 = round(p_grade4 * 10)
    if not alerts:
        return (0, 0, 0, grade4)
    first = min(alerts, key=alarm_order)
    unseen = SEVERITY_RANK[first.severity] if waits(first) else 0
    worst = max(SEVERITY_RANK[alert.severity] for alert in alerts)
    return (unseen, worst, round(10 * _probability(first)), grade4)


def _probability(alert: Standing) -> float:
    return 1.0 if alert.probability is None else alert.probability
