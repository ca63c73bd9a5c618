"""When a rule raises and clears, and how grave it is: what every rule states of itself, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from twin.clock import HOUR_MS

Severity = Literal["low", "medium", "high"]

Harm = Literal["irreversible", "reversible", "minor"]
"""What may come of it if nobody responds: death or lasting injury, reversible injury, minor injury or discomfort."""

Onset = Literal["immediate", "prompt", "delayed"]
"""How soon that harm begins."""

RANK: dict[Severity, int] = {"low": 0, "medium": 1, "high": 2}

REFRESH_MS = 6 * HOUR_MS
"""Event time after which a standing alert is told again: four times a day is news, and no storm (assumed)."""

SHELVE_MAX_MS = 12 * HOUR_MS
"""Event time for which an alert may be shelved at most, unless its rule says otherwise: a shift (assumed)."""

_SEVERITY: dict[Harm, dict[Onset, Severity]] = {
    "irreversible": {"immediate": "high", "prompt": "high", "delayed": "medium"},
    "reversible": {"immediate": "high", "prompt": "medium", "delayed": "low"},
    "minor": {"immediate": "medium", "prompt": "low", "delayed": "low"},
}


def severity_of(harm: Harm, onset: Onset) -> Severity:
    """The priority of a condition by IEC 60601-1-8:2006, table 1; where it allows none as well, it is low.

    >>> severity_of("irreversible", "delayed")
    'medium'
    """
    return _SEVERITY[harm][onset]


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """When a rule raises and clears.

    Attributes:
        raise_above, clear_below: thresholds on the level of a finding.
        raise_after_ms, clear_after_ms: event time for which the level must stay beyond them.
        when_absent: what it means that the rule no longer judges a subject: ``"hold"`` when it is only not judged
            at this moment, ``"clear"`` when there is nothing left to judge.
        refresh_ms: event time after which a standing alert is told again with the numbers of then.
        of_silence: the condition is that nothing was heard. Input that is there but was not read yet feigns it, and
            words that come late move its beginning, which is no news (see `twin.alerts.ledger`).
        latching: an alert whose condition is gone stands until somebody has seen it.
        inhibited_by: rules while whose alert stands this one says nothing new, as its cause.
        ack_timeout_ms: event time for which an acknowledgement holds while the condition grows worse; None: always.
        escalate_after_ms: event time without acknowledgement after which the alert escalates; None: never.
        shelve_max_ms: event time for which it may be shelved at most.
        bands: levels, increasing and above ``raise_above``, at each of which the alert escalates.
    """

    raise_above: float
    clear_below: float
    severity: Severity
    raise_after_ms: int = 0
    clear_after_ms: int = 0
    when_absent: Literal["hold", "clear"] = "clear"
    refresh_ms: int = REFRESH_MS
    of_silence: bool = False
    latching: bool = False
    inhibited_by: tuple[str, ...] = ()
    ack_timeout_ms: int | None = None
    escalate_after_ms: int | None = None
    shelve_max_ms: int = SHELVE_MAX_MS
    bands: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.clear_below < self.raise_above:
            raise ValueError(
                f"clear_below {self.clear_below:g} must be less than raise_above {self.raise_above:g}: "
                "the gap is what keeps an alert from flapping"
            )
        if self.raise_after_ms < 0 or self.clear_after_ms < 0:
            raise ValueError("raise_after_ms and clear_after_ms must not be negative")
        if self.refresh_ms <= 0:
            raise ValueError(f"refresh_ms {self.refresh_ms} must be positive: it is what keeps an alert from a storm")
        for name in ("ack_timeout_ms", "escalate_after_ms", "shelve_max_ms"):
            span = getattr(self, name)
            if span is not None and span <= 0:
                raise ValueError(f"{name} {span} must be positive")
        if any(not low < high for low, high in pairwise((self.raise_above, *self.bands))):
            raise ValueError(f"bands {self.bands} must increase, from above raise_above {self.raise_above:g}")


RETIRED = RuleSettings(raise_above=0.0, clear_below=-1.0, severity="low", when_absent="clear")
"""Of a rule that a stored book knows but that is no longer installed: whatever it watched is cleared."""
