"""Quiet hours and floods hold alerts back, urgent ones hardly, and none is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.sinks.telling.pace import URGENT_EVERY, Notice, Pace, urgent
from tests.connectors.sinks.telling.told import NOON, OVER, Settings, alert
from twin.events import AlertCause


class Night:
    """A pace by a clock that the test moves."""

    def __init__(self, **given: Any) -> None:
        self.moment = NOON
        self.pace = Pace(Settings(**given), lambda: self.moment, lambda notice: notice.alert.event_id)

    def tell(self, *notices: Notice) -> list[list[str]]:
        """What goes out now, as patients by message."""
        later = set(self.pace.later(notices))
        messages: dict[str, list[Notice]] = {}
        for place, notice in enumerate(notices):
            if place not in later:
                key = "summary" if self.pace.in_summary(notice) else notice.alert.event_id
                messages.setdefault(key, []).append(notice)
        for message in messages.values():
            self.pace.sent(message)
        return [[notice.alert.patient_id for notice in message] for message in messages.values()]


def notice(patient: str, severity: str = "low", arrived: datetime = NOON) -> Notice:
    return Notice(alert(patient, severity=severity), arrived)


def test_in_quiet_hours_only_what_is_urgent_is_told_and_one_summary_after() -> None:
    night = Night(quiet_hours="11:00-13:00")
    mild, more, grave = notice("P-1"), notice("P-2", "medium"), notice("P-3", "high")
    assert night.tell(mild, grave, more) == [["P-3"]]
    night.moment += timedelta(hours=1)
    assert night.tell(mild, more) == [["P-1", "P-2"]]


def test_what_came_in_quiet_hours_is_in_their_summary_though_nobody_was_there_in_the_night() -> None:
    night = Night(quiet_hours="02:00-03:00")
    early = NOON - timedelta(hours=9, minutes=30)
    assert night.tell(notice("P-1", arrived=early), notice("P-2"), notice("P-3", arrived=early)) == [
        ["P-1", "P-3"],
        ["P-2"],
    ]


def test_a_flood_ends_in_a_summary_once_there_is_room() -> None:
    night = Night(flood=3, flood_minutes=10)
    notices = [notice(f"P-{number}") for number in range(6)]
    assert night.tell(*notices) == [["P-0"], ["P-1"], ["P-2"]]
    night.moment += timedelta(minutes=9)
    assert night.tell(*notices[3:]) == []
    night.moment += timedelta(minutes=1)
    assert night.tell(*notices[3:], notice("P-7")) == [["P-3", "P-4", "P-5"], ["P-7"]]


def test_in_a_flood_what_is_urgent_is_told_together_once_a_minute() -> None:
    night = Night(flood=2)
    grave = [notice(f"P-{number}", "high") for number in range(6)]
    assert night.tell(*grave[:4]) == [["P-0"], ["P-1"], ["P-2", "P-3"]]
    assert night.tell(*grave[4:]) == []
    night.moment += URGENT_EVERY
    assert night.tell(*grave[4:]) == [["P-4", "P-5"]]


def test_without_a_limit_there_is_no_flood() -> None:
    assert len(Night(flood=0).tell(*[notice(f"P-{number}") for number in range(500)])) == 500


@given(st.lists(st.tuples(st.sampled_from(["low", "high"]), st.integers(0, 400)), max_size=40))
def test_nothing_is_lost_and_no_window_has_more_messages_than_allowed(steps: list[tuple[str, int]]) -> None:
    night = Night(flood=3, flood_minutes=10, quiet_hours="12:30-12:45")
    waiting: list[Notice] = []
    said: list[tuple[datetime, list[str]]] = []
    for number, (severity, seconds) in enumerate([*steps, *[("", 3600)] * 3]):
        night.moment += timedelta(seconds=seconds)
        if severity:
            waiting.append(notice(f"P-{number}", severity, night.moment))
        for message in night.tell(*waiting):
            said.append((night.moment, message))
            waiting = [one for one in waiting if one.alert.patient_id not in message]
    told = [patient for _, message in said for patient in message]
    assert sorted(told) == sorted(f"P-{number}" for number in range(len(steps)))
    for moment, _ in said:
        within = [at for at, _ in said if moment - timedelta(minutes=10) < at <= moment]
        assert len(within) <= 3 + 10 + 1  # and one a minute of what is urgent


def test_nobody_is_woken_for_what_is_mild_shelved_inhibited_or_only_says_what_somebody_did() -> None:
    assert urgent(alert(severity="high"))
    assert urgent(alert(severity="high", revision=1, phase=OVER))
    assert not urgent(alert(severity="medium"))
    assert not urgent(alert(severity="high", shelved_until=NOON + timedelta(hours=1)))
    assert urgent(alert(severity="high", shelved_until=NOON))
    assert not urgent(alert(severity="high", inhibited_by=AlertCause("twin.stale", "a-1")))
    assert not urgent(alert(severity="high", revision=1, phase="commented"))
