"""A result that comes late: the same alert in whatever order the record came, and none where it came in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, clock, dose, level
from twin import PatientTwin
from twin.events import Alert, InputEvent
from twin.patient.fold import Update

MODEL = toys.absorption()


def reported(hours: float, value: float, delay: float, **changes: Any) -> InputEvent:
    return level(hours, value, reported=at(hours) + timedelta(hours=delay), **changes)


def alerts(events: Sequence[InputEvent]) -> dict[str, Alert]:
    """How each alert of the rule was told last, of a record that came piece by piece."""
    twin, last = PatientTwin(PATIENT, MODEL, 24), dict[str, Alert]()
    for event in events:
        update = twin.observe([event])
        assert update.rejected == ()
        last |= {one.alert_id: one for one in _late(update)}
    return last


def _late(update: Update) -> list[Alert]:
    return [one for one in update.outputs if isinstance(one, Alert) and one.rule == "data.late"]


def standing(events: Sequence[InputEvent]) -> list[tuple[object, ...]]:
    """What the alerts that stand say."""
    found = [one for one in alerts(events).values() if one.live]
    return sorted((one.alert_id, one.state, one.text, one.onset.isoformat(), one.severity) for one in found)


STORY = [dose(0), reported(2, 1.1, 20), dose(12), clock(25)]


def test_it_stands_from_the_report_on_in_any_order_of_arrival() -> None:
    wanted = standing(STORY)
    ((_, state, text, onset, severity),) = wanted
    assert (state, severity, onset) == ("active", "medium", at(22).isoformat())
    assert text == (
        "toxin_plasma: 1.1 mg/L was reported 20 h after it was drawn; without it toxin was given 10 h after the "
        "drawing."
    )
    for order in permutations(STORY):
        assert standing(order) == wanted


def test_nothing_stands_before_the_report_nor_where_it_came_in_time_or_no_time_is_told() -> None:
    assert standing([*STORY[:3], clock(21)]) == []
    for one in (reported(2, 1.1, 1), level(2, 1.1)):
        assert standing([dose(0), one, dose(12), clock(25)]) == []


def test_a_result_that_is_taken_back_takes_its_alert_back() -> None:
    gone = reported(2, 1.1, 20, event_id="gone", status="retracted", replaces="level 2")
    (last,) = alerts([*STORY, gone]).values()
    assert last.state == "withdrawn"
    assert standing([*STORY, gone]) == []


def test_a_twin_of_a_row_says_the_same() -> None:
    whole = PatientTwin(PATIENT, MODEL, 24)
    whole.observe(STORY[:3])
    again = PatientTwin.from_row(whole.row(), MODEL)
    one, other = whole.observe([clock(25)]), again.observe([clock(25)])
    assert [a.event_id for a in _late(one)] == [a.event_id for a in _late(other)] != []
