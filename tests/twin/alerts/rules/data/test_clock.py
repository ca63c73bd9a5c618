from __future__ import annotations

import pytest

from tests.twin.alerts.rules.views import states, told
from twin.alerts.rules.data.clock import RULE
from twin.alerts.snapshot import ClockView, Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject


def clock(hour: float, minutes: float | None, since: float = 0.0) -> Snapshot:
    """A pump whose clock is so many minutes behind."""
    views = () if minutes is None else (ClockView("pump-4", 60.0 * minutes, round(since * HOUR_MS)),)
    return Snapshot("P-1", round(hour * HOUR_MS), 500.0, None, clocks=views)


def test_it_names_the_device_how_far_off_it_is_and_what_to_do() -> None:
    (alert,) = told([clock(1, 15)])
    assert (alert.rule, alert.subject, alert.severity, alert.onset_ms) == (RULE, Subject("device", "pump-4"), "low", 0)
    assert alert.text == "The clock of pump-4 is 15 min behind; what it says is placed by a right clock."
    assert alert.advice == "Set the clock of the device; check times that were read off it."


@pytest.mark.parametrize(("minutes", "says"), [(-181, "3.02 h ahead"), (240, "4 h behind")])
def test_whole_hours_are_graver_and_a_time_zone(minutes: float, says: str) -> None:
    (alert,) = told([clock(1, minutes)])
    assert says in alert.text
    assert alert.severity == "medium"
    assert alert.advice.startswith("Set the clock of the device, and its time zone;")


def test_it_clears_with_a_word_by_a_right_clock_and_holds_while_nothing_is_said() -> None:
    assert states([clock(1, 4)]) == []
    assert states([clock(1, 6), clock(2, None)]) == [(RULE, "start")]
    assert told([clock(1, 6), clock(3, 0, since=3)])[-1].text == "The clock of pump-4 is right."


def test_another_offset_is_told_at_once() -> None:
    assert states([clock(1, 15), clock(2, 15), clock(3, 75, since=3)]) == [(RULE, "start"), (RULE, "escalate")]
    assert states([clock(1, 15), clock(3, 20, since=3)]) == [(RULE, "start"), (RULE, "update")]
