"""A pump that ran when it was last heard, and is silent beyond its usual interval: it runs on, or it has stopped.

    P(runs t after it fell silent) = exp(-STOPPING t)

When it stopped is one of a few hypotheses: at once, at a later time that stands for all of a stretch of times, or not
yet. Each is a delivery of its own, of which the data say how likely it is (`twin.patient.accounts`); the pump's next
word, or its counter, settles the matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS
from twin.record.history import HOLD_MS
from twin.timeline.pumps.mismatch import LOG_PRIOR, Mismatch, Where

STOPPING = 1.0 / 24.0
"""Rate at which a silent pump stops, per hour (assumed: a lost link leaves it running, and what runs is half over, of
infusions that mostly last one to two days)."""

LATEST_STOP_MS = 7 * DAY_MS
"""A silent pump stands at the latest this long after it fell silent: so long lasts a portable pump's reservoir
(assumed)."""

STRETCHES = ((0, 6, 0), (6, 24, 12), (24, 72, 40))
"""Stretches of a silence in which the pump may have stopped (from h, to h), and the hour that stands for each. With
what comes later they deliver as much on average as the rate of stopping says."""

USUAL_GAPS = 9
"""A channel's usual interval is the median of so many of its last ones."""

PATIENCE = 3
"""Usual intervals without a word after which a channel is silent (assumed): one or two reports may be lost."""

LEAST_PATIENCE_MS = 15 * MINUTE_MS
"""No channel is silent sooner."""


class Open(NamedTuple):
    """A channel that ran when it was last heard, at ``last``, and that is silent from ``since`` on (ms)."""

    device: str
    drug: str
    last: int
    since: int


class Hypothesis(NamedTuple):
    """What is taken to be true of a delivery, with the logarithm of its prior probability.

    Attributes:
        after: a silent pump stops so long after it fell silent (ms).
        where: what a counter found missing or too much lies there in the stretch ``of`` that is in doubt.
        otherwise: ids of doses that were not what is more likely of them, taken or not (`twin.timeline.pumps.taking`).
    """

    after: int
    log_prior: float
    where: Where = "even"
    of: Mismatch | None = None
    otherwise: tuple[str, ...] = ()


def _survival(hours: float) -> float:
    return math.exp(-STOPPING * hours)


RUNNING = Hypothesis(LATEST_STOP_MS, math.log(_survival(STRETCHES[-1][1])))
"""It runs on, in so far as it is not known to have stopped."""

STOPPED = tuple(Hypothesis(at * HOUR_MS, math.log(_survival(begin) - _survival(end))) for begin, end, at in STRETCHES)
"""It stopped, the earliest first."""


def silent_from(last: int, reports: Sequence[int]) -> int:
    """When (ms) a channel last heard at ``last`` falls silent; ``reports`` are the times of its periodic reports.

    One that never reports periodically only tells when it starts and stops, and is waited for as long as a bag lasts.
    """
    recent = reports[-USUAL_GAPS - 1 :]
    gaps = [after - before for before, after in pairwise(recent)]
    usual = PATIENCE * round(median(gaps)) if gaps else HOLD_MS
    return last + min(max(usual, LEAST_PATIENCE_MS), HOLD_MS)


def spread(mismatch: Mismatch) -> tuple[Hypothesis, ...]:
    """The hypotheses that what is missing or too much does not lie evenly."""
    return tuple(RUNNING._replace(log_prior=LOG_PRIOR, where=where, of=mismatch) for where in ("early", "late"))


def parted(opens: Sequence[Open], millis: int) -> tuple[Hypothesis, ...]:
    """The hypotheses of a stop before ``millis``: until then each is the same as that the pumps run.

    Of several silent channels all stop equally long after each fell silent.
    """
    first = min((one.since for one in opens), default=millis)
    return tuple(one for one in STOPPED if first + one.after < millis)


def log_prior_of_rest(others: Sequence[Hypothesis]) -> float:
    """Log prior probability that none of some hypotheses is true."""
    return math.log(1.0 - sum(math.exp(one.log_prior) for one in others))
