"""What goes to a receiver at once: an alert, the alerts of a patient, or a summary of what had to wait."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twin.events import Alert, event_id

PLAIN_ID = r"[A-Za-z0-9_-]{1,128}"
"""Ids of ours are so; anybody may write others to the topic."""


@dataclass(frozen=True, slots=True)
class Message:
    """Alerts that are told together, in the order in which they came; ``summary`` where they had to wait."""

    alerts: tuple[Alert, ...]
    summary: bool = False

    @property
    def message_id(self) -> str:
        """The same whenever the same is told: of a single alert its ``event_id``, if that may stand in a header."""
        if len(self.alerts) == 1 and not self.summary and re.fullmatch(PLAIN_ID, self.alerts[0].event_id):
            return self.alerts[0].event_id
        return event_id("message", *sorted(alert.event_id for alert in self.alerts))

    @property
    def patients(self) -> tuple[str, ...]:
        """Pseudonyms of those whom it is about, in order of their first alert."""
        return tuple(dict.fromkeys(alert.patient_id for alert in self.alerts))

    @property
    def newest(self) -> tuple[Alert, ...]:
        """The last word on each alert: those that stand, most severe first, then those that are over."""
        last: dict[str, Alert] = {}
        for alert in self.alerts:
            if alert.alert_id not in last or alert.revision >= last[alert.alert_id].revision:
                last[alert.alert_id] = alert
        rank = {"high": 0, "medium": 1, "low": 2}
        return tuple(sorted(last.values(), key=lambda alert: (not alert.live, rank[alert.severity])))


def counted(alerts: Iterable[Alert]) -> str:
    """How many there are of each severity, in words.

    >>> counted([])
    'no alert'
    """
    found: Sequence[Alert] = list(alerts)
    parts = [f"{count} {severity}" for severity in ("high", "medium", "low")
             if (count := sum(alert.severity == severity for alert in found))]  # fmt: skip
    return ", ".join(parts) or "no alert"
