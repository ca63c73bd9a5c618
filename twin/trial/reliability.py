"""Does what was said to be likely at p come true in a share p of cases? Of every kind of stated probability.

Probabilities are put into bins, each statement into one by what it said: over all statements of a bin the mean of what
was said is that of what came, if every statement was right when it was made. To take each patient's mean first would
not be so: whoever comes to an event leaves the lowest bin early, with few statements in it, and whoever does not stays.

The band of a bin holds the shares that come of patients who draw their outcomes with exactly the stated probabilities,
all those of one patient by one draw: the statements of one patient hang together, and to take them for wholly dependent
makes the band no narrower than it should be. Bands are so wide that a system whose every probability is right leaves
any of them with probability at most `FALSE_ALARM` (Bonferroni); after Bröcker & Smith 2007, Weather Forecast 22:651.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.randomness import generator

EDGES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1.0)
"""Of the bins; each holds its upper edge."""

FEWEST = 5
"""Patients that a bin needs to be judged."""

FALSE_ALARM = 0.01
DRAWS = 50_000


@dataclass(frozen=True)
class Stated:
    """A ``probability`` of ``what`` that was stated of a patient, and whether it came true."""

    what: str
    patient_id: str
    probability: float
    came: bool


@dataclass(frozen=True)
class Bin:
    """Stated probabilities of about one size: means over statements, and the band of the share that came true."""

    stated: float
    came: float
    patients: int
    statements: int
    low: float
    high: float

    @property
    def judged(self) -> bool:
        """Whether there are patients enough."""
        return self.patients >= FEWEST

    @property
    def held(self) -> bool:
        """Whether the share lies in its band; of too few patients nothing is said."""
        return not self.judged or self.low <= self.came <= self.high


@dataclass(frozen=True)
class Reliability:
    """Reliability of the probabilities of ``what``; ``brier`` is the mean squared error of all statements."""

    what: str
    bins: tuple[Bin, ...]
    brier: float

    @property
    def held(self) -> bool:
        """Every bin lies in its band."""
        return all(one.held for one in self.bins)


def reliability(stated: Iterable[Stated]) -> tuple[Reliability, ...]:
    """Reliability of each kind of probability, by its name."""
    by_name: dict[str, list[Stated]] = {}
    for one in stated:
        by_name.setdefault(one.what, []).append(one)
    binned = {name: _binned(found) for name, found in sorted(by_name.items())}
    alpha = FALSE_ALARM / max(1, sum(map(len, binned.values())))
    found = []
    for name, bins in binned.items():
        brier = float(np.mean([(one.probability - one.came) ** 2 for one in by_name[name]]))
        found.append(Reliability(name, tuple(_bin(name, bins[k], alpha) for k in sorted(bins)), brier))
    return tuple(found)


def _binned(stated: list[Stated]) -> dict[int, list[Stated]]:
    bins: dict[int, list[Stated]] = {}
    for one in stated:
        k = int(np.searchsorted(EDGES[1:-1], one.probability, side="left"))
        bins.setdefault(k, []).append(one)
    return bins


def _bin(name: str, stated: list[Stated], alpha: float) -> Bin:
    by_patient: dict[str, list[Stated]] = {}
    for one in stated:
        by_patient.setdefault(one.patient_id, []).append(one)
    p = float(np.mean([one.probability for one in stated]))
    came = float(np.mean([one.came for one in stated]))
    each = [np.sort([one.probability for one in mine]) for mine in by_patient.values()]
    low, high = _band(each, alpha, generator("reliability", name, len(each)))
    return Bin(p, came, len(each), len(stated), low, high)


def _band(each: Sequence[Floats], alpha: float, rng: np.random.Generator) -> tuple[float, float]:
    """Shares that come of outcomes drawn with the probabilities of each patient (ascending), but for ``alpha`` of all
    draws."""
    came = np.zeros(DRAWS)
    for p in each:
        came += len(p) - np.searchsorted(p, rng.random(DRAWS), side="right")
    low, high = np.quantile(came, (alpha / 2, 1 - alpha / 2), method="inverted_cdf")
    total = sum(len(p) for p in each)
    return float(low / total), float(high / total)
