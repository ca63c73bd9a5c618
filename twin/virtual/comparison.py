"""What arms came to, how they differ from the first one, and how often a trial of this size would see it.

Every arm treated the same patients, so the difference between two arms is one between pairs. Its 90 % interval, and
those of the arms' own figures, are of a single trial of this size where the study has one (by bootstrap over patients,
Efron 1979, the same ones in both arms), and of all its trials where it has several: the middle 90 % of what they found,
which then holds what is not known of the population.

**Power** is that of a trial as people are treated, once each: patients go to the arms in turn, and the arms are
compared by Fisher's exact test (a yes or no) or Welch's (a value), two-sided. It is told of a study of several trials:
the share that found a difference, with its Wilson interval (Wilson 1927, J Am Stat Assoc 22:209). Between arms that are
alike it is the share of false finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.randomness import generator
from twin.study.measures import Measure
from twin.virtual.endpoints import Endpoint

RESAMPLED = 1000

CENTRAL = (0.05, 0.95)

NORMAL_90 = 1.6448536269514722
"""Quantile of the standard normal distribution that leaves 5 % on either side."""

FEWEST_TRIALS = 20
"""Below this a share of trials says next to nothing, and is not told (assumed)."""


@dataclass(frozen=True)
class Power:
    """Share of ``trials`` that found a difference at the study's level, with its 90 % interval."""

    trials: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """One endpoint in one arm.

    Attributes:
        counted: patients who count, of all trials.
        value: the share or the mean over the trials; ``difference`` from the first arm's.
        power: see the module docstring; ``None`` for the first arm, or too few trials.
    """

    endpoint: str
    arm: str
    counted: int
    value: Measure
    difference: Measure | None
    power: Power | None


def compare(endpoints: Sequence[Endpoint], arms: Sequence[str], found: Floats, level: float) -> tuple[Compared, ...]:
    """All endpoints in all arms, the arms of an endpoint together.

    Args:
        found: (trials, patients, arms, endpoints), NaN for who does not count.
        level: of significance.
    """
    compared: list[Compared] = []
    for e, endpoint in enumerate(endpoints):
        first = found[:, :, 0, e]
        for a, arm in enumerate(arms):
            mine = found[:, :, a, e]
            value = _interval(endpoint.name, mine)
            difference = None if a == 0 else _interval(f"{endpoint.name}, less that of {arms[0]}", mine - first)
            power = None if a == 0 else _power(endpoint, found[:, :, :, e], a, level)
            compared.append(Compared(endpoint.name, arm, int(np.isfinite(mine).sum()), value, difference, power))
    return tuple(compared)


def wilson(found: int, of: int) -> tuple[float, float]:
    """90 % interval of a share.

    >>> [round(end, 3) for end in wilson(0, 20)]
    [0.0, 0.119]
    """
    share, z2 = found / of, NORMAL_90**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = NORMAL_90 * np.sqrt(share * (1 - share) / of + z2 / (4 * of**2)) / (1 + z2 / of)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _interval(name: str, values: Floats) -> Measure:
    """The mean of values (trials, patients) over the trials, with its interval."""
    with np.errstate(invalid="ignore", divide="ignore"):
        by_trial = _means(values)
        if len(values) > 1:
            spread = by_trial
        else:
            chosen = generator("bootstrap of virtual patients", values.shape[1])
            drawn = chosen.integers(values.shape[1], size=(RESAMPLED, values.shape[1]))
            spread = _means(values[0][drawn])
    known = spread[np.isfinite(spread)]
    if not len(known):
        return Measure(name, np.nan, np.nan, np.nan)
    low, high = np.quantile(known, CENTRAL).tolist()
    return Measure(name, float(by_trial[np.isfinite(by_trial)].mean()), low, high)


def _means(values: Floats) -> Floats:
    counts = np.isfinite(values)
    return np.asarray(
        np.where(counts, values, 0.0).sum(axis=1) / np.where(counts.any(axis=1), counts.sum(axis=1), np.nan)
    )


def _power(endpoint: Endpoint, found: Floats, arm: int, level: float) -> Power | None:
    """Of a trial in which patient i is treated by arm i modulo the number of arms."""
    trials, patients, arms = found.shape
    if trials < FEWEST_TRIALS or patients < 2 * arms:
        return None
    seen = 0
    for one in found:
        first, mine = one[0::arms, 0], one[arm::arms, arm]
        seen += p_value(endpoint, first[np.isfinite(first)], mine[np.isfinite(mine)]) < level
    return Power(trials, seen / trials, *wilson(seen, trials))


def p_value(endpoint: Endpoint, first: Floats, mine: Floats) -> float:
    """Two-sided, of two groups (n,) and (m,) of different patients; 1 where they are too few or all alike."""
    from scipy import stats  # most of a second to load: only for who tests

    if len(first) < 2 or len(mine) < 2:
        return 1.0
    if endpoint.yes_or_no:
        table = [[int(group.sum()), int(len(group) - group.sum())] for group in (first, mine)]
        return float(stats.fisher_exact(np.array(table))[1])
    if np.ptp(first) == 0.0 and np.ptp(mine) == 0.0:
        return 1.0 if first[0] == mine[0] else 0.0
    return float(stats.ttest_ind(first, mine, equal_var=False).pvalue)
