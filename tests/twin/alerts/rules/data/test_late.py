from __future__ import annotations

import pytest

from tests.twin.alerts.rules.views import states, told
from twin.alerts.rules.data.late import RULE
from twin.alerts.snapshot import ReportView, Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject


def count(drawn: float, delay: float, *given: float, value: float = 0.4) -> ReportView:
    """A count drawn at an hour and reported ``delay`` hours later, with doses at hours in between."""
    decided = tuple((round(hour * HOUR_MS), "given", "docetaxel") for hour in given)
    millis, later = round(drawn * HOUR_MS), round(delay * HOUR_MS)
    return ReportView("neutrophils", value, "10*9/L", millis, millis + later, later, decided)


def at(hour: float, *views: ReportView) -> Snapshot:
    return Snapshot("P-1", round(hour * HOUR_MS), 500.0, 0, reports=views)


def test_a_dose_that_was_given_without_it_is_named_with_what_to_look_at() -> None:
    (alert,) = told([at(31, count(0, 30, 4.5, 20))])
    assert (alert.rule, alert.subject, alert.severity) == (RULE, Subject("output", "neutrophils"), "medium")
    assert alert.onset_ms == 30 * HOUR_MS
    assert alert.text == (
        "neutrophils: 0.4 ×10⁹/L was reported 30 h after it was drawn; without it docetaxel was given 4.5 h after the "
        "drawing, and 1 more."
    )
    assert alert.advice.startswith("Look whether what was decided of docetaxel still holds with this result;")


@pytest.mark.parametrize(
    ("view", "late"),
    [
        (count(0, 5.9, 4), False),
        (count(0, 6.1, 4), True),
        (count(0, 30, 0.9), False),  # drawn for it, and given at once
        (count(0, 71), False),
        (count(0, 73), True),
    ],
)
def test_less_is_allowed_where_something_was_decided_without_it(view: ReportView, late: bool) -> None:
    assert states([at(80, view)]) == ([(RULE, "start")] if late else [])


def test_one_that_nobody_waited_for_is_of_low_severity() -> None:
    (alert,) = told([at(100, count(0, 96))])
    assert (alert.severity, alert.text) == ("low", "neutrophils: 0.4 ×10⁹/L was reported 96 h after it was drawn.")


def test_it_stands_until_a_result_comes_in_time_and_another_late_one_is_another_alert() -> None:
    late = count(0, 30, 4)
    assert states([at(31, late), at(40, late), at(50, count(48, 1))]) == [(RULE, "start"), (RULE, "end")]
    next_one = count(48, 30, 52)
    again = [moved for moved in told([at(31, late), at(80, next_one), at(81, next_one)]) if moved.phase == "start"]
    assert [one.onset_ms // HOUR_MS for one in again] == [30, 78]
