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

    Zero while the gap between the thresholds holds the error on both sides (``2 Z`` standard errors): a probability
    that wobbles within the error then cannot reach both. Otherwise ``Z`` standard errors at the threshold, which is
    the score test of "the probability is beyond it".
    """
    widest = max(standard_error(p, ess) for p in _inside(settings))
    if 2 * Z * widest <= settings.raise_above - settings.clear_below:
        return 0.0
    return Z * standard_error(threshold, ess)


def _inside(settings: RuleSettings) -> tuple[float, ...]:
    """The probabilities between the thresholds at which the standard error can be largest."""
    low, high = settings.clear_below, settings.raise_above
    return (low, high, min(max(0.5, low), high))
