"""On what an alert rests, worked out when it is told: the level and its thresholds, what decided, how old the data are.

A snapshot is judged many times and seldom told of, so nothing here is part of the judging.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from twin.alerts.chance import standard_error, threshold_margin
from twin.alerts.finding import Finding
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.events import AlertEvidence, AlertThreshold, Watched, from_millis
from twin.record.origins import Matter, OriginsOf


def evidence_of(finding: Finding, settings: RuleSettings, snapshot: Snapshot, origins_of: OriginsOf) -> AlertEvidence:
    """On what it rests that a rule with these settings finds this in a snapshot."""
    about = finding.subject
    believed = finding.probabilistic or about.kind not in ("drug", "device")
    decided_by, freshness = origins_of(Matter(snapshot.time_ms, about, believed, snapshot.last_observation_ms))
    judged = math.isfinite(finding.level)
    error = standard_error(finding.level, snapshot.ess) if judged and finding.probabilistic else math.inf
    return AlertEvidence(
        judged=from_millis(snapshot.time_ms),
        level=finding.level if judged else None,
        standard_error=error if math.isfinite(error) else None,
        threshold=_threshold(finding, settings, snapshot) if judged else None,
        watched=_as_known(finding.watched),
        decided_by=decided_by,
        freshness=freshness,
    )


def _as_known(watched: Watched | None) -> Watched | None:
    """What is watched, without the numbers nobody knows: where every particle is impossible, no quantile is one."""
    if watched is None:
        return None
    numbers = {name: getattr(watched, name) for name in ("limit", "value", "q05", "median", "q95")}
    unknown = [name for name, number in numbers.items() if number is not None and not math.isfinite(number)]
    nothing: dict[str, Any] = dict.fromkeys(unknown)
    return replace(watched, **nothing) if unknown else watched


def _threshold(finding: Finding, settings: RuleSettings, snapshot: Snapshot) -> AlertThreshold:
    stated = settings.thresholds.get("raise_above")
    margin = threshold_margin(settings.raise_above, settings, snapshot.ess) if finding.probabilistic else 0.0
    return AlertThreshold(
        raise_above=float(settings.raise_above),  # stated as 5, and read back from a row as 5.0, it is written alike
        clear_below=float(settings.clear_below),
        unit="1" if stated is None else stated.unit,
        margin=margin if math.isfinite(margin) else 1.0,
        source=None if stated is None else stated.source or None,
        assumed=None if stated is None else stated.assumed or None,
    )
