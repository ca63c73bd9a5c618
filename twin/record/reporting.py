"""When results could be read, and what was decided between their drawing and then.

A result is of the moment its specimen was drawn, so a twin believes in hindsight what nobody knew at the time. What was
given or planned between drawing and report was decided without it. A pump that goes on as it ran before (after an
alarm, in a new segment) is no decision.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal, NamedTuple

from twin.clock import HOUR_MS
from twin.events import DoseGiven, Measurement, PumpDelivery, RegimenPlanned, to_millis
from twin.record.history import HOLD_MS, History

RESUMED_MS = 2 * HOUR_MS
"""A pump that runs again at its old rate within so long goes on with what was decided before (assumed: an alarm is seen
to, and a bag changed, sooner)."""


class Decided(NamedTuple):
    """What was done about a drug, and when (ms)."""

    millis: int
    what: Literal["given", "planned"]
    drug: str


class Report(NamedTuple):
    """A result as it could be read from ``reported`` on (ms); one whose source does not say when, from its drawing on.

    ``unsure`` (ms) is by how much the time of drawing, ``drawn``, may be wrong: two standard deviations.
    """

    reported: int
    drawn: int
    event_id: str
    analyte: str
    value: float
    unit: str
    unsure: int

    @property
    def delay(self) -> int:
        """Between drawing and report (ms), at the least."""
        return max(0, self.reported - self.drawn - self.unsure)


class Reports:
    """The results of one history, in the order in which they could be read.

    ``before`` are those of the history as it was earlier: what both have is not worked out again.
    """

    def __init__(self, history: History, before: Reports | None = None) -> None:
        self._history = history
        self._known: dict[str, Report] = {} if before is None else before._known
        self._of: dict[str, list[Report]] = {}
        self._sorted = True
        self._decided: dict[str, tuple[Decided, ...]] = {}

    def add(self, millis: int, result: Measurement) -> None:
        """Take in a result that counts."""
        report = self._known.get(result.event_id)
        if report is None:
            report = self._known[result.event_id] = _report(millis, result)
        self._of.setdefault(result.analyte, []).append(report)
        self._sorted = False

    def newest(self, millis: int) -> tuple[Report, ...]:
        """What was reported last of each analyte by ``millis``, sorted by analyte."""
        if not self._sorted:
            for reports in self._of.values():
                reports.sort()
            self._sorted = True
        found = []
        for _, reports in sorted(self._of.items()):
            at = bisect_right(reports, millis, key=lambda one: one.reported)
            found += reports[at - 1 : at] if at else []
        return tuple(found)

    def decided(self, report: Report) -> tuple[Decided, ...]:
        """What was given or planned after the drawing and before the report, in order."""
        known = self._decided.get(report.event_id)
        if known is None:
            known = self._decided[report.event_id] = tuple(_decisions(self._history, report.drawn, report.reported))
        return known


def _report(millis: int, result: Measurement) -> Report:
    reported = millis if result.reported is None else max(millis, to_millis(result.reported))
    unsure = 0.0 if result.draw_time_sd is None else 2.0 * result.draw_time_sd.value * HOUR_MS
    return Report(
        reported, millis, result.event_id, result.analyte, result.value.value, result.value.unit, round(unsure)
    )


def _decisions(history: History, after: int, before: int) -> list[Decided]:
    found: list[Decided] = []
    runs: dict[tuple[str, str], tuple[int, float]] = {}
    for millis, fact in history.effective(after - HOLD_MS, before - 1):
        done: Literal["given", "planned"] | None = None
        if isinstance(fact, RegimenPlanned):
            done = "planned"
        elif isinstance(fact, DoseGiven) and fact.amount.value > 0:
            done = "given"
        elif isinstance(fact, PumpDelivery):
            last, rate = runs.get((fact.device_id, fact.drug)), fact.rate.value
            if fact.phase == "start" and rate > 0 and fact.delivery_status != "not-delivering":
                goes_on = last is not None and last[1] == rate and millis - last[0] <= RESUMED_MS
                done = None if goes_on else "given"
                runs[fact.device_id, fact.drug] = millis, rate
            elif last is not None:
                runs[fact.device_id, fact.drug] = millis, last[1]
        if done is not None and millis > after and isinstance(fact, RegimenPlanned | DoseGiven | PumpDelivery):
            found.append(Decided(millis, done, fact.drug))
    return found
