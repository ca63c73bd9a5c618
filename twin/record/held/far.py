"""What lies too far from the rest of a patient's record to be believed before somebody has said that it is true.

A pump that lost its clock says 2000, a year is mistyped: folded along all the time between, such an event costs hours
and moves what was given to where it was not. Whether an event is held follows from the record as a whole, so it is the
same in any order of arrival, and what is held may be believed later, when more is known.

All that was told falls into *stretches* without a long silence. Before the enrolment a silence is long from
`BEFORE_MS` on, after it (or where there is no enrolment) from `AHEAD_MS` on; never after it where the patient is known
to be followed since, for then nothing told is that nothing happened. Stretches that a plan has doses in belong together
with that in which it was made. Believed is a stretch

- in which the patient was enrolled, or of which a clinician released something;
- with `WITNESSES` who bear one another out: instants for which facts were told. All that one device says is one
  witness, for it has one clock; what is told of a characteristic of the patient or of the passing of time is none;
- that bears most witnesses, the latest of these, where there is no stretch of the other two kinds.

The rest is held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from twin.clock import DAY_MS

BEFORE_MS = 183 * DAY_MS
"""Longest silence before the enrolment: half a year, longer than the pause between two courses and than the screening
before treatment (assumed). What is told of an earlier time is believed with `WITNESSES`."""

AHEAD_MS = 731 * DAY_MS
"""Longest silence in a record: two years, or one yearly visit that was missed (assumed)."""

BEFORE = "more than half a year before the rest of the record"
AHEAD = "more than two years after the rest of the record"
"""Where what is held lies, in words."""

WITNESSES = 3
"""Instants that make a history: one may be mistyped, two may be the begin and the end of one infusion."""


class Stretch(NamedTuple):
    """From the first to the last word (ms) between two long silences."""

    first: int
    last: int


def held_stretches(
    told: Sequence[Stretch],
    enrolled: int | None,
    followed: int | None,
    plans: Iterable[tuple[int, tuple[int, ...]]],
    released: Sequence[tuple[int, int]],
    witnesses: Callable[[Stretch], int],
) -> tuple[Stretch, ...]:
    """The stretches that are held, sorted.

    Args:
        told: stretches of all that was told, sorted, with silences between them that are longer than `BEFORE_MS`.
        enrolled: ms of the first enrolment.
        followed: ms of the begin of follow-up.
        plans: ms at which each was made, and of its doses, sorted.
        released: begin and end (ms) of what a clinician released.
        witnesses: how many bear out a stretch; it need not count beyond `WITNESSES`.
    """
    groups = _joined(_groups(told, enrolled, followed), plans)
    if len(groups) < 2:
        return ()
    marks = [*released, *([] if enrolled is None else [(enrolled, enrolled)])]
    seeded = [any(s.first <= end and begin <= s.last for s in group for begin, end in marks) for group in groups]
    borne = [sum(witnesses(stretch) for stretch in group) for group in groups]
    believed = [seed or count >= WITNESSES for seed, count in zip(seeded, borne, strict=True)]
    if not any(believed):
        believed[max(range(len(groups)), key=lambda i: (borne[i], groups[i][-1].last))] = True
    return tuple(sorted(s for group, true in zip(groups, believed, strict=True) if not true for s in group))


def _groups(told: Sequence[Stretch], enrolled: int | None, followed: int | None) -> list[list[Stretch]]:
    """Stretches that only a silence parts that is not long where it stands."""
    groups = [[told[0]]]
    for stretch in told[1:]:
        last = groups[-1][-1].last
        awaited = enrolled is not None and followed is not None and max(enrolled, followed) <= last
        early = enrolled is not None and stretch.first <= enrolled
        if awaited or stretch.first - last <= (BEFORE_MS if early else AHEAD_MS):
            groups[-1].append(stretch)
        else:
            groups.append([stretch])
    return groups


def _joined(groups: list[list[Stretch]], plans: Iterable[tuple[int, tuple[int, ...]]]) -> list[list[Stretch]]:
    """Groups with those in which they planned doses."""
    if len(groups) < 2:
        return groups
    for made, doses in plans:
        near = [g for g in groups if any(_reaches(s, doses) or _holds(s, made) for s in g)]
        if len(near) > 1:
            groups = [g for g in groups if g not in near] + [sorted(s for g in near for s in g)]
    return groups


def _holds(stretch: Stretch, millis: int) -> bool:
    return stretch.first <= millis <= stretch.last


def _reaches(stretch: Stretch, doses: tuple[int, ...]) -> bool:
    """Whether a stretch comes so near to a planned dose that no long silence is between them."""
    at = bisect_left(doses, stretch.first - BEFORE_MS)
    return at < len(doses) and doses[at] <= stretch.last + BEFORE_MS
