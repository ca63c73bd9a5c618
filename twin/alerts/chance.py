"""The Monte-Carlo error of a probability, and by how much it must pass a threshold to have passed it for certain."""

from __future__ import annotations

import math

from twin.alerts.settings import RuleSettings

Z = 2.0
"""Standard errors by which a probability must differ from a threshold."""


def standard_error(probability: float, ess: float) -> float:
    """Monte-Carlo standard error of a probability estimated by ``ess`` effective particles: sqrt(p (1 - p) / ess)."""
    if not ess > 0:
        return math.inf
    return math.sqrt(max(probability * (1.0 - probability), 0.0) / ess)


def threshold_margin(threshold: float, settings: RuleSettings, ess: float) -> float:
    """By how much a probability must pass ``threshold`` to have passed it for certain.

    ``Z`` standard errors at the threshold, which is the score test of "the probability is beyond it". To clear, more
    where the gap between the thresholds is not as wide as that itself: so a probability that wobbles within its error
    cannot reach both. Where few particles make the error so large that nothing could clear, the alert is held.
    """
    margin = Z * standard_error(threshold, ess)
    low, high = settings.clear_below, settings.raise_above
    if threshold != low:
        return margin
    widest = Z * standard_error(min(max(0.5, low), high), ess)  # the error is largest at one half
    return margin + max(0.0, widest - (high - low))
