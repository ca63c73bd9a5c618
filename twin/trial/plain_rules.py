"""What a ward does without a twin: plain rules on the same results, as alerts that are judged alike.

- ``low_count``: the newest result (by the time it was drawn) is under `LOW`; until one is not.
- ``calendar``: after each course everyone is watched through the days on which the lowest count is usual.
- ``before``: who had a result under the limit in a course is warned of throughout the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from twin.clock import DAY_MS
from twin.trial.warnings import Standing

LOW = 2.0
"""``low_count``, as a multiple of the limit of the event: of a grade 4 the upper limit of grade 3 (neutrophils under
1.0 x 10^9/L, CTCAE v5.0)."""

CALENDAR_MS = 12 * DAY_MS
"""``calendar``: how long after the beginning of a course (assumed: docetaxel's lowest counts are about day 8)."""


@dataclass(frozen=True)
class Result:
    """A result as the ward heard it: ms when it was ``known``, ms when it was ``drawn``, and its value."""

    known: int
    drawn: int
    value: float


def plain_rules(
    results: Sequence[Result], courses: Sequence[int], limit: float, end: int
) -> dict[str, tuple[Standing, ...]]:
    """The alerts of each plain rule.

    Args:
        results: in the order in which they were known.
        courses: ms at which each course began, ascending.
        limit: of the event.
        end: of the watch, ms.
    """
    starts = [start for start in courses if start <= end]
    spans = list(pairwise([*starts, end]))
    before = []
    for (begun, over), (_, until) in pairwise(spans):
        if any(begun <= one.drawn and one.known < over and one.value < limit for one in results):
            before.append(Standing(over, until))
    return {
        "low_count": _low_count(results, LOW * limit),
        "calendar": tuple(Standing(start, start + CALENDAR_MS) for start in starts),
        "before": tuple(before),
    }


def _low_count(results: Sequence[Result], low: float) -> tuple[Standing, ...]:
    found: list[Standing] = []
    raised: int | None = None
    newest = -1
    for one in results:
        if one.drawn < newest:
            continue
        newest = one.drawn
        if raised is None and one.value < low:
            raised = one.known
        elif raised is not None and one.value >= low:
            found.append(Standing(raised, one.known))
            raised = None
    if raised is not None:
        found.append(Standing(raised, None))
    return tuple(found)
