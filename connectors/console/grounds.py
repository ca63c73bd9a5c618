"""On what an alert rests, as the page is told: its evidence with times as milliseconds and numbers shortened."""

from __future__ import annotations

import msgspec

from twin.events import Alert, to_millis


class Bounds(msgspec.Struct, frozen=True):
    """The thresholds, in ``unit``; ``reason`` is their source, or why they are assumed."""

    raise_above: float
    clear_below: float
    unit: str
    margin: float
    reason: str


class Watched(msgspec.Struct, frozen=True):
    """What is watched, in ``unit``; ``band`` is (q05, median, q95)."""

    quantity: str
    unit: str
    side: str | None
    limit: float | None
    value: float | None
    band: tuple[float, float, float] | None


class Decided(msgspec.Struct, frozen=True):
    """An event that decided it; what is repeated has no id."""

    kind: str
    of: str
    time: int
    id: str | None


class Grounds(msgspec.Struct, frozen=True):
    """On what an alert rests (`twin.events.AlertEvidence`), and by which model and rules it was judged.

    ``probable``: the level is a probability. ``fresh`` are ages in hours by source.
    """

    judged: int
    level: float | None
    error: float | None
    probable: bool
    bounds: Bounds | None
    watched: Watched | None
    decided: tuple[Decided, ...]
    fresh: dict[str, float]
    model: str
    rules: str | None


def grounds_of(alert: Alert) -> Grounds | None:
    """On what an alert rests; ``None`` where it does not say so."""
    evidence = alert.evidence
    if evidence is None:
        return None
    return Grounds(
        judged=to_millis(evidence.judged),
        level=_brief(evidence.level),
        error=_brief(evidence.standard_error),
        probable=evidence.standard_error is not None,
        bounds=_bounds(alert),
        watched=_watched(alert),
        decided=tuple(Decided(one.kind, one.of, to_millis(one.time), one.event_id) for one in evidence.decided_by),
        fresh={one.source: one.age_hours for one in evidence.freshness},
        model=f"{alert.model} {alert.model_hash}",
        rules=alert.rules_hash,
    )


def _bounds(alert: Alert) -> Bounds | None:
    threshold = None if alert.evidence is None else alert.evidence.threshold
    if threshold is None:
        return None
    reasons = [threshold.source, None if threshold.assumed is None else f"assumed: {threshold.assumed}"]
    reason = "; ".join(one for one in reasons if one is not None)
    return Bounds(threshold.raise_above, threshold.clear_below, threshold.unit, threshold.margin, reason)


def _watched(alert: Alert) -> Watched | None:
    watched = None if alert.evidence is None else alert.evidence.watched
    if watched is None:
        return None
    band = _brief(watched.q05), _brief(watched.median), _brief(watched.q95)
    low, middle, high = band
    whole = None if low is None or middle is None or high is None else (low, middle, high)
    return Watched(watched.quantity, watched.unit, watched.side, _brief(watched.limit), _brief(watched.value), whole)


def _brief(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
