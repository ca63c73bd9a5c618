"""A counter that disagrees with the rates: what is missing, or too much, went in at an unknown time between readings.

It lies evenly (the rates are scaled), early or late in the stretch: three hypotheses that all deliver what was counted.
Only the newest such stretch of a patient is in doubt, and not for ever; of older ones it is taken to lie evenly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from twin.clock import DAY_MS, HOUR_MS
from twin.timeline.pumps.steps import Steps, amount_of, sum_of_steps, value_at

MATTERS = 0.1
"""Part of what was counted or told that has to be missing, or too much, for its time to be in doubt (assumed: twice the
error of an infusion pump)."""

LEAST_MS = HOUR_MS
"""A shorter stretch leaves no doubt that matters (assumed)."""

REMEMBERED_MS = 7 * DAY_MS
"""Time after which it no longer matters when in a stretch something went in (assumed: little of a drug is left)."""

PART = 4
"""What is too much went in within the first or last such part of the stretch."""

Where = Literal["even", "early", "late"]
"""Where in a stretch lies what is missing or too much."""

LOG_PRIOR = math.log(1.0 / 3.0)
"""All three are as likely (assumed)."""


class Mismatch(NamedTuple):
    """Two readings of a channel's counter, at ``since`` and ``until`` (ms), between which its rates came to ``said``
    and it ``counted`` less or more (mg)."""

    device: str
    drug: str
    since: int
    until: int
    said: float
    counted: float

    def in_doubt(self, millis: int) -> bool:
        """Whether it matters at ``millis``."""
        return self.since < millis <= self.until + REMEMBERED_MS


def matters(since: int, until: int, found: float, said: float) -> bool:
    """Whether it is in doubt when the difference went in between what a counter ``found`` and what rates ``said``."""
    return until - since >= LEAST_MS and abs(found - said) > MATTERS * max(found, said)


def newest(found: Iterable[Mismatch]) -> Mismatch | None:
    """The newest of some stretches."""
    return max(found, key=lambda one: (one.until, one.since, one.drug, one.device), default=None)


def reconciled(line: Steps, since: int, until: int, found: float, where: Where = "even") -> Steps:
    """The rates of a stretch, from ``since`` to before ``until`` (ms), that come to what was ``found`` (mg)."""
    inside = [(since, value_at(line, since)), *(step for step in line if since < step[0] < until)]
    said = amount_of(inside, since, until)
    if where != "even":
        if found < said:
            inside = _without(inside, since, until, said - found, where)
        else:
            inside = _with(inside, since, until, found - said, where)
        said = amount_of(inside, since, until)
    if said <= 0:
        return [(since, found / amount_of([(since, 1.0)], since, until))]
    return [(millis, rate * found / said) for millis, rate in inside]


def _without(inside: Steps, since: int, until: int, missing: float, where: Where) -> Steps:
    """Rates that stand until, or from when on, as much as is missing would have gone in."""
    if where == "early":
        cut = _reached(inside, until, missing)
        return [(since, 0.0), (cut, value_at(inside, cut)), *(step for step in inside if step[0] > cut)]
    cut = _reached(inside, until, amount_of(inside, since, until) - missing)
    return [*(step for step in inside if step[0] < cut), (cut, 0.0)]


def _with(inside: Steps, since: int, until: int, extra: float, where: Where) -> Steps:
    """Rates with what is too much added in the first or last part."""
    span = (until - since) // PART
    begin = since if where == "early" else until - span
    pulse = [(begin, extra / amount_of([(begin, 1.0)], begin, begin + span)), (begin + span, 0.0)]
    both = [step for step in sum_of_steps([inside, pulse]) if step[0] < until]
    return both if both and both[0][0] == since else [(since, 0.0), *both]


def _reached(inside: Sequence[tuple[int, float]], until: int, amount: float) -> int:
    """When (ms) an amount is in; after the first and before the last ms of the stretch."""
    left, ends = amount, [*(millis for millis, _ in inside[1:]), until]
    found = until
    for (begin, rate), end in zip(inside, ends, strict=True):
        given = rate * (end - begin) / HOUR_MS
        if given >= left and rate > 0:
            found = begin + round(left / rate * HOUR_MS)
            break
        left -= given
    return min(max(found, inside[0][0] + 1), until - 1)
