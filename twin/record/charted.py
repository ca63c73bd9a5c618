"""One infusion told twice: by the pump that gave it, and by who charted it as given.

What the pump says counts, and the charted dose is the same one. A dose that names its pump (``device_id``) is what
that pump began within `LINKED_MS`, whatever amounts the two say. One that names none is what a pump began to deliver of
the drug within `START_MS` of it, by vein, where the amounts agree within `SAME_AMOUNT`; or the rates, where the pump
has not ended the infusion or ended it before all that is charted was in.

Each infusion is at most one charted dose: where the pump tells two, two charted doses are those two, and where it tells
one, the second charted dose counts beside it. As many are paired as can be.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twin.clock import HOUR_MS
from twin.events import from_millis

START_MS = HOUR_MS
"""How far the charted start may be from the pump's: doses are charted when there is time, or as ordered (assumed)."""

LINKED_MS = 12 * HOUR_MS
"""The same, of a dose that names its pump: within half a day a pump begins no second course (assumed)."""

SAME_AMOUNT = 0.10
"""How far the amounts may differ: about 5 % of pump accuracy, and about 5 % that stay in bag and line."""

PAUSE_MS = HOUR_MS
"""Longest stop within one infusion: a change of bag, an occlusion, a check of the line (assumed)."""

UNLIKE = 2
"""See `_likeness`."""


class ChartedDose(NamedTuple):
    """A dose recorded as given: ms, mg, ms that it lasts (0: at once), and the pump that it names."""

    event_id: str
    start: int
    amount: float
    span: int
    device: str | None


class Infusion(NamedTuple):
    """What a pump delivers from ``start`` to ``end`` (ms) without a stop; ``open`` while no word has ended it."""

    device: str
    start: int
    end: int
    amount: float
    open: bool


class ToldTwice(NamedTuple):
    """A charted dose (mg) that is what ``device`` delivered from ``start`` (ms) on (mg)."""

    event_id: str
    charted: float
    device: str
    start: int
    pumped: float

    def note(self, drug: str) -> str:
        """What is to be said of it."""
        begun = from_millis(self.start).strftime("%Y-%m-%d %H:%M UTC")
        told = f"dose_given '{self.event_id}' ({self.charted:.4g} mg) is what {self.device} began at {begun}"
        return f"{drug}: {told}; it is counted once, as the pump tells it"


def told_twice(doses: Sequence[ChartedDose], infusions: Sequence[Infusion]) -> tuple[ToldTwice, ...]:
    """The doses that pumps told of too, in order of time; the result does not depend on the order of the arguments."""
    groups = sorted(_groups(sorted(infusions)), key=_begin)
    choices = {dose: _choices(dose, groups) for dose in sorted(doses)}
    taken: dict[Infusion, tuple[ChartedDose, tuple[Infusion, ...]]] = {}

    def place(dose: ChartedDose, tried: set[tuple[Infusion, ...]]) -> bool:
        """Pair a dose, if need be by finding another infusion for a dose that was paired before."""
        for group in choices[dose]:
            if group in tried:
                continue
            tried.add(group)
            others = {taken[one][0] for one in group if one in taken}
            if len(others) > 1 or (others and len(group) > 1) or any(other.device is not None for other in others):
                continue
            if all(place(other, tried) for other in others):
                for one in [one for one, (owner, _) in taken.items() if owner == dose]:
                    del taken[one]
                taken.update((one, (dose, group)) for one in group)
                return True
        return False

    for dose in sorted(choices, key=lambda dose: (dose.device is None, _distance(dose, choices[dose]), dose)):
        place(dose, set())
    pairs = dict(taken.values())
    found = [
        ToldTwice(dose.event_id, dose.amount, group[0].device, group[0].start, sum(one.amount for one in group))
        for dose, group in pairs.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.start, one.event_id)))


def _groups(infusions: Sequence[Infusion]) -> Iterator[tuple[Infusion, ...]]:
    """Every stretch of a pump's infusions that may be one with pauses in it; an open one stands alone."""
    for first, one in enumerate(infusions):
        yield (one,)
        for last in range(first + 1, len(infusions)):
            before, following = infusions[last - 1 : last + 1]
            paused = following.device == one.device and following.start - before.end <= PAUSE_MS
            if not paused or before.open or following.open:
                break
            yield tuple(infusions[first : last + 1])


def _choices(dose: ChartedDose, groups: Sequence[tuple[Infusion, ...]]) -> list[tuple[Infusion, ...]]:
    """What a dose may be, single infusions and near ones first; ``groups`` by their begin."""
    within = START_MS if dose.device is None else LINKED_MS
    low = bisect_left(groups, dose.start - within, key=_begin)
    near = groups[low : bisect_right(groups, dose.start + within, key=_begin)]
    if dose.device is None:
        like = [group for group in near if _likeness(dose, group) < UNLIKE]
    else:
        like = [group for group in near if group[0].device == dose.device]
    return sorted(like, key=lambda group: (_likeness(dose, group), len(group), _apart(dose, group), group))


def _begin(group: tuple[Infusion, ...]) -> int:
    return group[0].start


def _apart(dose: ChartedDose, group: tuple[Infusion, ...]) -> int:
    return abs(group[0].start - dose.start)


def _distance(dose: ChartedDose, choices: Sequence[tuple[Infusion, ...]]) -> int:
    return _apart(dose, choices[0]) if choices else 0


def _likeness(dose: ChartedDose, group: tuple[Infusion, ...]) -> int:
    """How a dose and what a pump delivered are alike: 0 in amount, 1 in rate, `UNLIKE` neither."""
    ended, amount = not group[-1].open, sum(one.amount for one in group)
    if ended and abs(amount - dose.amount) <= SAME_AMOUNT * dose.amount:
        return 0
    if len(group) > 1 or dose.span == 0 or (ended and amount > dose.amount):
        return UNLIKE
    running, charted = amount / (group[0].end - group[0].start), dose.amount / dose.span
    return 1 if abs(running - charted) <= SAME_AMOUNT * charted else UNLIKE
