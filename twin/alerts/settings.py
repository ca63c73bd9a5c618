"""When a rule raises and clears, and how grave it is: what every rule states of itself, with its reasons."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS

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
class Threshold:
    """A number of a rule in ``unit`` (UCUM), with the ``source`` where it was read, or why it is ``assumed``."""

    value: float
    unit: str
    source: str = ""
    assumed: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"threshold {self.value} is not finite; write a number")
        if not (self.source or self.assumed):
            raise ValueError(f"threshold {self.value:g} {self.unit}: say its source, or why it is assumed")


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
        inhibited_by: rules whose alert about the same matter (`Finding.about`) is the cause of this one, so that while
            it stands, no less severe, nobody need be called for this one. A rule of silence is the cause of none, for
            what it finds may not be told yet.
        ack_timeout_ms: event time for which an acknowledgement holds while the condition grows worse; None: always.
        escalate_after_ms: event time without acknowledgement after which the alert escalates; None: never.
        shelve_max_ms: event time for which it may be shelved at most.
        bands: levels, increasing and above ``raise_above``, at each of which the alert escalates.
        harm, onset: from which the severity follows; None where it was given as such.
        thresholds: every number of the rule by its name, with its reason: those above, and the rule's own.
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
    harm: Harm | None = None
    onset: Onset | None = None
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """One of the rule's own numbers, in its unit."""
        return self.thresholds[name].value

    def __post_init__(self) -> None:
        if not self.clear_below < self.raise_above:
            raise ValueError(
                f"clear_below {self.clear_below:g} must be less than raise_above {self.raise_above:g}: "
                "the gap is what keeps an alert from flapping"
            )
        if "raise_near" in self.thresholds:
            raised, cleared = self.number("raise_near"), self.number("clear_near")
            if not cleared < raised <= self.raise_above:
                raise ValueError(
                    f"raise_near {raised:g} must be more than clear_near {cleared:g} and at most raise_above "
                    f"{self.raise_above:g}: what is near is raised no later than what is far"
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


SettingsFor = Callable[[str], RuleSettings]
"""The settings of a rule as they are for a drug; for the drug under study by the name ``""``."""

SPANS = {
    "raise_after": "raise_after_ms",
    "clear_after": "clear_after_ms",
    "refresh_every": "refresh_ms",
    "ack_timeout": "ack_timeout_ms",
    "escalate_after": "escalate_after_ms",
    "shelve_max": "shelve_max_ms",
}
"""Thresholds that are lengths of event time, and the settings that they are."""

_UNITS = {"min": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


def stated(
    harm: Harm,
    onset: Onset,
    thresholds: Mapping[str, Threshold],
    *,
    when_absent: Literal["hold", "clear"] = "clear",
    of_silence: bool = False,
    latching: bool = False,
    inhibited_by: tuple[str, ...] = (),
) -> RuleSettings:
    """The settings of a rule from its numbers, each of which has its reason.

    ``raise_above`` and ``clear_below`` must be there; `SPANS` are lengths of time, ``band_1`` and so on bands of the
    level, and every other number is the rule's own.

    Raises:
        ValueError: the numbers do not go together, or a length of time is in no unit of time; the text says which.
    """
    spans = {}
    for name, setting in SPANS.items():
        if name in thresholds:
            unit = thresholds[name].unit
            if unit not in _UNITS:
                raise ValueError(f"{name} is in {unit}; write min, h or d")
            spans[setting] = round(thresholds[name].value * _UNITS[unit])
    bands = [thresholds[name].value for name in sorted(thresholds) if name.startswith("band_")]
    return RuleSettings(
        raise_above=thresholds["raise_above"].value,
        clear_below=thresholds["clear_below"].value,
        severity=severity_of(harm, onset),
        when_absent=when_absent,
        of_silence=of_silence,
        latching=latching,
        inhibited_by=inhibited_by,
        bands=tuple(bands),
        harm=harm,
        onset=onset,
        thresholds=MappingProxyType(dict(thresholds)),
        **spans,
    )


def changed(settings: RuleSettings, others: Mapping[str, Threshold]) -> RuleSettings:
    """Settings with some numbers changed; raises `ValueError` as `stated`."""
    return _changed(_Same(settings), tuple(sorted(others.items())))


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """Settings as a key: the same object."""

    settings: RuleSettings

    def __hash__(self) -> int:
        return id(self.settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.settings is self.settings


@functools.lru_cache(maxsize=4096)
def _changed(base: _Same, numbers: tuple[tuple[str, Threshold], ...]) -> RuleSettings:
    its = base.settings
    assert its.harm is not None, "only stated settings have numbers to change"
    assert its.onset is not None
    return stated(
        its.harm,
        its.onset,
        {**its.thresholds, **dict(numbers)},
        when_absent=its.when_absent,
        of_silence=its.of_silence,
        latching=its.latching,
        inhibited_by=its.inhibited_by,
    )


RETIRED = RuleSettings(raise_above=0.0, clear_below=-1.0, severity="low", when_absent="clear")
"""Of a rule that a stored book knows but that is no longer installed: whatever it watched is cleared."""
