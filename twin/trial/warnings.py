"""Were warnings of an event worth having? What a patient's alerts, or those of any rule, said beside what happened.

Definitions, the same for the twin and for every rule beside it:

- an **event** begins when the true output falls under the limit (`twin.trial.course`) while the patient is watched and
  not already under it;
- it was **found** when an alert stands as it begins; its **lead** is the time from the raising of that alert until
  then, as it was heard on the ward (with the delays of laboratory and messages), and never reaches back before the end
  of the patient's event before;
- an alert **claims** that there will be an event within the horizon: when it is raised, and again after each horizon
  for which it has stood. The claim is **right** when the true output is under the limit at any time from it until its
  horizon is over; else it is a **false alert**. Truth is known beyond the end of the watch, so that none is undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from twin.clock import DAY_MS
from twin.trial.course import TrueCourse


@dataclass(frozen=True)
class Standing:
    """An alert as it was heard: ms of its raising and of its end (``None``: it stands at the end of the watch).

    ``probability`` is what it said when it was raised, where it said one.
    """

    raised: int
    ended: int | None
    probability: float | None = None

    def stands(self, millis: int) -> bool:
        """Whether it stands just before ``millis``."""
        return self.raised < millis and (self.ended is None or millis <= self.ended)


@dataclass(frozen=True)
class Watch:
    """What is true of one patient: watched from ``start`` to ``end`` (ms), for events under ``limit`` within
    ``horizon`` (ms)."""

    patient_id: str
    start: int
    end: int
    course: TrueCourse
    limit: float
    horizon: int

    @property
    def days(self) -> float:
        """Days of watch."""
        return (self.end - self.start) / DAY_MS


@dataclass(frozen=True)
class Claim:
    """That there will be an event within the horizon from ``millis`` on, and whether there was."""

    millis: int
    probability: float | None
    right: bool


@dataclass(frozen=True)
class Warned:
    """One patient's events by their lead (days; ``None`` where no alert stood), claims, and days of watch."""

    patient_id: str
    leads: tuple[float | None, ...]
    claims: tuple[Claim, ...]
    days: float


def judge(watch: Watch, alerts: tuple[Standing, ...]) -> Warned:
    """What alerts of one kind were worth in one patient."""
    spells = watch.course.spells_below(watch.limit)
    before = [(watch.start, watch.start), *spells]
    leads: list[float | None] = []
    for (_, over), (begun, _) in pairwise(before):
        if not watch.start < begun <= watch.end:
            continue
        raised = [max(alert.raised, over) for alert in alerts if alert.stands(begun)]
        leads.append((begun - min(raised)) / DAY_MS if raised else None)
    claims = [
        Claim(millis, alert.probability if millis == alert.raised else None, _right(watch, millis))
        for alert in alerts
        for millis in range(alert.raised, watch.end if alert.ended is None else alert.ended + 1, watch.horizon)
        if millis <= watch.end
    ]
    return Warned(watch.patient_id, tuple(leads), tuple(claims), watch.days)


def _right(watch: Watch, millis: int) -> bool:
    return watch.course.falls_below(watch.limit, millis, millis + watch.horizon)
