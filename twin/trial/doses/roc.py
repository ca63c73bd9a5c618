"""How well a probability tells who will from who will not: the area under the receiver operating characteristic.

    AUC = P(p of one who will > p of one who will not) + P(equal) / 2

(Hanley & McNeil 1982, Radiology 143:29). Its 90 % interval is by bootstrap, over those who will and those who will not
each for themselves: with few events both kinds are then in every draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from twin.arrays import Floats
from twin.randomness import generator
from twin.study.measures import Measure
from twin.trial.reliability import Stated

RESAMPLED = 1000


@dataclass(frozen=True)
class Discrimination:
    """How well the probabilities of ``what`` discriminate, of so many ``events`` among ``patients``."""

    what: str
    patients: int
    events: int
    auc: Measure


def discrimination(what: str, stated: Sequence[Stated]) -> Discrimination:
    """The area under the curve of probabilities, one a patient; NaN where all or none of them came true."""
    came = np.array([one.probability for one in stated if one.came])
    not_came = np.array([one.probability for one in stated if not one.came])
    if not len(came) or not len(not_came):
        return Discrimination(what, len(stated), len(came), Measure("area under the curve", np.nan, np.nan, np.nan))
    rng = generator("bootstrap of discrimination", what)
    drawn = [auc(rng.choice(came, len(came)), rng.choice(not_came, len(not_came))) for _ in range(RESAMPLED)]
    measure = Measure.of("area under the curve", auc(came, not_came), np.array(drawn))
    return Discrimination(what, len(stated), len(came), measure)


def auc(came: Floats, not_came: Floats) -> float:
    """The area, of probabilities (n,) of what came and (m,) of what did not.

    >>> auc(np.array([0.9, 0.4]), np.array([0.1, 0.4]))
    0.875
    """
    ranks = rankdata(np.concatenate([came, not_came]))[: len(came)]
    wins = ranks.sum() - len(came) * (len(came) + 1) / 2.0
    return float(wins / (len(came) * len(not_came)))
